// From source to machine code through the layers below memory: the user's directory, then NVRTC. Needs no driver.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <vector>

#include "osdn/error.hpp"
#include "runtime/cache_entry.hpp"
#include "runtime/compile.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/log.hpp"
#include "runtime/nvrtc.hpp"

namespace osdn::runtime {

struct CompilerOptions {
  NvrtcSearch nvrtc = default_nvrtc_search({});
  int driver_version = 0;  ///< what the machine code must run on; 0: any
  bool disk_cache = true;
  DiskCacheOptions cache;
  int threads = 0;  ///< compilations at the same time; 0: one per core
  Log log;
};

/// Where a kernel came from.
enum class Origin { memory, disk, compiled };
[[nodiscard]] const char* name(Origin origin);

struct CompilerResult {
  CompiledKernel kernel;
  Origin origin = Origin::compiled;
};

/// Thread-safe.
class Compiler {
 public:
  explicit Compiler(CompilerOptions options);

  /// The NVRTC that would compile: known from file names before it is loaded. Null when there is none.
  [[nodiscard]] std::optional<NvrtcFound> nvrtc() const;

  /// What identifies the result of a compilation. Errors: library_not_found.
  struct Identity {
    std::string record;
    CacheKey key;
  };
  [[nodiscard]] expected<Identity> identify(const CompileInput& input) const;

  /// Looks on disk, then compiles. Processes that want the same kernel at the same time compile it once.
  /// Errors: library_not_found, unsupported, compile_failed, out_of_memory.
  expected<CompilerResult> compile(const CompileInput& input);

  [[nodiscard]] DiskCache* disk() { return disk_ ? &*disk_ : nullptr; }
  [[nodiscard]] const DiskCache* disk() const { return disk_ ? &*disk_ : nullptr; }
  [[nodiscard]] int threads() const { return threads_; }
  [[nodiscard]] std::uint64_t disk_hits() const { return disk_hits_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t compilations() const { return compilations_.load(std::memory_order_relaxed); }

 private:
  expected<std::shared_ptr<const Nvrtc>> load();
  expected<CompilerResult> compile_anew(const CompileInput& input, const Identity& identity);
  std::optional<CompilerResult> look_on_disk(const Identity& identity, DiskCache::Look look);

  int driver_version_;
  Log log_;
  int threads_;
  std::counting_semaphore<> slots_;
  mutable std::mutex mutex_;
  NvrtcSearchResult search_;             // guarded by mutex_; the first usable one is the choice
  std::shared_ptr<const Nvrtc> loaded_;  // guarded by mutex_
  std::optional<DiskCache> disk_;
  std::atomic<std::uint64_t> disk_hits_{0};
  std::atomic<std::uint64_t> compilations_{0};
};

}  // namespace osdn::runtime
