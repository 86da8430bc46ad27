#include "reference/whole_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

namespace osdn::reference {
namespace {

Error io_error(const std::string& path, std::string_view what, int number) {
  return {ErrorCode::io, fmt::format("{}: {}: {}", path, what, std::strerror(number)), {}};
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// The temporary files that exist now.
struct Unfinished {
  std::mutex mutex;
  std::set<std::string> names;
};

Unfinished& unfinished() {
  static auto& all = *new Unfinished;  // never destroyed: an interruption may come while the process ends
  return all;
}

/// A file under a temporary name that disappears unless it is published.
class TemporaryFile {
 public:
  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (fd_ >= 0) ::close(fd_);
    if (temporary_.empty()) return;
    ::unlink(temporary_.c_str());
    forget();
  }

  expected<void> create(const std::string& path) {
    static std::atomic<unsigned> counter{0};
    path_ = path;
    const std::lock_guard lock(unfinished().mutex);
    std::string name;
    do {  // a killed process may have left a name, and process numbers come again
      name = fmt::format("{}/.osdn-{}-{}.tmp", folder_of(path), ::getpid(), counter++);
      fd_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    } while (fd_ < 0 && errno == EEXIST);
    if (fd_ < 0) return io_error(path, "cannot create the output", errno);
    temporary_ = name;
    unfinished().names.insert(name);
    return {};
  }

  expected<void> append(std::span<const std::byte> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t put = ::write(fd_, bytes.data() + done, bytes.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return io_error(path_, "cannot write the output", errno);
      done += static_cast<std::size_t>(put);
    }
    return {};
  }

  expected<void> publish() {
    if (::fsync(fd_) != 0) return io_error(path_, "cannot write the output", errno);
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0) return io_error(path_, "cannot write the output", errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return io_error(path_, "cannot name the output", errno);
    forget();
    temporary_.clear();
    return {};
  }

 private:
  void forget() const {
    const std::lock_guard lock(unfinished().mutex);
    unfinished().names.erase(temporary_);
  }

  int fd_ = -1;
  std::string path_;
  std::string temporary_;
};

/// The file that a symbolic link stands for: renaming over the link would replace the link.
expected<std::string> target_of(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return io_error(path, "cannot create the output", errno);
    return path;
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::io,
                 fmt::format("{}: the output is not a regular file; allowed: a new file, or one to replace", path),
                 {}};
  }
  char* resolved = ::realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return io_error(path, "cannot create the output", errno);
  std::string target = resolved;
  std::free(resolved);
  return target;
}

}  // namespace

expected<void> check_writable(const std::string& path) {
  auto target = target_of(path);
  if (!target) return target.error();
  const std::string folder = folder_of(*target);
  if (::access(folder.c_str(), W_OK | X_OK) != 0) return io_error(path, "cannot create the output", errno);
  return {};
}

expected<void> write_whole_file(const std::string& path, const std::vector<std::span<const std::byte>>& parts) {
  auto target = target_of(path);
  if (!target) return target.error();
  TemporaryFile file;
  if (auto ok = file.create(*target); !ok) return ok;
  for (const auto& part : parts) {
    if (auto ok = file.append(part); !ok) return ok;
  }
  return file.publish();
}

expected<void> write_whole_file(const std::string& path, const std::string& text) {
  return write_whole_file(path, {std::as_bytes(std::span(text))});
}

void abandon_unfinished_files() {
  unfinished().mutex.lock();  // for good: none begins any more
  for (const std::string& name : unfinished().names) ::unlink(name.c_str());
}

expected<std::string> read_whole_file(const std::string& path, std::size_t most) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not hang here
  if (file < 0) return io_error(path, "cannot be opened", errno);
  struct stat found {};
  std::string text;
  expected<void> result;
  if (::fstat(file, &found) != 0 || !S_ISREG(found.st_mode)) {
    result = Error{ErrorCode::io, fmt::format("{} is not a regular file", path), {}};
  } else if (static_cast<std::uint64_t>(found.st_size) > most) {
    result =
        Error{ErrorCode::corrupt, fmt::format("{} has {} bytes; allowed: at most {}", path, found.st_size, most), {}};
  } else {
    text.resize(static_cast<std::size_t>(found.st_size));
    std::size_t done = 0;
    while (result && done < text.size()) {
      const ssize_t got = ::read(file, text.data() + done, text.size() - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) result = io_error(path, "cannot be read", errno);
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    text.resize(done);
  }
  ::close(file);
  if (!result) return result.error();
  return text;
}

}  // namespace osdn::reference
