// malloc and free of device code.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <set>

#include "memory/memory.hpp"

namespace emulator {

/// What the threads of one launch free. The memory is given back late: instructions remember the allocation that they
/// touched last, and must not meet unmapped memory when they trust that.
class Heap {
 public:
  explicit Heap(Memory& memory) : memory_(memory) {}
  ~Heap() {
    for (const std::uint64_t address : freed_) memory_.release(address);
  }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  std::uint64_t allocate(std::uint64_t bytes) {
    const std::uint64_t address = memory_.allocate(bytes);
    const std::scoped_lock lock(mutex_);
    if (address != 0) live_.insert(address);
    return address;
  }
  /// False when the address was not allocated by a thread of this launch, or was freed before.
  bool release(std::uint64_t address) {
    constexpr std::size_t kKept = 4096;
    const std::scoped_lock lock(mutex_);
    if (live_.erase(address) == 0) return false;
    freed_.push_back(address);
    if (freed_.size() > kKept) {
      memory_.release(freed_.front());
      freed_.pop_front();
    }
    return true;
  }

 private:
  Memory& memory_;
  std::mutex mutex_;
  std::set<std::uint64_t> live_;
  std::deque<std::uint64_t> freed_;
};

}  // namespace emulator
