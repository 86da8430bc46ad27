#include "driver/statistics.hpp"

#include <fmt/format.h>

#include "driver/json_text.hpp"

namespace emulator {
namespace {

std::string to_json(const LaunchStatistics::Entry& entry) {
  const Statistics& work = entry.work;
  std::string kinds;
  for (const auto& [kind, count] : work.warp_instructions)
    kinds += fmt::format("{}{}: {}", kinds.empty() ? "" : ", ", quoted_json(kind), count);
  return fmt::format(
      "{{\"launches\": {}, \"blocks\": {}, \"thread_instructions\": {}, \"global_load_bytes\": {}, "
      "\"global_store_bytes\": {}, \"shared_load_bytes\": {}, \"shared_store_bytes\": {}, \"async_copy_bytes\": {}, "
      "\"tensor_flops\": {}, \"warp_instructions_by_kind\": {{{}}}}}",
      entry.launches, work.blocks, work.thread_instructions, work.global_load_bytes, work.global_store_bytes,
      work.shared_load_bytes, work.shared_store_bytes, work.async_copy_bytes, work.tensor_flops, kinds);
}

void accumulate(LaunchStatistics::Entry& sum, const LaunchStatistics::Entry& entry) {
  sum.launches += entry.launches;
  sum.work.add(entry.work);
}

}  // namespace

void LaunchStatistics::add(const std::string& kernel, const Statistics& work) {
  const std::lock_guard lock(mutex_);
  accumulate(entries_[kernel], {1, work});
}

void LaunchStatistics::reset() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
}

std::optional<LaunchStatistics::Entry> LaunchStatistics::of(const std::string& kernel) const {
  const std::lock_guard lock(mutex_);
  if (kernel.empty()) {
    Entry sum;
    for (const auto& [name, entry] : entries_) accumulate(sum, entry);
    return sum;
  }
  const auto at = entries_.find(kernel);
  if (at == entries_.end()) return std::nullopt;
  return at->second;
}

std::string LaunchStatistics::json() const {
  const Entry total = of("").value_or(Entry{});
  const std::lock_guard lock(mutex_);
  std::string kernels;
  for (const auto& [name, entry] : entries_)
    kernels += fmt::format("{}{}: {}", kernels.empty() ? "" : ", ", quoted_json(name), to_json(entry));
  return fmt::format("{{\"kernels\": {{{}}}, \"total\": {}}}", kernels, to_json(total));
}

}  // namespace emulator
