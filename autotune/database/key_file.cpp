#include "autotune/database/key_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include "autotune/database/entries.hpp"
#include "autotune/database/line.hpp"
#include "autotune/database/record.hpp"
#include "runtime/file.hpp"
#include "runtime/file_lock.hpp"

namespace osdn::autotune {
namespace {

using runtime::File;

// An append takes milliseconds; a holder that keeps the lock this long is stopped or gone.
constexpr std::chrono::seconds patience{30};

Error io_error(const std::string& path, std::string_view what, int number, std::string_view advice = {}) {
  return {
      ErrorCode::io,
      fmt::format("{}: {}: {} ({}){}{}", path, what, std::strerror(number), number, advice.empty() ? "" : "; ", advice),
      {}};
}

constexpr std::string_view make_room =
    "nothing was added; make room or let it be written, or name another tuning directory (OSDN_TUNING_DIR)";

/// 0, or the errno of what failed. Fewer bytes than asked for: the file ends.
int read_at(const File& file, std::uint64_t offset, std::string& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got =
        ::pread(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return 0;
}

/// Its size when it is a regular file that is not too large.
expected<std::uint64_t> size_of(const File& file, const std::string& path) {
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return io_error(path, "cannot be looked at", errno);
  if (!S_ISREG(found.st_mode)) {
    return Error{ErrorCode::io, fmt::format("{}: not a regular file; remove it", path), {}};
  }
  const auto bytes = static_cast<std::uint64_t>(found.st_size);
  if (bytes > largest_file) {
    return Error{
        ErrorCode::corrupt, fmt::format("{}: {} bytes; allowed: {}; move it away", path, bytes, largest_file), {}};
  }
  return bytes;
}

/// Makes a name in a folder last.
void sync_folder_of(const std::string& path) {
  const File folder(::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.open()) ::fsync(folder.get());  // a file system that cannot keeps names in its own way
}

/// Makes the folders of `path`, and `directory` again when somebody has removed it since.
expected<void> make_folders(const std::string& directory, const std::string& path) {
  for (std::size_t slash = path.find('/', directory.size()); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (::mkdir(folder.c_str(), 0700) == 0) {
      sync_folder_of(folder);
      continue;
    }
    const int number = errno;
    struct stat found {};
    if (::stat(folder.c_str(), &found) != 0) return io_error(folder, "cannot be made", number, make_room);
    if (!S_ISDIR(found.st_mode)) return io_error(folder, "is in the way", ENOTDIR, make_room);
  }
  return {};
}

/// A file that is added to.
class Appended {
 public:
  Appended(const File& file, const std::string& path) : file_(file), path_(path) {}

  /// Deals with a last line that has no newline: a whole one gets it, a torn one is cut away, without the lock (another
  /// may be writing it) ended by one. Returns what is to be written first.
  expected<std::string> mend(bool locked) {
    auto size = size_of(file_, path_);
    if (!size) return size.error();
    size_ = *size;
    std::string tail(std::min<std::uint64_t>(size_, longest_line + 1), '\0');
    std::string last(size_ == 0 ? 0 : 1, '\0');
    if (const int number = read_at(file_, size_ - last.size(), last); number != 0) return unreadable(number);
    if (last.empty() || last == "\n") return std::string();
    if (const int number = read_at(file_, size_ - tail.size(), tail); number != 0) return unreadable(number);
    const std::size_t newline = tail.rfind('\n');
    const std::string_view torn = std::string_view(tail).substr(newline == std::string::npos ? 0 : newline + 1);
    // Without a newline in the longest line's length it is no torn line of ours: it stays, damaged.
    if (!locked || unsealed(torn) || torn.size() > longest_line) return std::string("\n");
    if (::ftruncate(file_.get(), static_cast<off_t>(size_ - torn.size())) != 0) {
      return io_error(path_, "its torn last line cannot be cut away", errno, make_room);
    }
    size_ -= torn.size();
    return std::string();
  }

  /// Whether a line names this key. The first does, unless it is damaged.
  expected<bool> names(const Key& key) {
    const auto named_in = [&](const std::string& text) {
      const std::vector<Key> keys = named_keys(text);
      return std::find(keys.begin(), keys.end(), key) != keys.end();
    };
    std::string text(std::min<std::uint64_t>(size_, first_line_bytes), '\0');
    if (const int number = read_at(file_, 0, text); number != 0) return unreadable(number);
    if (named_in(text)) return true;
    text.assign(size_, '\0');
    if (const int number = read_at(file_, 0, text); number != 0) return unreadable(number);
    return named_in(text);
  }

  /// One write, and onto the disk; cut back when not all of it could be written.
  expected<void> write(const std::string& bytes) {
    if (size_ + bytes.size() > largest_file) return io_error(path_, "it is full", EFBIG, "osdn db compact makes room");
    ssize_t put = 0;
    do {
      put = ::write(file_.get(), bytes.data(), bytes.size());
    } while (put < 0 && errno == EINTR);
    int number = put < 0 ? errno : 0;
    const bool whole = put == static_cast<ssize_t>(bytes.size());
    if (whole && ::fdatasync(file_.get()) == 0) return {};
    if (whole) number = errno;
    if (put > 0) cut_back(static_cast<std::uint64_t>(put));
    return io_error(path_, "cannot be added to", number == 0 ? ENOSPC : number, make_room);
  }

 private:
  Error unreadable(int number) const { return io_error(path_, "cannot be read", number, make_room); }

  /// Only what was just added, and only while nobody added behind it (who cannot lock).
  void cut_back(std::uint64_t bytes) const {
    struct stat found {};
    if (::fstat(file_.get(), &found) != 0) return;
    const auto size = static_cast<std::uint64_t>(found.st_size);
    if (size == size_ + bytes && ::ftruncate(file_.get(), static_cast<off_t>(size_)) == 0) ::fdatasync(file_.get());
  }

  const File& file_;
  const std::string& path_;
  std::uint64_t size_ = 0;
};

/// Writes a new file and syncs it. 0, or the errno of what failed.
int write_new(const std::string& path, std::string_view bytes) {
  File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.open()) return errno;
  while (!bytes.empty()) {
    const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return put < 0 ? errno : EIO;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(file.get()) != 0 || file.close() != 0) return errno;
  return 0;
}

std::string lock_of(const std::string& path) {
  return path + ".lock";
}

/// Who has no lock may add, where there are none; beside one that holds it the line could be lost to a compaction.
expected<void> check_not_busy(const runtime::FileLock& lock, const std::string& path) {
  if (!lock.busy()) return {};
  return Error{ErrorCode::io,
               fmt::format("{}: another process has held its lock for {} s; nothing was added; end that process, or "
                           "name another tuning directory (OSDN_TUNING_DIR)",
                           path, patience.count()),
               {}};
}

}  // namespace

std::string gpu_folder(const GpuKey& gpu) {
  std::string out;
  for (const char c : gpu.name.substr(0, 64)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain)
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  // The words are for people; the digits tell names apart that differ in what the words leave out.
  return fmt::format("{}{}sm{}-{}sms-{}mhz-{}{}", out, out.empty() ? "" : "-", gpu.arch, gpu.multiprocessors,
                     gpu.memory_clock_mhz, gpu.emulated ? "emulated-" : "", hash_text(gpu.name).substr(0, 8));
}

std::string problem_folder(const Problem& problem) {
  return hash_text(to_string(problem));
}

std::string key_path(const std::string& directory, const Key& key) {
  return fmt::format("{}/v{}/{}/{}/{}-{}.jsonl", directory, record_format, gpu_folder(key.gpu),
                     problem_folder(key.problem), key.bucket.heads, key.bucket.tokens);
}

expected<std::string> read_file(const std::string& path, std::uint64_t most) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.open()) {
    if (errno == ENOENT || errno == ENOTDIR) return std::string();
    return io_error(path, "cannot be opened", errno);
  }
  auto size = size_of(file, path);
  if (!size) return size.error();
  std::string bytes(std::min(*size, most), '\0');
  if (const int number = read_at(file, 0, bytes); number != 0) return io_error(path, "cannot be read", number);
  return bytes;
}

