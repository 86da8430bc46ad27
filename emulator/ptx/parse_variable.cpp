// Declarations of variables and parameters, with their initial values (PTX ISA 5.4).
#include <bit>

#include "ptx/parser.hpp"

namespace emulator::ptx {
namespace {

using Kind = Token::Kind;

constexpr std::size_t kMaxVariableBytes = std::size_t{1} << 32;
constexpr std::uint64_t kMaxInitialisers = 1 << 24;

/// .ptr .global .align 16 behind a parameter's type: a promise about the pointer, nothing to execute.
void pointer_attributes(Cursor& cursor) {
  cursor.take();
  accept_space(cursor);
  if (cursor.accept_dotted("align")) cursor.integer("an alignment");
}

std::size_t alignment(Cursor& cursor) {
  const std::uint64_t value = cursor.integer("an alignment");
  if (!std::has_single_bit(value) || value > 4096) cursor.fail("an alignment that is not a power of two");
  return value;
}

/// .align, .attribute and the type, in front of one or more names.
Variable variable_type(Cursor& cursor, Space space) {
  Variable result;
  result.space = space;
  bool typed = false;
  while (cursor.peek().kind == Kind::dotted) {
    const Token& token = cursor.peek();
    if (cursor.accept_dotted("align")) {
      result.alignment = std::max(result.alignment, alignment(cursor));
    } else if (cursor.accept_dotted("attribute")) {
      cursor.expect('(');
      while (!cursor.at_end() && !cursor.peek().is(')')) cursor.take();
      cursor.expect(')');
    } else if (token.text == "ptr") {
      pointer_attributes(cursor);
    } else if (token.text == "v2" || token.text == "v4" || token.text == "v8") {
      cursor.take();
      result.elements = static_cast<std::size_t>(token.text[1] - '0');
    } else if (const auto type = type_named(token.text)) {
      cursor.take();
      result.type = *type;
      typed = true;
    } else {
      cursor.unsupported("in a variable's declaration, " + quoted(token.text) + " is not supported");
    }
  }
  if (!typed || size_of(result.type) == 0) cursor.fail("a variable without a type of known size");
  result.alignment = std::max(result.alignment, result.bytes());
  return result;
}

Initial initial_value(Cursor& cursor) {
  Initial result;
  const bool minus = cursor.accept('-');
  const Token& token = cursor.take();
  switch (token.kind) {
    case Kind::integer:
      result.value = minus ? 0 - token.value : token.value;
      if (cursor.accept('(')) {  // 0xFF00(variable): a byte of an address
        result.mask = result.value;
        result.value = 0;
        result.symbol = cursor.word("a variable");
        cursor.expect(')');
      }
      break;
    case Kind::real32:
      result.value = token.value;
      result.real32 = true;
      break;
    case Kind::real64:
      result.value = minus ? token.value ^ (std::uint64_t{1} << 63) : token.value;
      result.real64 = true;
      break;
    case Kind::word:
      result.symbol = token.text;
      if (token.text == "generic" && cursor.accept('(')) {
        result.symbol = cursor.word("a variable");
        cursor.expect(')');
      }
      break;
    default:
      cursor.fail("expected an initial value");
  }
  while (cursor.peek().is('+') || cursor.peek().is('-')) {
    const bool subtract = cursor.take().is('-');
    const std::uint64_t offset = cursor.integer("an offset");
    result.value += subtract ? 0 - offset : offset;
  }
  return result;
}

void initialisers(Cursor& cursor, Variable& variable) {
  int depth = 0;
  do {
    while (cursor.accept('{')) {
      if (++depth > kMaxNesting) cursor.fail("initial values nested too deep");
    }
    if (!(depth > 0 && cursor.peek().is('}'))) {
      if (variable.initial.size() >= kMaxInitialisers) cursor.fail("too many initial values");
      variable.initial.push_back(initial_value(cursor));
    }
    while (depth > 0 && cursor.accept('}')) --depth;
  } while (depth > 0 && cursor.accept(','));
  if (depth != 0) cursor.fail("initial values are not closed");
}

void variable_name(Cursor& cursor, Variable& variable) {
  variable.line = cursor.peek().line;
  variable.name = cursor.word("a variable's name");
  while (cursor.accept('[')) {
    variable.array = true;
    if (cursor.accept(']')) {
      variable.unsized = true;
      variable.elements = 0;
      continue;
    }
    const std::uint64_t extent = cursor.integer("an array extent");
    if (extent > kMaxVariableBytes || variable.elements * extent > kMaxVariableBytes) cursor.fail("an array too large");
    variable.elements *= extent;
    cursor.expect(']');
  }
  if (cursor.accept('=')) initialisers(cursor, variable);
  if (variable.unsized && !variable.initial.empty()) variable.elements = variable.initial.size();
  if (variable.bytes() > kMaxVariableBytes) cursor.fail("a variable too large");
  if (variable.initial.size() > variable.elements) cursor.fail("more initial values than elements");
}

}  // namespace

std::optional<Space> accept_space(Cursor& cursor) {
  if (cursor.accept_dotted("global")) return Space::global;
  if (cursor.accept_dotted("const")) return Space::constant;
  if (cursor.accept_dotted("shared")) return Space::shared;
  if (cursor.accept_dotted("local")) return Space::local;
  if (cursor.accept_dotted("param")) return Space::parameter;
  return std::nullopt;
}

std::vector<Variable> parse_variables(Cursor& cursor, Space space) {
  const Variable type = variable_type(cursor, space);
  std::vector<Variable> result;
  do {
    Variable variable = type;
    variable_name(cursor, variable);
    result.push_back(std::move(variable));
  } while (cursor.accept(','));
  cursor.expect(';');
  return result;
}

std::vector<Variable> parse_parameters(Cursor& cursor) {
  std::vector<Variable> result;
  cursor.expect('(');
  while (!cursor.accept(')')) {
    if (!result.empty()) cursor.expect(',');
    const bool in_register = cursor.accept_dotted("reg");
    if (!in_register && !cursor.accept_dotted("param")) cursor.fail("expected .param");
    if (in_register && cursor.peek().is_dotted("pred"))
      cursor.unsupported("a predicate as a parameter is not supported");
    Variable variable = variable_type(cursor, Space::parameter);
    variable_name(cursor, variable);
    variable.in_register = in_register;
    result.push_back(std::move(variable));
  }
  return result;
}

}  // namespace emulator::ptx
