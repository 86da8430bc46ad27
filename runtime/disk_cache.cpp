#include "runtime/disk_cache.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "runtime/cache_directory.hpp"
#include "runtime/file.hpp"
#include "runtime/folder.hpp"

namespace osdn::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t default_max_bytes = std::uint64_t{1} << 30;
constexpr std::uint64_t largest_entry = std::uint64_t{256} << 20;
constexpr std::string_view extension = ".osdn";
constexpr std::int64_t abandoned_seconds = 3600;  // a temporary or lock file this old belongs to nobody

/// The file's bytes and its last use; no value with errno set on failure.
std::optional<std::string> read_file(const std::string& path, bool touch) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.open()) return std::nullopt;
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return std::nullopt;
  errno = S_ISDIR(found.st_mode) ? EISDIR : !S_ISREG(found.st_mode) ? EINVAL : EFBIG;
  if (!S_ISREG(found.st_mode) || static_cast<std::uint64_t>(found.st_size) > largest_entry) return std::nullopt;
  std::string bytes(static_cast<std::size_t>(found.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  if (touch) ::futimens(file.get(), nullptr);  // "last used" is the modification time; a read-only cache keeps its own
  return bytes;
}

/// 0, or the errno of what failed.
int write_all(const File& file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return put < 0 ? errno : EIO;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return ::fsync(file.get()) == 0 ? 0 : errno;
}

/// Renames over what is there, an empty directory too; 0, or the errno of what failed.
int publish(const std::string& temporary, const std::string& target) {
  if (std::rename(temporary.c_str(), target.c_str()) == 0) return 0;
  if (errno != EISDIR) return errno;
  if (::rmdir(target.c_str()) == 0 && std::rename(temporary.c_str(), target.c_str()) == 0) return 0;
  return errno;
}

std::uint64_t cap(std::uint64_t option, const Log& log) {
  if (option != 0) return option;
  const char* text = std::getenv("OSDN_CACHE_MAX_BYTES");
  if (text == nullptr || *text == '\0') return default_max_bytes;
  std::uint64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [at, bad] = std::from_chars(text, end, value);
  if (bad == std::errc() && at == end && value > 0) return value;
  log.warning(
      fmt::format("OSDN_CACHE_MAX_BYTES is '{}', not a number of bytes above 0; {} is taken", text, default_max_bytes));
  return default_max_bytes;
}

bool hexadecimal(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// Calls `visit(path, shard, name, status)` for everything in the two-level tree, whatever it is.
template <class Visit>
void each_file(const std::string& directory, Visit visit) {
  for (const fs::path& shard : entries_of(directory)) {
    const std::string first = shard.filename().string();
    if (first.size() != 2 || !hexadecimal(first)) continue;
    for (const fs::path& at : entries_of(shard)) {
      struct stat found {};
      if (::lstat(at.c_str(), &found) != 0) continue;
      visit(at.string(), first, at.filename().string(), found);
    }
  }
}

bool is_entry(std::string_view name) {
  return name.size() == 30 + extension.size() && name.ends_with(extension) && hexadecimal(name.substr(0, 30));
}

}  // namespace

DiskCache::DiskCache(DiskCacheOptions options)
    : directory_(cache_directory(options.directory)),
      max_bytes_(cap(options.max_bytes, options.log)),
      patience_(options.patience),
      log_(std::move(options.log)),
      untrimmed_bytes_(max_bytes_) {
  refusal_ = prepare_cache_directory(directory_);
  if (!usable()) log_.warning(fmt::format("the compile cache is not used: {}", refusal_));
}

std::string DiskCache::path(const CacheKey& key) const {
  const std::string hex = key.hex();
  return fmt::format("{}/{}/{}{}", directory_, hex.substr(0, 2), hex.substr(2), extension);
}

std::optional<CompiledKernel> DiskCache::load(const CacheKey& key, std::string_view record, Look look) {
  if (!usable()) return std::nullopt;
  const std::string file = path(key);
  const auto bytes = read_file(file, true);
  if (!bytes && errno == ENOENT) return std::nullopt;
  std::string problem;
  if (!bytes) {
    problem = std::strerror(errno);
  } else if (auto entry = decode_entry(*bytes); !entry) {
    problem = entry.error().message;
  } else if (entry->record != record) {
    problem = "cache entry: it is of another kernel";
  } else {
    return std::move(entry->kernel);
  }
  if (look == Look::again) return std::nullopt;
  rejected_.fetch_add(1, std::memory_order_relaxed);
  // One is enough to say that the cache is damaged.
  if (!damage_warned_.test_and_set()) {
    log_.warning(fmt::format("{}: {}; the kernel is compiled anew (osdn cache verify lists all that is damaged)", file,
                             problem));
  }
  return std::nullopt;
}

void DiskCache::store(const CacheKey& key, std::string_view record, std::string_view entry,
                      const CompiledKernel& kernel) {
  if (!usable()) return;
  const std::string target = path(key);
  const std::string folder = target.substr(0, target.rfind('/'));
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return write_failed(folder, errno);

  std::string temporary = folder + "/new-XXXXXX";
  File file(::mkostemp(temporary.data(), O_CLOEXEC));  // 0600, a name nobody else has
  if (!file.open()) return write_failed(folder, errno);
  const std::string bytes = encode_entry(record, entry, kernel);
  int error = write_all(file, bytes);
  if (file.close() != 0 && error == 0) error = errno;
  if (error == 0) error = publish(temporary, target);
  if (error != 0) {
    ::unlink(temporary.c_str());
    return write_failed(target, error);
  }
  if (untrimmed_bytes_.fetch_add(bytes.size(), std::memory_order_relaxed) + bytes.size() > max_bytes_ / 16) trim();
}

std::unique_ptr<FileLock> DiskCache::lock(const CacheKey& key) const {
  if (!usable()) return nullptr;
  const std::string file = path(key);
  ::mkdir(file.substr(0, file.rfind('/')).c_str(), 0700);
  auto lock = std::make_unique<FileLock>(file + ".lock", patience_);
  return lock;
}

void DiskCache::write_failed(std::string_view what, int error) {
  write_failures_.fetch_add(1, std::memory_order_relaxed);
  if (!write_warned_.test_and_set()) {
    log_.warning(fmt::format("{}: {}; compiled kernels are not kept", what, std::strerror(error)));
  }
}

std::vector<DiskCacheFile> DiskCache::list() const {
  std::vector<DiskCacheFile> all;
  if (!usable()) return all;
  each_file(directory_, [&](std::string file, const std::string& shard, const std::string& name, const struct stat& s) {
    if (!is_entry(name)) return;
    all.push_back({shard + name.substr(0, 30), std::move(file), static_cast<std::uint64_t>(s.st_size), s.st_mtime});
  });
  std::sort(all.begin(), all.end(), [](const DiskCacheFile& a, const DiskCacheFile& b) {
    return a.used != b.used ? a.used > b.used : a.key < b.key;
  });
  return all;
}

expected<CacheEntry> DiskCache::show(std::string_view key) const {
  std::vector<DiskCacheFile> matches = list();
  std::erase_if(matches, [&](const DiskCacheFile& file) { return !file.key.starts_with(key); });
  if (matches.size() != 1) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} entries of {} begin with '{}'; name exactly one", matches.size(), directory_, key),
                 ""};
  }
  const auto bytes = read_file(matches[0].path, false);
  if (!bytes) return Error{ErrorCode::io, fmt::format("{}: {}", matches[0].path, std::strerror(errno)), ""};
  return decode_entry(*bytes);
}

