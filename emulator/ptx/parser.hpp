// PTX text to syntax tree.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ptx/cursor.hpp"
#include "ptx/syntax.hpp"

namespace emulator::ptx {

/// `text` must outlive the tree. Throws LoadError.
ModuleSyntax parse(std::string_view text);

/// Statements and declarations without a function around them; `text` must outlive the result.
Function parse_fragment(std::string_view text);

// The parts, by subject: parse_operand.cpp, parse_variable.cpp, parse_function.cpp.
constexpr int kMaxNesting = 64;

Operand parse_operand(Cursor& cursor, int depth = 0);

/// Takes .global, .const, .shared, .local or .param.
std::optional<Space> accept_space(Cursor& cursor);
/// What follows the space: a type, one or more names, initial values and the semicolon.
std::vector<Variable> parse_variables(Cursor& cursor, Space space);
/// ( .param … , … ) of a function or a prototype, whose parameters may all be called _.
std::vector<Variable> parse_parameters(Cursor& cursor);

/// What follows .entry or .func.
Function parse_function(Cursor& cursor, bool entry);

}  // namespace emulator::ptx
