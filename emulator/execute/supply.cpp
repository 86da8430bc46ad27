#include "execute/supply.hpp"

#include <numeric>
#include <utility>

#include "execute/block.hpp"

namespace emulator {

Supply::Supply(std::uint64_t count, std::uint64_t seed) : count_(count), begun_(count <= kShuffled ? count : 0) {
  Random random(seed);
  random.next();
  if (count <= kShuffled) {
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), 0u);
    for (std::uint64_t i = count; i > 1; --i) std::swap(order_[i - 1], order_[random.below(i)]);
    return;
  }
  do {
    step_ = random.below(count);
  } while (std::gcd(step_, count) != 1);
  start_ = random.below(count);
}

std::uint64_t Supply::at(std::uint64_t position) const {
  if (!order_.empty()) return order_[position];
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(position) * step_ + start_) % count_);
}

std::optional<Supply::Start> Supply::next() {
  for (;;) {
    const std::uint64_t position = position_.fetch_add(1);
    if (position >= count_) return std::nullopt;
    const std::uint64_t block = at(position);
    if (begun_.empty() || !begun_[block].exchange(true)) return Start{block, position};
  }
}

std::optional<Supply::Start> Supply::lowest() {
  for (std::uint64_t block = lowest_.load(); block < begun_.size(); ++block) {
    if (begun_[block].exchange(true)) continue;
    lowest_.store(block + 1);
    return Start{block, position_.load()};
  }
  return std::nullopt;
}

}  // namespace emulator
