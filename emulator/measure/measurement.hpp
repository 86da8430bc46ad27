// What a measured launch did, instruction by instruction and line by line.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace emulator {

/// Of one instruction, one source line or a whole launch.
struct Counters {
  std::uint64_t warp_instructions = 0;
  std::uint64_t thread_instructions = 0;
  std::uint64_t divergent_instructions =
      0;                             ///< issued for fewer lanes than the warp has left, whatever their predicates
  std::uint64_t split_branches = 0;  ///< that sent lanes of one warp different ways
  std::uint64_t barrier_waits = 0;   ///< of warps, at barriers of the block
  std::uint64_t tensor_flops = 0;
  std::uint64_t global_load_bytes = 0;  ///< that lanes asked for, here and below
  std::uint64_t global_store_bytes = 0;
  std::uint64_t global_requests = 0;  ///< of warps
  std::uint64_t global_sectors = 0;   ///< of 32 bytes (sectors.hpp)
  std::uint64_t excess_sectors = 0;   ///< of them those that packed accesses would not need
  std::uint64_t shared_load_bytes = 0;
  std::uint64_t shared_store_bytes = 0;
  std::uint64_t shared_requests = 0;  ///< of warps
  std::uint64_t shared_passes = 0;    ///< through the banks (banks.hpp)
  std::uint64_t bank_conflicts = 0;   ///< of them those that accesses without conflict would not need
  std::uint64_t local_load_bytes = 0;
  std::uint64_t local_store_bytes = 0;
  std::uint64_t modelled_cycles = 0;  ///< of warps, waits included: the timing model's answer

  void add(const Counters& other);
  bool operator==(const Counters&) const = default;
};

struct CounterName {
  const char* name;
  std::uint64_t Counters::*value;
};
/// Every counter, in the order of their declaration.
extern const std::array<CounterName, 19> kCounterNames;

/// What a real device of the launch's profile might take: a model's answer, not a measurement (docs/emulator-model.md).
struct Modelled {
  double seconds = 0;                 ///< summed over launches, as are the next three
  double multiprocessor_seconds = 0;  ///< what instructions and latencies alone would take
  double memory_seconds = 0;          ///< what moving memory_bytes alone would take
  double l2_seconds = 0;              ///< likewise, through the second-level cache
  std::uint64_t memory_bytes = 0;
  // Of the launch that took longest.
  double longest_seconds = 0;
  unsigned registers = 0;  ///< of a thread
  bool registers_estimated = true;
  unsigned blocks_per_multiprocessor = 0;
  std::string limited_by;  ///< what keeps more blocks from sharing a multiprocessor
  double waves = 0;        ///< blocks / blocks that run at a time
  std::string bound_by;    ///< what most of the time is spent on
  double issue_use = 0;    ///< of the schedulers' slots, 0 to 1, while blocks run
  double matrix_use = 0;   ///< of the tensor cores
  double shared_use = 0;   ///< of the path to shared memory
  void add(const Modelled& other);
  bool operator==(const Modelled&) const = default;
};

/// What a warp of a traced block did over modelled time.
struct TraceSlice {
  std::string name;
  std::uint64_t block = 0;
  std::uint32_t warp = 0;
  double begin = 0;  ///< microseconds from the block's start
  double end = 0;
  int ptx_line = 0;
  std::string file;  ///< where that line comes from; empty when the PTX does not say
  int line = 0;
  bool operator==(const TraceSlice&) const = default;
};

/// All launches of one kernel, or one of them.
struct Measurement {
  struct Line {
    Counters own;        ///< of instructions that come from this very line
    Counters inclusive;  ///< and of those of functions that were inlined there
    bool operator==(const Line&) const = default;
  };
  struct Instruction {
    std::string file;  ///< where it comes from; empty when the PTX does not say
    int line = 0;
    Counters counters;
    bool operator==(const Instruction&) const = default;
  };
  bool measured = false;  ///< false: no launch was, and all below is empty
  Counters total;
  Modelled modelled;
  std::vector<TraceSlice> trace;                                    ///< of the newest launch
  std::map<std::pair<std::string, int>, Line> lines;                ///< by file and line
  std::map<std::pair<int, std::string>, Instruction> instructions;  ///< by line of the PTX and its text
  void add(const Measurement& other);
  bool operator==(const Measurement&) const = default;
};

}  // namespace emulator
