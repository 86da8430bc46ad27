// What is counted of a block beside how often each instruction ran, and what the timing model needs of it. The watched
// loop (execute/watch.cpp) shows the meter every instruction before and after, the barriers who arrives.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "execute/access.hpp"
#include "measure/measurement.hpp"
#include "measure/model.hpp"
#include "ptx/source_lines.hpp"

namespace emulator {

struct BulkCopy;

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

  // bulk.cpp: what the instruction that is being executed does beside its lanes' accesses.
  void bulk(const BulkCopy& copy);
  /// An arrival at the mbarrier object at this offset of shared memory, or bytes that it counts.
  void adds_to(std::uint64_t object);
  void phase_completed(std::uint64_t object);
  void awaited(const Warp& warp, std::uint64_t object, bool complete);

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
  struct Phase {
    std::uint32_t open = kNoRound;       ///< round of the phase that is waited for
    std::uint32_t completed = kNoRound;  ///< of the one before
  };
  struct Polling {
    std::uint32_t instruction = ~0u;  ///< that waited in vain
    std::size_t at = 0;               ///< number of its event
  };
  [[nodiscard]] std::uint32_t open_phase(std::uint64_t object);
  std::unordered_map<std::uint64_t, Phase> phases_;  ///< by object
  std::vector<Polling> polling_;                     ///< by warp
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
