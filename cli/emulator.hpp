// What only the emulator tells, through the entries that libosdn_emulator.so has beside the driver's.
#pragma once

#include <string>

#include "osdn/error.hpp"

namespace osdn::cli {

/// libosdn_emulator.so: beside the program, beside an installed one's library folder, else left to the dynamic loader.
[[nodiscard]] std::string emulator_library();

/// Makes the emulator's devices of this architecture; before the first engine. Errors: library_not_found,
/// invalid_argument.
expected<void> set_emulator_profile(const std::string& architecture);

/// Instruction counts by kernel since the start, as the emulator's JSON. Errors: library_not_found.
expected<std::string> emulator_statistics();

/// Makes the emulator measure the launches that follow, and trace the first blocks of each. Errors: library_not_found.
expected<void> set_emulator_measure(bool on, unsigned trace_blocks);

/// Tells its timing model how many registers a thread of a kernel has. Errors: library_not_found.
expected<void> set_emulator_registers(const std::string& kernel, int registers);

/// What was measured, with every line, as the emulator's JSON; and the trace. Errors: library_not_found.
expected<std::string> emulator_profile();
expected<std::string> emulator_trace();

/// "0.1.0". Errors: library_not_found.
expected<std::string> emulator_version();

}  // namespace osdn::cli
