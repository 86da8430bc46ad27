// Device memory of the emulated GPU. A device address is the host address of the byte, so kernels' loads are plain
// loads once an address is known to lie inside a live allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <shared_mutex>

namespace emulator {

/// The bytes [begin, end) of one live allocation.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] bool holds(std::uint64_t address, std::size_t bytes) const {
    return address >= begin && address <= end && bytes <= end - address;
  }
};

/// All live allocations of one device. Thread-safe: blocks of a launch look extents up while the host allocates.
class Memory {
 public:
  explicit Memory(std::size_t capacity) : capacity_(capacity) {}
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// Returns the address of `bytes` fresh bytes, 256-byte aligned and filled with poison (0xFF: a NaN in every float
  /// format), with unmapped guard space on both sides; 0 when the device's capacity is exhausted or bytes is 0.
  std::uint64_t allocate(std::size_t bytes);

  /// False when `address` is not the start of a live allocation.
  bool release(std::uint64_t address);

  /// The live allocation that `address` lies in; an empty extent {0, 0} when there is none.
  [[nodiscard]] Extent find(std::uint64_t address) const;

  [[nodiscard]] std::size_t used() const;
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  std::size_t capacity_;
  std::size_t used_ = 0;
  std::map<std::uint64_t, Extent> allocations_;
  mutable std::shared_mutex mutex_;
};

}  // namespace emulator
