// The compile cache on disk: one file per compiled kernel, shared by all processes of a user. Nothing here ever fails
// a caller: an entry that is missing, damaged or cannot be written is a miss with a warning.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "osdn/error.hpp"
#include "runtime/cache_entry.hpp"
#include "runtime/file_lock.hpp"
#include "runtime/log.hpp"

namespace osdn::runtime {

struct DiskCacheOptions {
  std::string directory;                      ///< empty: $OSDN_CACHE_DIR, else $XDG_CACHE_HOME/osdn, else ~/.cache/osdn
  std::uint64_t max_bytes = 0;                ///< 0: $OSDN_CACHE_MAX_BYTES, else 1 GiB
  std::chrono::milliseconds patience{60000};  ///< how long to wait for another process that compiles the same kernel
  Log log;
};

/// One file of the cache, as a list shows it.
struct DiskCacheFile {
  std::string key;  ///< 32 hexadecimal digits
  std::string path;
  std::uint64_t bytes = 0;
  std::int64_t used = 0;  ///< seconds since 1970 of the last hit or write
};

class DiskCache {
 public:
  /// Makes the directory (0700) when it is not there. Refuses one that another user owns or can write, with a warning.
  explicit DiskCache(DiskCacheOptions options);

  [[nodiscard]] bool usable() const { return refusal_.empty(); }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const std::string& refusal() const { return refusal_; }  ///< why it is not used
  [[nodiscard]] std::uint64_t max_bytes() const { return max_bytes_; }
  [[nodiscard]] std::string path(const CacheKey& key) const;

  /// The kernel stored under this key for this very record. A damaged entry is counted and warned of, unless this is a
  /// second look at what was already reported.
  enum class Look { first, again };
  std::optional<CompiledKernel> load(const CacheKey& key, std::string_view record, Look look = Look::first);
  /// Publishes an entry; replaces one that is there. Old entries go when the cache outgrows its cap.
  void store(const CacheKey& key, std::string_view record, std::string_view entry, const CompiledKernel& kernel);
  /// Held while a kernel is compiled, so that other processes wait for it rather than compile it, too.
  [[nodiscard]] std::unique_ptr<FileLock> lock(const CacheKey& key) const;

  [[nodiscard]] std::vector<DiskCacheFile> list() const;  ///< most recently used first
  /// The whole entry under a key or an unambiguous beginning of one. Errors: invalid_argument, io, corrupt.
  [[nodiscard]] expected<CacheEntry> show(std::string_view key) const;
  struct Verification {
    DiskCacheFile file;
    std::string problem;  ///< empty: sound
  };
  [[nodiscard]] std::vector<Verification> verify() const;
  struct Cleared {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
  };
  expected<Cleared> clear();
  /// Removes the least recently used entries until the cap holds, and what killed processes left behind.
  void trim();

  [[nodiscard]] std::uint64_t rejected() const { return rejected_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t write_failures() const { return write_failures_.load(std::memory_order_relaxed); }

 private:
  void write_failed(std::string_view what, int error);

  std::string directory_;
  std::string refusal_;
  std::uint64_t max_bytes_ = 0;
  std::chrono::milliseconds patience_;
  Log log_;
  std::atomic<std::uint64_t> rejected_{0};
  std::atomic<std::uint64_t> write_failures_{0};
  std::atomic<std::uint64_t> untrimmed_bytes_;  ///< written since the last trim
  std::atomic_flag write_warned_ = ATOMIC_FLAG_INIT;
  std::atomic_flag damage_warned_ = ATOMIC_FLAG_INIT;
};

}  // namespace osdn::runtime
