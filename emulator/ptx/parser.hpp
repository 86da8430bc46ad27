// PTX text to syntax tree.
#pragma once

#include <string_view>

#include "ptx/lexer.hpp"
#include "ptx/syntax.hpp"

namespace emulator::ptx {

/// `text` must outlive the tree. Throws LoadError.
ModuleSyntax parse(std::string_view text);

}  // namespace emulator::ptx
