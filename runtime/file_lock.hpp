// A lock between processes: flock on a file of its own.
#pragma once

#include <chrono>
#include <string>

namespace osdn::runtime {

/// Holds the lock until it goes out of scope, and removes the file. A file system that knows no locks, a folder that
/// cannot be written, or a holder that does not let go in time leave the scope without the lock: then work may be done
/// twice, never wrongly.
class FileLock {
 public:
  FileLock(std::string path, std::chrono::milliseconds patience);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  [[nodiscard]] bool held() const { return file_ >= 0; }
  /// Somebody else still holds it; neither held nor busy: there are no locks to be had here.
  [[nodiscard]] bool busy() const { return busy_; }

 private:
  enum class Attempt { held, busy, replaced, impossible };
  Attempt attempt();

  std::string path_;
  int file_ = -1;
  bool busy_ = false;
};

}  // namespace osdn::runtime
