#include "strict/strict.hpp"

#include "execute/block.hpp"
#include "execute/warpgroup.hpp"

namespace emulator {

void Strict::before(Warp& warp, const Instruction& in, std::uint32_t asked, std::uint32_t mask) {
  definedness.guard(warp, in, asked);
  meetings.before(warp, in, asked);
  if (mask == 0) return;
  registers.before(warp, in, mask);
  const InstructionNote& note = warp.program->notes[static_cast<std::size_t>(&in - warp.code)];
  if (note.traffic == InstructionNote::Traffic::none) {
    definedness.before(warp, in, mask, nullptr, 0);
    if (note.flow.rule == Flow::warpgroup_multiply && mask == kAllLanes) product(warp, in);
    return;
  }
  std::array<Access, 2> accesses;
  const unsigned count = accesses_of(warp, in, mask, accesses);
  definedness.before(warp, in, mask, accesses.data(), count);
  if (count != 0) races.access(warp, in, accesses.data(), count);
}

void Strict::after(Warp& warp, const Instruction& in, std::uint32_t done) {
  definedness.after(warp, in, done);
  races.executed(warp, in, done);
  if (done == 0) return;
  const InstructionNote& note = warp.program->notes[static_cast<std::size_t>(&in - warp.code)];
  if (note.proxy_fence) proxy.fence(warp, done);
  if (note.proxy_fence || note.init_fence) objects.fenced(warp, done, note.init_fence);
  if (note.flow.rule == Flow::warpgroup_fence) registers.fenced(warp);
  if (note.flow.rule == Flow::warpgroup_wait) {
    registers.done(warp, warp.products.awaited);
    if (warp.products.awaited != 0) proxy.products_done(warp, warp.products.awaited);
  }
}

/// The warp is about to multiply: its rows of A, and all of B.
void Strict::product(Warp& warp, const Instruction& in) {
  const AsyncProxy::Agent agent = proxy.product(warp, warp.products.issued + 1);
  each_operand_unit(warp, in, [&](std::uint64_t at, unsigned /*first*/, unsigned /*k*/, bool /*of_a*/) {
    if (at + kUnitBytes <= warp.shared_bytes) proxy.read(agent, warp, in, 0, at, kUnitBytes);
  });
}

}  // namespace emulator
