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
    case Origin::host:
      return "host";
    case Origin::pack:
      return "pack";
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
      search_(find_nvrtc(options.nvrtc, options.driver_version)),
      host_(std::move(options.host_cache)),
      shelf_(options.packs, options.driver_version, options.log) {
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

Compiler::Identity Compiler::identify(const CompileInput& input) const {
  const auto chosen = nvrtc();
  Identity identity;
  identity.nvrtc_version = chosen ? chosen->version : 0;
  identity.record = cache_record(input, identity.nvrtc_version);
  identity.key = cache_key(identity.record);
  return identity;
}

expected<CompilerResult> Compiler::compile(const CompileInput& input, const RefusedCode& refused) {
  auto found = search(input, refused);
  if (found || refused.empty()) return found;
  Error error = std::move(found).error();
  error.message += "; what was compiled before, the driver refused";
  error.context += refused.lines();
  return error;
}

expected<CompilerResult> Compiler::search(const CompileInput& input, const RefusedCode& refused) {
  for (;;) {
    const Identity identity = identify(input);
    if (auto found = look(input, identity, refused)) return *std::move(found);

    auto nvrtc = load();
    if (!nvrtc) {
      if (auto found = look_into_packs(shelf_.find_relative(input, refused))) return *std::move(found);
      // The packs are a part of the answer where nothing else could have been one.
      Error error = std::move(nvrtc).error();
      error.context += shelf_.why_not(kernel_record(identity.record));
      return error;
    }
    // Loading may have shown that the library is of another version than its file names say, or is broken.
    if (identify(input).key == identity.key) return compile_anew(input, identity, refused);
  }
}

void Compiler::take_back(const CompilerResult& found, const Error& why) {
  refused_by_driver_.fetch_add(1, std::memory_order_relaxed);
  hits(found.origin).fetch_sub(1, std::memory_order_relaxed);
  // One is enough to say that what is shipped or kept does not fit this device.
  if (refusal_warned_.test_and_set()) return;
  log_.warning(
      fmt::format("{}: the driver refuses its code: {}; the kernel is looked for elsewhere", found.place, why.message));
}

std::atomic<std::uint64_t>& Compiler::hits(Origin origin) {
  if (origin == Origin::host) return host_hits_;
  return origin == Origin::pack ? pack_hits_ : disk_hits_;
}

std::optional<CompilerResult> Compiler::look(const CompileInput& input, const Identity& identity,
                                             const RefusedCode& refused) {
  const bool known = identity.nvrtc_version != 0;
  if (auto found = known ? ask_host(identity, refused) : std::nullopt) return found;
  if (auto found = look_into_packs(shelf_.find(kernel_record(identity.record), refused))) return found;
  auto found = known ? look_on_disk(identity, refused, DiskCache::Look::first) : std::nullopt;
  if (found) tell_host(identity, input.entry, found->kernel);
  return found;
}

std::optional<CompilerResult> Compiler::look_into_packs(std::optional<Shelf::Served> served) {
  if (!served) return std::nullopt;
  pack_hits_.fetch_add(1, std::memory_order_relaxed);
  return CompilerResult{std::move(served->kernel), Origin::pack, "the pack " + served->pack->path()};
}

std::uint64_t Compiler::rejected() const {
  return rejected_by_host_.load(std::memory_order_relaxed) + refused_by_driver_.load(std::memory_order_relaxed) +
         shelf_.rejected() + (disk_ ? disk_->rejected() : 0);
}

std::optional<CompilerResult> Compiler::look_on_disk(const Identity& identity, const RefusedCode& refused,
                                                     DiskCache::Look look) {
  if (!disk_) return std::nullopt;
  auto kernel = disk_->load(identity.key, identity.record, look);
  if (!kernel || refused.holds(*kernel)) return std::nullopt;
  disk_hits_.fetch_add(1, std::memory_order_relaxed);
  return CompilerResult{*std::move(kernel), Origin::disk, disk_->path(identity.key)};
}

expected<CompilerResult> Compiler::compile_anew(const CompileInput& input, const Identity& identity,
                                                const RefusedCode& refused) {
  std::unique_ptr<FileLock> other_processes;
  if (disk_) {
    other_processes = disk_->lock(identity.key);
    if (auto found = look_on_disk(identity, refused, DiskCache::Look::again)) return *std::move(found);
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
  tell_host(identity, input.entry, *kernel);
  return CompilerResult{*std::move(kernel), Origin::compiled, nvrtc->library};
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
