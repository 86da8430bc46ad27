// Device memory of the emulated GPU. A device address is the host address of the byte, so kernels' loads are plain
// loads once an address is known to lie inside a live allocation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <shared_mutex>

namespace emulator {

/// The bytes [begin, end) of one live allocation, and what a strict device knows of them.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint8_t* written = nullptr;  ///< for each byte: 0 until somebody wrote it; null: not tracked, all is written
  std::byte* traces = nullptr;      ///< kTraceBytes for each 4 bytes: who touched them; zero until touched; or null
  [[nodiscard]] bool holds(std::uint64_t address, std::size_t bytes) const {
    return address >= begin && address <= end && bytes <= end - address;
  }
};

/// Bytes that a launch may keep about every 4 bytes of device memory.
constexpr std::size_t kTraceBytes = 48;

/// All live allocations of one device. Thread-safe: blocks of a launch look extents up while the host allocates.
class Memory {
 public:
  /// `tracked`: allocations know which of their bytes were written. Costs address space until bytes are touched.
  explicit Memory(std::size_t capacity, bool tracked = true) : capacity_(capacity), tracked_(tracked) {}
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /// Returns the address of `bytes` fresh bytes, 256-byte aligned and filled with poison (0xFF: a NaN in every float
  /// format), with unmapped guard space on both sides; 0 when the device's capacity is exhausted or bytes is 0.
  std::uint64_t allocate(std::size_t bytes);

  /// False when `address` is not the start of a live allocation made by allocate(). The address space of released
  /// memory stays unmapped and unused for a while, so that a stale pointer faults instead of meeting a newer tenant.
  bool release(std::uint64_t address);

  /// Makes host memory that the caller owns (pinned, registered or managed) accessible to kernels. It does not count
  /// towards the capacity. False when it is empty or overlaps a live extent.
  bool adopt(std::uint64_t address, std::size_t bytes);

  /// Ends adopt(). False when `address` is not the start of an adopted extent.
  bool disown(std::uint64_t address);

  /// The live allocation or adopted extent that `address` lies in; an empty extent {0, 0} when there is none.
  [[nodiscard]] Extent find(std::uint64_t address) const;

  /// Somebody other than a kernel (a copy, a fill, a loader) wrote these bytes, which may lie anywhere.
  void mark_written(std::uint64_t address, std::size_t bytes);
  /// Bytes were copied from one address to another, anywhere: what was never written stays so.
  void copy_written(std::uint64_t to, std::uint64_t from, std::size_t bytes);

  [[nodiscard]] std::size_t used() const;
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  struct Block {
    Extent extent;
    std::uint64_t region = 0;  ///< what was mapped: guard, bytes, guard
    std::size_t region_bytes = 0;
    std::size_t shadow_bytes = 0;  ///< mapped at extent.written, with the traces behind it
    [[nodiscard]] bool adopted() const { return region_bytes == 0; }
  };
  void retire(const Block& block);
  void map_shadow(Block& block);
  static void unmap_shadow(const Block& block);

  std::size_t capacity_;
  bool tracked_;
  std::size_t used_ = 0;
  std::map<std::uint64_t, Block> blocks_;
  std::deque<Block> retired_;
  std::size_t retired_bytes_ = 0;
  mutable std::shared_mutex mutex_;
};

}  // namespace emulator
