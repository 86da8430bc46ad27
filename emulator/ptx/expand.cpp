// Instructions that the manual defines by simpler ones: they are built as those.
#include <algorithm>
#include <charconv>

#include "ptx/builders.hpp"
#include "ptx/parser.hpp"

namespace emulator::ptx {
namespace {

/// $0, or $2_5 for the sixth element of the third operand; -1 where there is none.
struct Placeholder {
  int operand = -1;
  int element = -1;
};

Placeholder placeholder(std::string_view name) {
  Placeholder result;
  if (name.size() < 2 || name[0] != '$' || name[1] < '0' || name[1] > '9') return result;
  const char* end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data() + 1, end, result.operand);
  if (error == std::errc() && at != end && *at == '_') std::from_chars(at + 1, end, result.element);
  return result;
}

const Operand& operand_of(const Statement& statement, const Placeholder& which) {
  const auto index = static_cast<std::size_t>(which.operand);
  if (index >= statement.operands.size()) fail_syntax(statement.line, "operands are missing");
  const Operand& operand = statement.operands[index];
  if (which.element < 0) return operand;
  const auto element = static_cast<std::size_t>(which.element);
  const bool has_elements = operand.kind == Operand::Kind::vector || operand.kind == Operand::Kind::pair;
  if (!has_elements && element == 0) return operand;
  if (element >= operand.elements.size()) fail_syntax(statement.line, "a vector with too few elements");
  return operand.elements[element];
}

Operand substitute(const Operand& text, const Statement& statement) {
  const Placeholder which = placeholder(text.name);
  if (which.operand < 0) {
    Operand result = text;
    for (Operand& element : result.elements) element = substitute(element, statement);
    return result;
  }
  Operand result = operand_of(statement, which);
  result.suffix = {};  // a selector: whoever wrote the text has looked at it
  if (text.kind == Operand::Kind::address) {
    // [$1+4]: the address that the instruction names, and further.
    result.value += text.value;
  } else if (result.kind == Operand::Kind::address) {
    result.kind = Operand::Kind::name;  // the register or variable in an address, without its offset
    result.value = 0;
  }
  result.negated = result.negated != text.negated;
  return result;
}

}  // namespace

bool FunctionDecoder::expand_specials(const Statement& statement) {
  const auto special = [&](const Operand& operand) {
    return operand.kind == Operand::Kind::name && operand.name.starts_with('%') &&
           build::names_special(operand.name, operand.suffix) &&
           find(operand.name, statement.scope).kind == Symbol::Kind::none;
  };
  if (statement.opcode == "mov" || std::none_of(statement.operands.begin(), statement.operands.end(), special)) {
    return false;
  }
  std::string moves, last(statement.opcode);
  for (const std::string_view modifier : statement.modifiers) last.append(1, '.').append(modifier);
  for (std::size_t k = 0; k < statement.operands.size(); ++k) {
    const Operand& operand = statement.operands[k];
    const std::string number = std::to_string(k);
    last += k == 0 ? " " : ", ";
    if (special(operand)) {
      const bool wide = operand.name == "%clock64" || operand.name == "%globaltimer";
      moves.append(wide ? ".reg .b64 $s" : ".reg .b32 $s")
          .append(number)
          .append(wide ? "; mov.u64 $s" : "; mov.u32 $s");
      moves.append(number).append(", ").append(operand.name);
      if (!operand.suffix.empty()) moves.append(1, '.').append(operand.suffix);
      moves += ";\n";
      last.append("$s").append(number);
    } else if (operand.kind == Operand::Kind::address) {
      last.append("[$").append(number).append(1, ']');
    } else {
      last.append(1, '$').append(number);
    }
  }
  expand(statement, moves.append(last).append(";\n"));
  return true;
}

void FunctionDecoder::expand(const Statement& statement, std::string text) {
  context_.texts.push_back(std::move(text));
  const Function fragment = parse_fragment(context_.texts.back());
  const auto outer = std::move(expansion_);
  expansion_ = {};
  for (const Registers& declared : fragment.scopes[0].registers) {
    expansion_.emplace(declared.prefix, temporary(declared.type));
  }
  bool first = true;
  for (const Statement& each : fragment.statements) {
    Statement built = each;
    built.line = statement.line;
    built.scope = statement.scope;
    built.guard = statement.guard;
    built.guard_negated = statement.guard_negated;
    for (Operand& operand : built.operands) operand = substitute(operand, statement);
    if (!first) begin_draft(built);
    first = false;
    build_instruction(*this, built);
  }
  expansion_ = outer;
}

}  // namespace emulator::ptx
