// NVRTC, opened at run time: finding it and choosing a version the driver can use.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "osdn/error.hpp"
#include "runtime/nvrtc_api.hpp"

namespace osdn::runtime {

/// A loaded NVRTC. Never unloaded.
struct Nvrtc {
#define OSDN_DECLARE(member, symbol, type, parameters) type(*member) parameters = nullptr;
  using Result = nvrtc::Result;
  using Program = nvrtc::Program;
  OSDN_NVRTC_ENTRIES(OSDN_DECLARE)
#undef OSDN_DECLARE

  std::string library;     ///< path it was loaded from
  int version = 0;         ///< 12040 is 12.4
  std::vector<int> archs;  ///< compute capabilities it compiles for, ascending
};

/// What the search may look at; tests give it a root of their own.
struct NvrtcSearch {
  std::string option;  ///< EngineOptions::nvrtc_library
  /// Value of an environment variable; empty when unset.
  std::function<std::string(const char* name)> environment;
  std::string root = "/";      ///< prefix of every absolute place
  std::string own_folder;      ///< where the library or program lies
  bool dynamic_loader = true;  ///< when nothing is found, ask the dynamic loader for the usual sonames
};
[[nodiscard]] NvrtcSearch default_nvrtc_search(std::string_view option);

/// One library that was found.
struct NvrtcFound {
  std::string path;
  std::string origin;   ///< "OSDN_NVRTC_LIBRARY", "toolkit", "Python wheel" …
  int version = 0;      ///< 12040 is 12.4
  std::string problem;  ///< why it is not used; empty: it may be
};
struct NvrtcSearchResult {
  std::vector<NvrtcFound> found;    ///< usable ones first, newest first
  std::vector<std::string> places;  ///< every place looked at, in order
  bool named = false;               ///< an option or variable named the one library to use
};

/// Finds libraries and ranks them. A library's major version must not be above the driver's: a driver runs the machine
/// code of its own major version and of older ones. `driver_version` 0: any will do.
/// Versions come from file names; a library is loaded only where no name tells.
[[nodiscard]] NvrtcSearchResult find_nvrtc(const NvrtcSearch& search, int driver_version);

/// Why nothing of this result can be used: every place tried, or both versions, and what to install.
[[nodiscard]] Error nvrtc_missing(const NvrtcSearchResult& result, int driver_version);

/// Errors: library_not_found when it cannot be loaded or lacks an entry.
expected<std::shared_ptr<const Nvrtc>> open_nvrtc(const std::string& path);

/// "12.4" of 12040.
[[nodiscard]] std::string version_text(int version);

}  // namespace osdn::runtime
