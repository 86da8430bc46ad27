// A counter that many threads raise at once: each has a line of memory to itself, or shares it with few.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace osdn::runtime {

class ShardedCounter {
 public:
  void raise() { shards_[own()].count.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const {
    std::uint64_t sum = 0;
    for (const Shard& shard : shards_) sum += shard.count.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr std::size_t shards = 32;
  struct alignas(64) Shard {
    std::atomic<std::uint64_t> count{0};
  };
  static std::size_t own() {
    static std::atomic<std::size_t> next{0};
    thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % shards;
    return mine;
  }
  std::array<Shard, shards> shards_{};
};

}  // namespace osdn::runtime
