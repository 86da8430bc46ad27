// From a few blocks' modelled time to that of a whole launch: how many blocks a multiprocessor holds, how many waves
// there are, and what the memory needs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "execute/machine.hpp"
#include "measure/combine.hpp"
#include "measure/reorder.hpp"
#include "measure/simulate.hpp"
#include "measure/touched.hpp"

namespace emulator {

/// What is known before a launch.
struct ModelPlan {
  Timing timing;
  StaticOrder order;
  std::vector<Combination> combinations;  ///< by instruction
  std::uint64_t blocks = 1;
  unsigned registers = 0;
  bool registers_estimated = true;
  unsigned resident = 1;  ///< blocks that a multiprocessor holds at a time
  std::string limited_by;
  unsigned copies = 1;     ///< blocks that share one here: no more than the grid has
  unsigned traced = 0;     ///< the first blocks, whose slices are kept
  std::uint64_t step = 1;  ///< every so many blocks one is played
  /// True for the few blocks that are recorded and played.
  [[nodiscard]] bool sampled(std::uint64_t block) const;
};
ModelPlan plan_model(const Program& program, const Launch& launch, const Profile& profile, int max_threads);

/// What is known of a block when it has run.
struct BlockWork {
  std::uint64_t block = 0;
  std::uint64_t issued = 0;  ///< warp instructions
};
struct BlockSample {
  std::uint64_t block = 0;
  std::uint64_t issued = 0;
  Simulated simulated;
};

/// Both lists by block number.
Modelled model(const ModelPlan& plan, const Profile& profile, const std::vector<BlockWork>& work,
               const std::vector<BlockSample>& samples, const Touched& touched, std::uint64_t sectors);

}  // namespace emulator
