// The instruction table as a page for people.
#pragma once

#include <string>

namespace emulator::ptx {

/// What stands in docs/emulator-instructions.md. `command` is what writes it anew.
std::string instruction_page(const std::string& command);

}  // namespace emulator::ptx
