#include "measure/combine.hpp"

#include <map>
#include <tuple>

namespace emulator {
namespace {

using Traffic = InstructionNote::Traffic;

constexpr std::uint32_t kNone = ~0u;

class Combiner {
 public:
  explicit Combiner(const Program& program) : program_(program), out_(program.code.size()) {}

  void see(std::size_t i) {
    const InstructionNote& note = program_.notes[i];
    const bool in_shared = note.traffic != Traffic::none && note.space != ptx::Space::global;
    if (in_shared && note.traffic != Traffic::load) {
      end();
    } else if (in_shared && note.space == ptx::Space::shared && note.bytes == 4 && !note.matrix) {
      const Instruction& in = program_.code[i];
      const ValueUse& use = program_.uses[i];
      // A guard is read as well; loads under different guards do not combine.
      const std::uint32_t address = use.reads > 0 ? program_.use_list[use.first] : kNone;
      const std::uint32_t other = use.reads > 1 ? program_.use_list[use.first + 1] : kNone;
      groups_[{address, other, writes_[address] + writes_[other]}].emplace(in.immediate, i);
    }
    const ValueUse& use = program_.uses[i];
    for (std::uint32_t k = use.first + use.reads; k < use.first + use.reads + use.writes; ++k) {
      ++writes_[program_.use_list[k]];
    }
  }

  /// No load behind this place combines with one before it.
  void end() {
    for (const auto& [key, loads] : groups_) combine(loads);
    groups_.clear();
    writes_.clear();
  }

  std::vector<Combination> take() { return std::move(out_); }

 private:
  using Loads = std::map<std::int64_t, std::size_t>;  ///< by offset

  void combine(const Loads& loads) {
    for (auto at = loads.begin(); at != loads.end();) {
      std::uint8_t width = 1;
      for (const unsigned wish : {4u, 2u}) {
        if (at->first % (4 * wish) != 0) continue;
        unsigned found = 1;
        while (found < wish && loads.count(at->first + 4 * found) != 0) ++found;
        if (found != wish) continue;
        width = static_cast<std::uint8_t>(wish);
        break;
      }
      for (std::uint8_t k = 0; k < width; ++k, ++at) out_[at->second] = {width, k};
    }
  }

  const Program& program_;
  std::vector<Combination> out_;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, Loads> groups_;  ///< by address register and guard
  std::map<std::uint32_t, std::uint32_t> writes_;                                    ///< to each value, so far
};

}  // namespace

std::vector<Combination> find_combinations(const Program& program, const std::vector<std::uint32_t>& stretch) {
  Combiner combiner(program);
  for (std::size_t i = 0; i < program.code.size(); ++i) {
    if (i > 0 && stretch[i] != stretch[i - 1]) combiner.end();
    combiner.see(i);
  }
  combiner.end();
  return combiner.take();
}

}  // namespace emulator
