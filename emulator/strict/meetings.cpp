#include "strict/meetings.hpp"

#include <algorithm>

#include "execute/block.hpp"

namespace emulator {

Meetings::Meetings(Block& block) : block_(block), passed_(block.program().places_behind * block.warps()) {}

void Meetings::reset() {
  std::fill(passed_.begin(), passed_.end(), 0u);
  for (auto& each : waiting_) each.clear();
}

void Meetings::before(const Warp& warp, const Instruction& in, std::uint32_t asked) {
  const InstructionNote& note = block_.program().notes[static_cast<std::size_t>(&in - warp.code)];
  if (note.place_behind != 0) passed_[(note.place_behind - 1u) * block_.warps() + warp.index] |= asked;
}

void Meetings::arrived(const Warp& warp, const Instruction& in, unsigned id, std::uint32_t lanes) {
  waiting_[id].push_back({&warp, &in, lanes});
}

void Meetings::completed(unsigned id, bool counted) {
  const std::vector<Waiting> met = std::move(waiting_[id]);
  waiting_[id].clear();
  if (counted) return;
  const auto& notes = block_.program().notes;
  for (const Waiting& each : met) {
    const InstructionNote& note = notes[static_cast<std::size_t>(each.at - each.warp->code)];
    if (note.behind == 0) continue;
    for (unsigned w = 0; w < block_.warps(); ++w) {
      const std::uint32_t passed = passed_[(note.behind - 1u) * block_.warps() + w];
      if (passed == 0) continue;
      Fault fault = fault_at(*each.warp, *each.at, static_cast<unsigned>(__builtin_ctz(each.lanes)),
                             Fault::Kind::divergent_barrier,
                             "a barrier of the whole block that a thread has passed by without waiting at it");
      const auto other = std::find_if(notes.begin(), notes.end(),
                                      [&](const InstructionNote& n) { return n.place_behind == note.behind; });
      fault.related.push_back({"went on behind it",
                               true,
                               block_.place().block,
                               thread_of(block_.warp(w), static_cast<unsigned>(__builtin_ctz(passed))),
                               other != notes.end() ? other->line : 0,
                               {}});
      throw FaultRaised{std::move(fault)};
    }
  }
}

}  // namespace emulator
