// The CUDA driver, opened at run time: a table of entries, and its errors as ours.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "osdn/error.hpp"
#include "runtime/driver_api.hpp"

namespace osdn::runtime {

/// A loaded driver. Never unloaded: a driver keeps threads and exit handlers of its own.
struct Driver {
#define OSDN_DECLARE(member, plain, symbol, parameters) cuda::Result(*member) parameters = nullptr;
  using Result = cuda::Result;
  using Device = cuda::Device;
  using DeviceAddress = cuda::DeviceAddress;
  using Context = cuda::Context;
  using Module = cuda::Module;
  using Function = cuda::Function;
  using Stream = cuda::Stream;
  using Event = cuda::Event;
  using Graph = cuda::Graph;
  using GraphExec = cuda::GraphExec;
  OSDN_DRIVER_ENTRIES(OSDN_DECLARE)
  OSDN_DRIVER_PLAIN_ENTRIES(OSDN_DECLARE)
  using TensorMap = cuda::TensorMap;
  OSDN_DRIVER_OPTIONAL_ENTRIES(OSDN_DECLARE)
#undef OSDN_DECLARE

  std::string library;    ///< path it was loaded from
  int version = 0;        ///< cuDriverGetVersion: 12040 is 12.4
  bool emulated = false;  ///< it is the project's software device

  /// An Error from a failed call: `what` it was for, the driver's name of the result and its explanation.
  [[nodiscard]] Error error(cuda::Result result, std::string_view what) const;
};

/// The libraries that load_driver tries for this option, in order, and where each comes from.
struct Place {
  std::string path;    ///< file or soname
  std::string origin;  ///< "option driver_library", "OSDN_CUDA_LIBRARY", "default" …
};
[[nodiscard]] std::vector<Place> driver_places(std::string_view option);

/// Opens the first library that can be loaded and initialises it. `option` empty: OSDN_CUDA_LIBRARY, then the usual
/// names. Errors: library_not_found listing every place tried, no_device, driver.
expected<std::shared_ptr<const Driver>> load_driver(std::string_view option);

}  // namespace osdn::runtime
