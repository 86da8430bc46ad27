#include "strict/strict.hpp"

namespace emulator {

void Strict::before(Warp& warp, const Instruction& in, std::uint32_t asked, std::uint32_t mask) {
  definedness.guard(warp, in, asked);
  meetings.before(warp, in, asked);
  if (mask == 0) return;
  const InstructionNote& note = warp.program->notes[static_cast<std::size_t>(&in - warp.code)];
  if (note.traffic == InstructionNote::Traffic::none) return definedness.before(warp, in, mask, nullptr, 0);
  std::array<Access, 2> accesses;
  const unsigned count = accesses_of(warp, in, mask, accesses);
  definedness.before(warp, in, mask, accesses.data(), count);
  if (count != 0) races.access(warp, in, accesses.data(), count);
}

void Strict::after(Warp& warp, const Instruction& in, std::uint32_t done) {
  definedness.after(warp, in, done);
  races.executed(warp, in, done);
}

}  // namespace emulator
