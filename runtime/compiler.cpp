#include "runtime/compiler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

namespace osdn::runtime {
namespace {

int thread_count(int option) {
  if (option > 0) return option;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// Takes one of a fixed number of slots for a scope.
class Slot {
 public:
  explicit Slot(std::counting_semaphore<>& slots) : slots_(slots) { slots_.acquire(); }
  ~Slot() { slots_.release(); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

 private:
  std::counting_semaphore<>& slots_;
};

}  // namespace

const char* name(Origin origin) {
  switch (origin) {
    case Origin::memory:
      return "memory";
    case Origin::disk:
      return "disk";
    case Origin::compiled:
      return "compiled";
  }
  return "unknown";
}

Compiler::Compiler(CompilerOptions options)
    : driver_version_(options.driver_version),
      log_(options.log),
      threads_(thread_count(options.threads)),
      slots_(threads_),
      search_(find_nvrtc(options.nvrtc, options.driver_version)) {
  if (options.disk_cache) {
    options.cache.log = options.log;
    disk_.emplace(std::move(options.cache));
  }
}

std::optional<NvrtcFound> Compiler::nvrtc() const {
  const std::lock_guard lock(mutex_);
  if (search_.found.empty() || !search_.found.front().problem.empty()) return std::nullopt;
  return search_.found.front();
}

expected<Compiler::Identity> Compiler::identify(const CompileInput& input) const {
  const auto chosen = nvrtc();
  if (!chosen) {
    const std::lock_guard lock(mutex_);
    return nvrtc_missing(search_, driver_version_);
  }
  Identity identity{cache_record(input, chosen->version), {}};
  identity.key = cache_key(identity.record);
  return identity;
}

expected<CompilerResult> Compiler::compile(const CompileInput& input) {
  for (;;) {
    auto identity = identify(input);
    if (!identity) return std::move(identity).error();
    if (auto found = look_on_disk(*identity, DiskCache::Look::first)) return *std::move(found);

    auto nvrtc = load();
    if (!nvrtc) return std::move(nvrtc).error();
    auto again = identify(input);
    if (!again) return std::move(again).error();
    // Loading may have shown that the library is of another version than its file names say, or is broken.
    if (again->key == identity->key) return compile_anew(input, *identity);
  }
}

std::optional<CompilerResult> Compiler::look_on_disk(const Identity& identity, DiskCache::Look look) {
  if (!disk_) return std::nullopt;
  auto kernel = disk_->load(identity.key, identity.record, look);
  if (!kernel) return std::nullopt;
  disk_hits_.fetch_add(1, std::memory_order_relaxed);
  return CompilerResult{*std::move(kernel), Origin::disk};
}

expected<CompilerResult> Compiler::compile_anew(const CompileInput& input, const Identity& identity) {
  std::unique_ptr<FileLock> other_processes;
  if (disk_) {
    other_processes = disk_->lock(identity.key);
    if (auto found = look_on_disk(identity, DiskCache::Look::again)) return *std::move(found);
  }
  std::shared_ptr<const Nvrtc> nvrtc;
  {
    const std::lock_guard lock(mutex_);
    nvrtc = loaded_;
  }
  auto kernel = [&] {
    const Slot slot(slots_);
    return runtime::compile(*nvrtc, input);
  }();
  if (!kernel) return std::move(kernel).error();
  compilations_.fetch_add(1, std::memory_order_relaxed);
  if (disk_) disk_->store(identity.key, identity.record, input.entry, *kernel);
  return CompilerResult{*std::move(kernel), Origin::compiled};
}

expected<std::shared_ptr<const Nvrtc>> Compiler::load() {
  const std::lock_guard lock(mutex_);
  if (loaded_) return loaded_;
  for (NvrtcFound& candidate : search_.found) {
    if (!candidate.problem.empty()) break;  // usable ones come first
    auto opened = open_nvrtc(candidate.path);
    if (!opened) {
      candidate.problem = opened.error().message;
      log_.warning(candidate.problem);
      continue;
    }
    candidate.version = (*opened)->version;
    if (driver_version_ > 0 && candidate.version / 1000 > driver_version_ / 1000) {
      candidate.problem = fmt::format("version {} is newer than the driver's {}", version_text(candidate.version),
                                      version_text(driver_version_));
      continue;
    }
    loaded_ = *std::move(opened);
    break;
  }
  std::stable_partition(search_.found.begin(), search_.found.end(),
                        [](const NvrtcFound& one) { return one.problem.empty(); });
  if (!loaded_) return nvrtc_missing(search_, driver_version_);
  return loaded_;
}

}  // namespace osdn::runtime
