#include "autotune/trial/emulator_entries.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/driver.hpp"
#include "runtime/library.hpp"

namespace osdn::autotune {
namespace {

using Json = nlohmann::json;

/// All of what an entry copies out as snprintf does.
template <class Read>
std::string whole_text(const Read& read) {
  std::string text(read(nullptr, 0), '\0');
  text.resize(std::min(read(text.data(), text.size() + 1), text.size()));
  return text;
}

template <class Function>
bool find(void* library, const char* symbol, Function*& entry) {
  entry = reinterpret_cast<Function*>(::dlsym(library, symbol));
  return entry != nullptr;
}

}  // namespace

expected<EmulatorEntries> EmulatorEntries::open(const std::string& driver_library) {
  std::string tried;
  for (const runtime::Place& place : runtime::driver_places(driver_library)) {
    std::string reason;
    void* const library = runtime::open_library(place.path, reason);
    if (library == nullptr) {
      tried += fmt::format("  {} ({}): {}\n", place.path, place.origin, reason);
      continue;
    }
    EmulatorEntries all;
    const bool whole = find(library, "osdn_emulator_set_profile", all.set_profile_) &&
                       find(library, "osdn_emulator_set_seed", all.set_seed_) &&
                       find(library, "osdn_emulator_set_measure", all.set_measure_) &&
                       find(library, "osdn_emulator_set_registers", all.set_registers_) &&
                       find(library, "osdn_emulator_reset_statistics", all.reset_statistics_) &&
                       find(library, "osdn_emulator_last_fault", all.last_fault_) &&
                       find(library, "osdn_emulator_profile_json", all.profile_json_);
    if (whole) return all;
    return Error{ErrorCode::library_not_found,
                 fmt::format("{} ({}) is not the emulator; allowed: libosdn_emulator.so", place.path, place.origin),
                 {}};
  }
  return Error{ErrorCode::library_not_found, "the emulator cannot be loaded", "tried:\n" + tried};
}

expected<void> EmulatorEntries::set_profile(const std::string& architecture) const {
  if (set_profile_(architecture.c_str()) == 0) return {};
  return Error{ErrorCode::invalid_argument,
               fmt::format("arch is {}; allowed: an architecture that the emulator has a profile of", architecture),
               {}};
}

std::string EmulatorEntries::last_fault() const {
  const std::string text = whole_text([this](char* buffer, std::size_t size) { return last_fault_(buffer, size); });
  return text.substr(0, text.find('\n'));
}

expected<double> EmulatorEntries::modelled_seconds() const {
  const std::string text =
      whole_text([this](char* buffer, std::size_t size) { return profile_json_(nullptr, 0, buffer, size); });
  const Json parsed = Json::parse(text, nullptr, false);
  double seconds = 0;
  if (parsed.is_object() && parsed.contains("kernels")) {
    for (const auto& [kernel, what] : parsed["kernels"].items()) {
      seconds += what.value("modelled", Json::object()).value("seconds", 0.0);
    }
  }
  if (seconds > 0) return seconds;
  return Error{ErrorCode::internal, "the emulator's profile has no modelled time", text};
}

}  // namespace osdn::autotune
