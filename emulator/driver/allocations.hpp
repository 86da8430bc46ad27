// What kind of memory an address belongs to. Memory knows which bytes kernels may touch; this knows who allocated them
// and how.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <vector>

#include "driver/abi.hpp"

namespace emulator {

struct Context;
struct Pool;

struct Allocation {
  enum class Kind { device, pinned, registered, managed };
  Kind kind = Kind::device;
  std::uint64_t begin = 0;
  std::size_t bytes = 0;
  unsigned flags = 0;
  std::uint64_t context = 0;  ///< Context::id
  abi::CUcontext context_handle = nullptr;
  int device = 0;
  std::uint64_t buffer = 0;  ///< unique in the process
  std::shared_ptr<Pool> pool;
  bool releasing = false;    ///< cuMemFreeAsync was called, the stream has not come there yet
  bool graph_owned = false;  ///< a captured allocation: lives as long as its graphs
};

/// Thread-safe.
class Allocations {
 public:
  void insert(const Allocation& allocation);
  /// The allocation that starts at `address`, or that `address` lies in.
  [[nodiscard]] std::optional<Allocation> starting_at(std::uint64_t address) const;
  [[nodiscard]] std::optional<Allocation> holding(std::uint64_t address) const;
  /// True when this call, and no other before it, marked the allocation as being released.
  bool begin_release(std::uint64_t address);
  std::optional<Allocation> remove(std::uint64_t address);
  [[nodiscard]] std::vector<Allocation> of_context(std::uint64_t context) const;

 private:
  std::map<std::uint64_t, Allocation> allocations_;
  mutable std::shared_mutex mutex_;
};

}  // namespace emulator
