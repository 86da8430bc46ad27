#include "autotune/trial/device_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <thread>

namespace osdn::autotune {
namespace {

/// Another user's file is opened as it is: O_CREAT on it is refused in directories like /tmp (protected_regular). A
/// lock needs no right to write.
int open_file(const std::string& file) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor >= 0 || errno != ENOENT) return descriptor;
    descriptor = ::open(file.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (descriptor >= 0) ::fchmod(descriptor, 0644);  // whatever the umask
    if (descriptor >= 0 || errno != EEXIST) return descriptor;
  }
  return -1;
}

}  // namespace

std::string device_lock_file(const std::string& directory, const DeviceDescription& device) {
  std::string name = device.pci_bus_id.empty() ? fmt::format("{}", device.ordinal) : device.pci_bus_id;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '-';
  }
  std::error_code failed;
  std::filesystem::path folder = directory;
  if (directory.empty()) folder = std::filesystem::temp_directory_path(failed);
  if (failed) folder = "/tmp";
  return (folder / fmt::format("osdn-{}-{}.lock", device.emulated ? "emulator" : "gpu", name)).string();
}

DeviceLock::DeviceLock(const std::string& file, const std::function<void()>& waiting) {
  descriptor_ = open_file(file);
  if (descriptor_ < 0) {
    refusal_ = fmt::format("{}: {}", file, std::generic_category().message(errno));
    return;
  }
  for (int tries = 0;; ++tries) {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    if (errno != EWOULDBLOCK && errno != EINTR) break;
    if (tries % 100 == 0) waiting();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  refusal_ = fmt::format("{}: {}", file, std::generic_category().message(errno));
}

DeviceLock::~DeviceLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace osdn::autotune
