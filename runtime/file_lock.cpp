#include "runtime/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

namespace osdn::runtime {

FileLock::FileLock(std::string path, std::chrono::milliseconds patience) : path_(std::move(path)) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  auto pause = std::chrono::milliseconds(1);
  for (;;) {
    const Attempt result = attempt();
    if (result == Attempt::held || result == Attempt::impossible) return;
    if (std::chrono::steady_clock::now() >= deadline) {
      busy_ = true;
      return;
    }
    if (result == Attempt::busy) {
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::milliseconds(16));
    }
  }
}

FileLock::Attempt FileLock::attempt() {
  const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return Attempt::impossible;
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    const bool busy = errno == EWOULDBLOCK || errno == EINTR;
    ::close(file);
    return busy ? Attempt::busy : Attempt::impossible;
  }
  // The last holder removes the file: a lock on a removed file keeps nobody out.
  struct stat mine {};
  struct stat named {};
  if (::fstat(file, &mine) != 0 || ::stat(path_.c_str(), &named) != 0 || mine.st_ino != named.st_ino ||
      mine.st_dev != named.st_dev) {
    ::close(file);
    return Attempt::replaced;
  }
  file_ = file;
  return Attempt::held;
}

FileLock::~FileLock() {
  if (file_ < 0) return;
  ::unlink(path_.c_str());
  ::close(file_);
}

}  // namespace osdn::runtime
