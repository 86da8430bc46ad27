// What a measured launch did, instruction by instruction and line by line.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

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

  void add(const Counters& other);
  bool operator==(const Counters&) const = default;
};

struct CounterName {
  const char* name;
  std::uint64_t Counters::*value;
};
/// Every counter, in the order of their declaration.
extern const std::array<CounterName, 18> kCounterNames;

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
  std::map<std::pair<std::string, int>, Line> lines;                ///< by file and line
  std::map<std::pair<int, std::string>, Instruction> instructions;  ///< by line of the PTX and its text
  void add(const Measurement& other);
  bool operator==(const Measurement&) const = default;
};

}  // namespace emulator
