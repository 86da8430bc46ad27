#include "memory/memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>

namespace emulator {
namespace {

constexpr std::size_t kGranularity = 256;                      // what the capacity is counted in
constexpr std::size_t kGuard = 64 * 1024;                      // unmapped space on each side of an allocation
constexpr std::size_t kPoisonFileBytes = 16 * 1024 * 1024;     // see PoisonFile
constexpr std::size_t kRetiredRegions = 512;                   // how many released regions stay reserved …
constexpr std::size_t kRetiredBytes = std::size_t{256} << 30;  // … and how much address space they may hold
constexpr unsigned char kPoison = 0xFF;

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::byte* bytes_at(std::uint64_t address) {
  return reinterpret_cast<std::byte*>(address);  // a device address is a host address
}

std::size_t page_size() {
  static const std::size_t size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// A file of poison. A large allocation maps it privately over and over, so that poisoning gigabytes costs neither time
// nor memory until a page is written.
class PoisonFile {
 public:
  PoisonFile() : file_(memfd_create("osdn_emulator_poison", MFD_CLOEXEC)) {
    if (file_ < 0) return;
    if (ftruncate(file_, static_cast<off_t>(kPoisonFileBytes)) != 0) return;
    void* view = mmap(nullptr, kPoisonFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (view == MAP_FAILED) return;
    std::memset(view, kPoison, kPoisonFileBytes);
    munmap(view, kPoisonFileBytes);
    usable_ = true;
  }
  ~PoisonFile() {
    if (file_ >= 0) close(file_);
  }
  PoisonFile(const PoisonFile&) = delete;
  PoisonFile& operator=(const PoisonFile&) = delete;

  /// Maps poison at [begin, begin + bytes); bytes is a multiple of the page size.
  [[nodiscard]] bool cover(std::byte* begin, std::size_t bytes) const {
    if (!usable_) return false;
    for (std::size_t at = 0; at < bytes; at += kPoisonFileBytes) {
      const std::size_t length = std::min(kPoisonFileBytes, bytes - at);
      const int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
      if (mmap(begin + at, length, PROT_READ | PROT_WRITE, flags, file_, 0) == MAP_FAILED) return false;
    }
    return true;
  }

 private:
  int file_;
  bool usable_ = false;
};

bool map_poisoned(std::byte* begin, std::size_t bytes) {
  if (bytes >= kPoisonFileBytes) {
    static const PoisonFile file;
    if (file.cover(begin, bytes)) return true;
  }
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  if (mmap(begin, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) return false;
  std::memset(begin, kPoison, bytes);
  return true;
}

}  // namespace

Memory::~Memory() {
  for (const auto& [address, block] : blocks_) {
    if (!block.adopted()) munmap(bytes_at(block.region), block.region_bytes);
    unmap_shadow(block);
  }
  for (const Block& block : retired_) munmap(bytes_at(block.region), block.region_bytes);
}

std::uint64_t Memory::allocate(std::size_t bytes) {
  if (bytes == 0 || bytes > capacity_) return 0;
  const std::size_t counted = round_up(bytes, kGranularity);
  {
    // Reserve the bytes first: mapping and poisoning run without the lock.
    const std::unique_lock lock(mutex_);
    if (counted > capacity_ - std::min(capacity_, used_)) return 0;
    used_ += counted;
  }
  const std::size_t mapped = round_up(bytes, page_size());
  const std::size_t region_bytes = mapped + 2 * kGuard;
  void* region = mmap(nullptr, region_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  const bool ready = region != MAP_FAILED && map_poisoned(static_cast<std::byte*>(region) + kGuard, mapped);
  if (!ready && region != MAP_FAILED) munmap(region, region_bytes);

  const std::unique_lock lock(mutex_);
  if (!ready) {
    used_ -= counted;
    return 0;
  }
  const auto first = reinterpret_cast<std::uint64_t>(region);
  const std::uint64_t begin = first + kGuard;
  Block block{{begin, begin + bytes, nullptr, nullptr}, first, region_bytes, 0};
  if (tracked_) map_shadow(block);
  blocks_.emplace(begin, block);
  return begin;
}

/// Pages of zeros that cost nothing until they are touched. Where the host refuses them the allocation is not tracked.
void Memory::map_shadow(Block& block) {
  const std::size_t bytes = round_up(block.extent.end - block.extent.begin, page_size());
  const std::size_t all = bytes + bytes / 4 * kTraceBytes;
  void* shadow = mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (shadow == MAP_FAILED) return;
  block.shadow_bytes = all;
  block.extent.written = static_cast<std::uint8_t*>(shadow);
  block.extent.traces = static_cast<std::byte*>(shadow) + bytes;
}

void Memory::unmap_shadow(const Block& block) {
  if (block.shadow_bytes != 0) munmap(block.extent.written, block.shadow_bytes);
}

void Memory::mark_written(std::uint64_t address, std::size_t bytes) {
  const Extent extent = find(address);
  if (extent.written == nullptr) return;
  const std::size_t within = std::min<std::size_t>(bytes, extent.end - address);
  std::memset(extent.written + (address - extent.begin), 1, within);
}

void Memory::copy_written(std::uint64_t to, std::uint64_t from, std::size_t bytes) {
  const Extent target = find(to), source = find(from);
  if (target.written == nullptr) return;
  if (source.written == nullptr) return mark_written(to, bytes);
  const std::size_t within = std::min({bytes, std::size_t{target.end - to}, std::size_t{source.end - from}});
  std::memmove(target.written + (to - target.begin), source.written + (from - source.begin), within);
}

bool Memory::release(std::uint64_t address) {
  const std::unique_lock lock(mutex_);
  const auto at = blocks_.find(address);
  if (at == blocks_.end() || at->second.adopted()) return false;
  used_ -= round_up(at->second.extent.end - at->second.extent.begin, kGranularity);
  unmap_shadow(at->second);
  retire(at->second);
  blocks_.erase(at);
  return true;
}

void Memory::retire(const Block& block) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  if (mmap(bytes_at(block.region), block.region_bytes, PROT_NONE, flags, -1, 0) == MAP_FAILED) {
    munmap(bytes_at(block.region), block.region_bytes);
    return;
  }
  retired_.push_back(block);
  retired_bytes_ += block.region_bytes;
  while (retired_.size() > kRetiredRegions || retired_bytes_ > kRetiredBytes) {
    munmap(bytes_at(retired_.front().region), retired_.front().region_bytes);
    retired_bytes_ -= retired_.front().region_bytes;
    retired_.pop_front();
  }
}

bool Memory::adopt(std::uint64_t address, std::size_t bytes) {
  if (bytes == 0 || address + bytes < address) return false;
  const std::unique_lock lock(mutex_);
  const auto after = blocks_.lower_bound(address);
  if (after != blocks_.end() && after->first < address + bytes) return false;
  if (after != blocks_.begin() && std::prev(after)->second.extent.end > address) return false;
  blocks_.emplace(address, Block{{address, address + bytes, nullptr, nullptr}, 0, 0, 0});
  return true;
}

bool Memory::disown(std::uint64_t address) {
  const std::unique_lock lock(mutex_);
  const auto at = blocks_.find(address);
  if (at == blocks_.end() || !at->second.adopted()) return false;
  blocks_.erase(at);
  return true;
}

Extent Memory::find(std::uint64_t address) const {
  const std::shared_lock lock(mutex_);
  auto at = blocks_.upper_bound(address);
  if (at == blocks_.begin()) return {};
  --at;
  return address < at->second.extent.end ? at->second.extent : Extent{};
}

std::size_t Memory::used() const {
  const std::shared_lock lock(mutex_);
  return used_;
}

}  // namespace emulator
