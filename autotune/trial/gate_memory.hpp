// Memory of the device as the gate needs it; tests have one of their own.
#pragma once

#include <cstddef>

#include "osdn/arguments.hpp"
#include "osdn/error.hpp"

namespace osdn::autotune {

class GateMemory {
 public:
  virtual ~GateMemory() = default;
  /// 256-byte aligned.
  virtual expected<DevicePointer> allocate(std::size_t bytes) = 0;
  virtual void free(DevicePointer address) = 0;
  virtual expected<void> upload(DevicePointer to, const void* from, std::size_t bytes) = 0;
  virtual expected<void> download(void* to, DevicePointer from, std::size_t bytes) = 0;
};

}  // namespace osdn::autotune
