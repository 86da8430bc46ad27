// What the environment says about the emulated machine: how many devices, of which architecture, how large.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "execute/execute.hpp"

namespace emulator {

/// A device as programs see it: the limits that launches are held to, and the figures that only queries return.
struct Architecture {
  std::string name;  ///< "sm_80"
  Profile profile;
  int threads_per_multiprocessor = 2048;
  int blocks_per_multiprocessor = 32;
  int clock_khz = 1410000;
  int memory_clock_khz = 1215000;
  int memory_bus_bits = 5120;
  int l2_bytes = 40 * 1024 * 1024;
  std::size_t memory_bytes = std::size_t{80} << 30;
};

/// "sm_80", "sm_90a", … ; nothing when it is not in the table. The suffix only matters to code, not to the device.
std::optional<Architecture> find_architecture(std::string_view name);

/// All names that find_architecture takes, for messages.
std::string known_architectures();

/// Read once, by cuInit.
struct Settings {
  Architecture architecture;     ///< OSDN_EMULATOR_ARCH
  int devices = 1;               ///< OSDN_EMULATOR_DEVICES
  std::size_t memory_bytes = 0;  ///< OSDN_EMULATOR_MEMORY, per device
  std::uint64_t seed = 0;        ///< OSDN_EMULATOR_SEED
  bool perturb = false;          ///< OSDN_EMULATOR_PERTURB
  int host_threads = 0;          ///< OSDN_EMULATOR_THREADS; 0: one per core
  /// OSDN_EMULATOR_INSTRUCTION_LIMIT; 0: none. No kernel that a GPU is meant to finish in seconds needs more.
  std::uint64_t instruction_limit = std::uint64_t{1} << 30;
  bool strict = true;         ///< OSDN_EMULATOR_STRICT
  std::string profile_file;   ///< OSDN_EMULATOR_PROFILE; empty: launches are not measured
  std::string trace_file;     ///< OSDN_EMULATOR_TRACE; empty: no trace
  unsigned trace_blocks = 4;  ///< OSDN_EMULATOR_TRACE_BLOCKS, of each launch
};

/// Nothing, and one line on stderr naming the variable, its value and what is allowed, when a variable is malformed.
std::optional<Settings> read_settings(const std::string& architecture_override);

}  // namespace emulator
