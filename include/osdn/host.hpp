// What a host application may give an Engine: device memory of its own, and an ear for what happens.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "osdn/arguments.hpp"

namespace osdn {

/// Device memory for all that the library itself allocates, which is what Engine::allocate hands out: launches take
/// workspace that the caller has. Both or neither; called with the Engine's context current, by any thread.
struct DeviceMemory {
  /// An address aligned to 256 bytes; 0: there is none.
  std::function<DevicePointer(std::size_t bytes)> allocate{};
  std::function<void(DevicePointer address, std::size_t bytes)> free{};
};

/// Something that took time.
struct TraceEvent {
  enum class Kind {
    compile,  ///< NVRTC compiled a kernel
    find,     ///< a kernel was found in a cache below memory
    load,     ///< a kernel was loaded into the device's context
    prepare,  ///< a problem's kernels were made ready
    choose,   ///< a Tuner chose a configuration for a problem and a bucket of shapes; searching included
    tune,     ///< a Tuner searched
  };
  Kind kind = Kind::prepare;
  bool failed = false;
  double seconds = 0;
  std::string_view subject{};  ///< the kernel's entry, or the problem's text
  std::string_view detail{};   ///< where from and for which architecture, or the configuration; an error's message
};

/// Called when it is over, by the thread that did it: by several at once. Must not call into the library; what it
/// throws is dropped.
using TraceCallback = std::function<void(const TraceEvent&)>;

}  // namespace osdn
