// The lock of a physical device: who times on it is alone, among all processes of all users.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "osdn/engine.hpp"

namespace osdn::autotune {

/// The file: named after the device's bus number, in `directory` or, when that is empty, where temporary files go. It
/// stays when it is let go: one that is removed could be locked twice.
[[nodiscard]] std::string device_lock_file(const std::string& directory, const DeviceDescription& device);

class DeviceLock {
 public:
  /// Waits; `waiting` is called about every second meanwhile. Where the file cannot be made or its file system knows no
  /// locks, there is no lock: refusal() says why.
  DeviceLock(const std::string& file, const std::function<void()>& waiting);
  ~DeviceLock();
  DeviceLock(const DeviceLock&) = delete;
  DeviceLock& operator=(const DeviceLock&) = delete;

  [[nodiscard]] const std::string& refusal() const { return refusal_; }

 private:
  int descriptor_ = -1;
  std::string refusal_;
};

}  // namespace osdn::autotune
