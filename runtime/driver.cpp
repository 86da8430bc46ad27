#include "runtime/driver.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "runtime/fork_guard.hpp"
#include "runtime/library.hpp"

namespace osdn::runtime {
namespace {

/// Only the emulator exports this.
constexpr const char* emulator_mark = "osdn_emulator_version";

expected<std::shared_ptr<Driver>> bind(void* library, const Place& place) {
  auto driver = std::make_shared<Driver>();
  driver->library = path_of(library, place.path);
  std::string missing;
#define OSDN_BIND(member, plain, symbol, parameters)                                      \
  driver->member = reinterpret_cast<decltype(Driver::member)>(::dlsym(library, #symbol)); \
  if (driver->member == nullptr) missing += missing.empty() ? #symbol : ", " #symbol;
  OSDN_DRIVER_ENTRIES(OSDN_BIND)
  OSDN_DRIVER_PLAIN_ENTRIES(OSDN_BIND)
#undef OSDN_BIND
#define OSDN_BIND(member, plain, symbol, parameters) \
  driver->member = reinterpret_cast<decltype(Driver::member)>(::dlsym(library, #symbol));
  OSDN_DRIVER_OPTIONAL_ENTRIES(OSDN_BIND)
#undef OSDN_BIND
  if (!missing.empty()) {
    return Error{ErrorCode::library_not_found,
                 fmt::format("{} is not a usable CUDA driver: it lacks {}; driver 12.0 or newer is needed",
                             driver->library, missing),
                 ""};
  }
  driver->emulated = ::dlsym(library, emulator_mark) != nullptr;
  return driver;
}

Error not_found(const std::vector<Place>& places, const std::string& tried) {
  const bool named = places.size() == 1;
  return {ErrorCode::library_not_found,
          named ? fmt::format("the CUDA driver {} ({}) cannot be loaded", places[0].path, places[0].origin)
                : std::string("no CUDA driver found: install the NVIDIA driver, name one in OSDN_CUDA_LIBRARY, or name "
                              "libosdn_emulator.so to run without a GPU"),
          "tried:\n" + tried};
}

}  // namespace

std::vector<Place> driver_places(std::string_view option) {
  if (!option.empty()) return {{std::string(option), "option driver_library"}};
  if (const char* named = std::getenv("OSDN_CUDA_LIBRARY"); named != nullptr && *named != '\0') {
    return {{named, "OSDN_CUDA_LIBRARY"}};
  }
  return {{"libcuda.so.1", "usual name"},
          {"libcuda.so", "usual name"},
          {"/usr/lib/wsl/lib/libcuda.so.1", "Windows Subsystem for Linux"}};
}

expected<std::shared_ptr<const Driver>> load_driver(std::string_view option) {
  if (forked()) return after_fork();
  const std::vector<Place> places = driver_places(option);
  std::string tried;
  for (const Place& place : places) {
    std::string reason;
    void* library = open_library(place.path, reason);
    if (library == nullptr) {
      tried += fmt::format("  {} ({}): {}\n", place.path, place.origin, reason);
      continue;
    }
    auto bound = bind(library, place);
    if (!bound) return std::move(bound).error();
    Driver& driver = **bound;
    if (const cuda::Result result = driver.init(0); result != cuda::success) {
      return driver.error(result, fmt::format("initialising {}", driver.library));
    }
    watch_for_forks();
    if (const cuda::Result result = driver.driver_get_version(&driver.version); result != cuda::success) {
      return driver.error(result, "asking for the driver's version");
    }
    return std::shared_ptr<const Driver>(*std::move(bound));
  }
  return not_found(places, tried);
}

Error Driver::error(cuda::Result result, std::string_view what) const {
  if (forked()) return after_fork();
  const char* symbol = nullptr;
  const char* text = nullptr;
  if (get_error_name(result, &symbol) != cuda::success) symbol = nullptr;
  if (get_error_string(result, &text) != cuda::success) text = nullptr;
  ErrorCode code = ErrorCode::driver;
  if (result == cuda::error_out_of_memory) code = ErrorCode::out_of_memory;
  if (result == cuda::error_no_device || result == cuda::error_invalid_device) code = ErrorCode::no_device;
  return {code,
          fmt::format("{}: {} ({}){}{}", what, symbol != nullptr ? symbol : "unknown CUDA error", result,
                      text != nullptr ? ": " : "", text != nullptr ? text : ""),
          ""};
}

}  // namespace osdn::runtime