expected<void> append_lines(const std::string& directory, const Key& key, const std::string& lines) {
  const std::string path = key_path(directory, key);
  if (auto ok = make_folders(directory, path); !ok) return ok;
  const runtime::FileLock lock(lock_of(path), patience);
  if (auto ok = check_not_busy(lock, path); !ok) return ok;
  const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  int descriptor = ::open(path.c_str(), flags | O_CREAT | O_EXCL, 0600);
  const bool made = descriptor >= 0;
  if (!made && errno == EEXIST) descriptor = ::open(path.c_str(), flags);
  const File file(descriptor);
  if (!file.open()) return io_error(path, "cannot be opened", errno, make_room);
  Appended appended(file, path);
  auto first = appended.mend(lock.held());
  if (!first) return first.error();
  auto named = appended.names(key);
  if (!named) return named.error();
  if (!*named) *first += write_line(key_id(key), key);
  if (auto ok = appended.write(*first + lines); !ok) return ok;
  if (made || !*named) sync_folder_of(path);
  return {};
}

expected<void> rewrite_file(const std::string& path, const std::function<std::string(const std::string&)>& rewrite) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0 && errno == ENOENT) return {};
  const runtime::FileLock lock(lock_of(path), patience);
  if (!lock.held()) {
    return Error{
        ErrorCode::io,
        fmt::format("{}: its lock cannot be had, so it is left as it is; another process holds it, or the file "
                    "system is read-only or knows no locks",
                    path),
        {}};
  }
  auto text = read_file(path);
  if (!text) return text.error();
  const std::string better = rewrite(*text);
  if (better == *text) return {};
  const std::string temporary =
      path + ".new";  // one name: only who holds the lock writes it, and replaces a dead one's
  int number = write_new(temporary, better);
  if (number == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) number = errno;
  if (number != 0) {
    ::unlink(temporary.c_str());
    return io_error(path, "cannot be rewritten and stays as it was", number);
  }
  sync_folder_of(path);
  return {};
}

expected<std::string> read_quiet_file(const std::string& path) {
  const runtime::FileLock lock(lock_of(path), std::chrono::seconds(2));
  return read_file(path);
}

}  // namespace osdn::autotune
