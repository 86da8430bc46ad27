#include "driver/allocations.hpp"

#include <mutex>

namespace emulator {

void Allocations::insert(const Allocation& allocation) {
  const std::unique_lock lock(mutex_);
  allocations_[allocation.begin] = allocation;
}

std::optional<Allocation> Allocations::starting_at(std::uint64_t address) const {
  const std::shared_lock lock(mutex_);
  const auto at = allocations_.find(address);
  if (at == allocations_.end()) return std::nullopt;
  return at->second;
}

std::optional<Allocation> Allocations::holding(std::uint64_t address) const {
  const std::shared_lock lock(mutex_);
  auto at = allocations_.upper_bound(address);
  if (at == allocations_.begin()) return std::nullopt;
  --at;
  if (address - at->second.begin >= at->second.bytes) return std::nullopt;
  return at->second;
}

bool Allocations::begin_release(std::uint64_t address) {
  const std::unique_lock lock(mutex_);
  const auto at = allocations_.find(address);
  if (at == allocations_.end() || at->second.releasing) return false;
  at->second.releasing = true;
  return true;
}

std::optional<Allocation> Allocations::remove(std::uint64_t address) {
  const std::unique_lock lock(mutex_);
  const auto at = allocations_.find(address);
  if (at == allocations_.end()) return std::nullopt;
  Allocation removed = at->second;
  allocations_.erase(at);
  return removed;
}

std::vector<Allocation> Allocations::of_context(std::uint64_t context) const {
  const std::shared_lock lock(mutex_);
  std::vector<Allocation> result;
  for (const auto& [address, allocation] : allocations_)
    if (allocation.context == context) result.push_back(allocation);
  return result;
}

}  // namespace emulator