std::vector<DiskCache::Verification> DiskCache::verify() const {
  std::vector<Verification> all;
  for (DiskCacheFile& file : list()) {
    std::string problem;
    if (const auto bytes = read_file(file.path, false); !bytes) {
      problem = std::strerror(errno);
    } else if (const auto entry = decode_entry(*bytes); !entry) {
      problem = entry.error().message;
    } else if (cache_key(entry->record).hex() != file.key) {
      problem = "cache entry: its name is not the hash of its record";
    }
    all.push_back({std::move(file), std::move(problem)});
  }
  return all;
}

expected<DiskCache::Cleared> DiskCache::clear() {
  if (!usable()) return Error{ErrorCode::io, "the compile cache is not used: " + refusal_, ""};
  Cleared cleared;
  std::string failure;
  each_file(directory_,
            [&](const std::string& file, const std::string&, const std::string& name, const struct stat& s) {
              if (!is_entry(name) && !name.starts_with("new-") && !name.ends_with(".lock")) return;
              std::error_code failed;
              if (!fs::remove(file, failed)) {
                failure = fmt::format("{}: {}", file, failed.message());
                return;
              }
              cleared.files += 1;
              cleared.bytes += static_cast<std::uint64_t>(s.st_size);
            });
  if (!failure.empty()) return Error{ErrorCode::io, failure, ""};
  return cleared;
}

void DiskCache::trim() {
  if (!usable()) return;
  untrimmed_bytes_.store(0, std::memory_order_relaxed);
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  each_file(directory_,
            [&](const std::string& file, const std::string&, const std::string& name, const struct stat& s) {
              const bool scratch = name.starts_with("new-") || name.ends_with(".lock");
              if (scratch && now - s.st_mtime > abandoned_seconds) ::unlink(file.c_str());
            });
  const std::vector<DiskCacheFile> files = list();
  std::uint64_t total = 0;
  for (const DiskCacheFile& file : files) {
    total += file.bytes;
    // The newest stays, whatever its size: what was just compiled is about to be wanted.
    if (total > max_bytes_ && &file != &files.front()) ::unlink(file.path.c_str());
  }
}

}  // namespace osdn::runtime
