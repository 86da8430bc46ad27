// What is counted of a block beside how often each instruction ran, and what the timing model needs of it. The watched
// loop (execute/watch.cpp) shows the meter every instruction before and after, the barriers who arrives.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "execute/access.hpp"
#include "measure/measurement.hpp"
#include "measure/model.hpp"
#include "ptx/source_lines.hpp"

namespace emulator {

/// Of one instruction: what Count does not tell.
struct Tally {
  std::uint64_t divergent = 0;
  std::uint64_t splits = 0;
  std::uint64_t global_requests = 0;
  std::uint64_t sectors = 0;
  std::uint64_t least_sectors = 0;
  std::uint64_t shared_requests = 0;
  std::uint64_t passes = 0;
  std::uint64_t least_passes = 0;
  std::uint64_t global_load_bytes = 0;
  std::uint64_t global_store_bytes = 0;
  std::uint64_t shared_load_bytes = 0;
  std::uint64_t shared_store_bytes = 0;
  std::uint64_t local_load_bytes = 0;
  std::uint64_t local_store_bytes = 0;
  void add(const Tally& other);
};

/// What the blocks of one host thread leave behind, and what those of a launch add up to.
struct Measures {
  explicit Measures(std::size_t instructions) : tallies(instructions) {}
  std::vector<Tally> tallies;
  std::vector<BlockWork> work;
  std::vector<BlockSample> samples;
  Touched touched;
  void add(Measures& other);
  /// By block number, whichever host thread ran them.
  void sort();
};

class Meter {
 public:
  Meter(const Program& program, const ModelPlan& plan, std::size_t warps);

  void begin(std::uint64_t block);
  void end();

  /// `mask`: the lanes that are about to execute `in`, not 0; `asked`: those before its guard was looked at.
  void before(Warp& warp, const Instruction& in, std::uint32_t asked, std::uint32_t mask);
  /// `done`: the lanes that have executed it; those that wait at it are not among them.
  void after(Warp& warp, const Instruction& in, std::uint32_t done);
  /// `in` was issued for `asked`, and no lane's guard let it pass.
  void skipped(Warp& warp, const Instruction& in, std::uint32_t asked);
  /// The warp arrives at a barrier of the block, and waits there or not.
  void arrived(unsigned barrier, bool waits);
  void completed(unsigned barrier);

  [[nodiscard]] Measures& measures() { return measures_; }

 private:
  void record(const Warp& warp, const Event& event);
  void touch();
  void combine();

  const Program& program_;
  const ModelPlan& plan_;
  Measures measures_;
  std::uint64_t block_ = 0;
  std::uint64_t issued_ = 0;
  bool recording_ = false;
  std::size_t recorded_ = 0;
  Recording events_;
  static constexpr std::uint32_t kNoRound = ~0u;
  std::array<std::uint32_t, 16> round_{};  ///< of each barrier, that warps arrive for now
  // Of the instruction that is being executed: as it was before.
  bool divergent_ = false;
  std::size_t paths_ = 0;
  std::array<Access, 2> accesses_;
  unsigned made_ = 0;
  Event event_;
};

/// What all blocks' counts and measures make of a launch of a program whose PTX has the lines `text`.
Measurement summarise_measurement(const Program& program, const ModelPlan& plan, const Profile& profile,
                                  const std::vector<Count>& counts, const Measures& measures,
                                  const std::vector<std::string>& text, const ptx::SourceLines& sources);

}  // namespace emulator
