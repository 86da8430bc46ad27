// The figures of the timing model for each architecture. docs/emulator-model.md says where they come from.
#pragma once

#include <array>
#include <cstdint>

#include "execute/execute.hpp"
#include "measure/unit.hpp"

namespace emulator {

/// Modelled time is counted in eighths of a cycle: integers, so that sums do not depend on their order.
constexpr std::uint64_t kTicks = 8;
constexpr unsigned kSchedulers = 4;  ///< of a multiprocessor; each issues one warp instruction per cycle

struct Timing {
  /// Cycles that a warp instruction keeps its scheduler's pipe busy, and until its result can be used.
  std::array<unsigned, kUnits> busy{};
  std::array<unsigned, kUnits> latency{};
  unsigned matrix_rate = 256;        ///< multiply-adds of 16-bit elements per cycle and scheduler
  unsigned matrix_double_rate = 16;  ///< of fp64
  unsigned matrix_latency = 17;      ///< cycles, beside twice the time in the pipe
  unsigned shared_latency = 29;      ///< cycles, here and below
  unsigned l2_latency = 262;
  unsigned memory_latency = 466;
  unsigned barrier_latency = 20;
  unsigned object_latency = 20;        ///< from the last arrival at an mbarrier to whoever waits there
  unsigned bulk_latency = 150;         ///< of a bulk copy, beside that of its bytes
  unsigned port_bytes = 64;            ///< per cycle, between a multiprocessor and the second-level cache
  unsigned l2_bytes_per_cycle = 5120;  ///< all multiprocessors together
  double memory_efficiency = 0.9;      ///< of the bandwidth that the memory's clock and width give
  double launch_seconds = 2e-6;        ///< from one kernel's end to the next one's first instruction
};

Timing timing_of(const Profile& profile);

}  // namespace emulator
