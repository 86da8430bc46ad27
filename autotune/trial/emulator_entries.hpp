// What only the emulator tells and takes, through entries that its library has beside the driver's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "osdn/error.hpp"

namespace osdn::autotune {

class EmulatorEntries {
 public:
  /// `driver_library` as EngineOptions has it. Errors: library_not_found when that is not the emulator.
  static expected<EmulatorEntries> open(const std::string& driver_library);

  /// Makes its devices of this architecture; before a context exists. Errors: invalid_argument.
  [[nodiscard]] expected<void> set_profile(const std::string& architecture) const;
  void set_seed(std::uint64_t seed) const { set_seed_(seed); }
  void set_measure(bool on) const { set_measure_(on ? 1 : 0, 0); }
  void set_registers(const std::string& kernel, int registers) const { set_registers_(kernel.c_str(), registers); }
  void reset_statistics() const { reset_statistics_(); }
  /// The newest fault's first line; empty: there was none.
  [[nodiscard]] std::string last_fault() const;
  /// The modelled time of all launches since the last reset. Errors: internal when there is none.
  [[nodiscard]] expected<double> modelled_seconds() const;

 private:
  EmulatorEntries() = default;
  int (*set_profile_)(const char*) = nullptr;
  void (*set_seed_)(std::uint64_t) = nullptr;
  void (*set_measure_)(int, unsigned) = nullptr;
  void (*set_registers_)(const char*, int) = nullptr;
  void (*reset_statistics_)() = nullptr;
  std::size_t (*last_fault_)(char*, std::size_t) = nullptr;
  std::size_t (*profile_json_)(const char*, int, char*, std::size_t) = nullptr;
};

}  // namespace osdn::autotune
