// The operand vocabulary of the build functions.
#include <bit>
#include <cmath>

#include "ptx/decoder.hpp"

namespace emulator::ptx {

Type Build::type(std::string_view group) const {
  const auto named = type_named(match[group]);
  if (!named) unsupported("a type that the emulator does not know");
  return *named;
}

const Operand& Build::operand(std::size_t index) {
  if (index >= statement.operands.size()) syntax("operands are missing");
  return statement.operands[index];
}

void Build::expect_operands(std::size_t least, std::size_t most) {
  if (operands() < least || operands() > most) syntax("a wrong number of operands");
}

void Build::handler(Handler wanted) {
  if (wanted == nullptr) unsupported("this variant of " + std::string(statement.opcode) + " is not supported");
  in().handler = wanted;
}

void Build::next() {
  if (in().handler != nullptr) decoder.begin_draft(statement);
}

void Build::family(const std::string& name) {
  note().family = decoder.context().family(name);
}

void Build::flow(Flow rule, int what, Type type) {
  FlowNote& flow = note().flow;
  flow.rule = rule;
  flow.operation = static_cast<std::uint8_t>(what);
  flow.width = static_cast<std::uint8_t>(size_of(type));
  flow.is_signed = is_signed(type);
}

void Build::moves(unsigned data, unsigned controls) {
  flow(Flow::move);
  note().flow.data = static_cast<std::uint8_t>(data);
  note().flow.controls = static_cast<std::uint8_t>(controls);
}

std::uint32_t Build::vreg(const Operand& operand) {
  if (operand.kind != Operand::Kind::name || operand.minus || operand.value != 0 || !operand.suffix.empty()) {
    syntax("a register is expected");
  }
  const auto symbol = decoder.find(operand.name, statement.scope);
  if (symbol.kind != FunctionDecoder::Symbol::Kind::vreg) {
    syntax(quoted(operand.name) + " is not a register");
  }
  return symbol.vreg;
}

namespace {
int bytes_of(const FunctionDecoder& decoder, std::uint32_t vreg) {
  return decoder.vreg(vreg).bytes();
}
}  // namespace

void Build::destination(int field, const Operand& operand, int bytes) {
  const std::uint32_t number = vreg(operand);
  if (operand.negated || bytes_of(decoder, number) != bytes) {
    syntax("the destination " + quoted(operand.name) + " does not have the instruction's type");
  }
  decoder.refer(field, number, true);
}

bool Build::immediate(const Operand& operand, Type type, std::uint64_t& bits) const {
  const auto raw = static_cast<std::uint64_t>(operand.value);
  switch (operand.kind) {
    case Operand::Kind::integer:
      if (type == Type::f32 || type == Type::f64) syntax("an integer where a floating-point value is expected");
      bits = raw;
      return true;
    case Operand::Kind::real32:
      if (size_of(type) != 4) syntax("a 32-bit floating-point literal for another type");
      bits = raw;
      return true;
    case Operand::Kind::real64:
      if (size_of(type) == 8) {
        bits = raw;
      } else if (type == Type::f32) {
        bits = std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(raw)));
      } else {
        syntax("a floating-point literal for an integer type");
      }
      return true;
    case Operand::Kind::name:
      if (operand.name != "WARP_SZ") return false;
      bits = kLanes;
      return true;
    default:
      return false;
  }
}

std::int64_t Build::integer(const Operand& operand) const {
  std::uint64_t bits = 0;
  if (!immediate(operand, Type::b64, bits)) syntax("a constant is expected");
  return static_cast<std::int64_t>(bits);
}

void Build::constant(int field, std::uint64_t value, int bytes) {
  in().operand[static_cast<std::size_t>(field)] = decoder.context().constants.row(value, bytes);
}

void Build::source(int field, const Operand& operand, Type type) {
  std::uint64_t bits = 0;
  if (operand.negated) syntax("'!' in front of a value");
  if (type != Type::pred && immediate(operand, type, bits)) return constant(field, bits, size_of(type));
  const std::uint32_t number = vreg(operand);
  if (bytes_of(decoder, number) != size_of(type)) {
    syntax("the register " + quoted(operand.name) + " does not have the instruction's type");
  }
  decoder.refer(field, number, false);
}

int Build::wide_source(int field, const Operand& operand, Type type) {
  std::uint64_t bits = 0;
  if (immediate(operand, type, bits)) {
    const int bytes = std::max(size_of(type), 2);
    constant(field, bits, bytes);
    return bytes;
  }
  const std::uint32_t number = vreg(operand);
  const int bytes = bytes_of(decoder, number);
  if (bytes < std::max(size_of(type), 2) || bytes > 8)
    syntax("the register " + quoted(operand.name) + " is too narrow");
  decoder.refer(field, number, false);
  return bytes;
}

int Build::wide_destination(int field, const Operand& operand, Type type) {
  const std::uint32_t number = vreg(operand);
  const int bytes = bytes_of(decoder, number);
  if (bytes < std::max(size_of(type), 2) || bytes > 8)
    syntax("the register " + quoted(operand.name) + " is too narrow");
  decoder.refer(field, number, true);
  return bytes;
}

bool Build::predicate(int field, const Operand& operand) {
  if (operand.kind == Operand::Kind::integer) {
    constant(field, operand.value != 0 ? ~0u : 0u, 0);
    return operand.negated;
  }
  const std::uint32_t number = vreg(operand);
  if (decoder.vreg(number).type != Type::pred) syntax(quoted(operand.name) + " is not a predicate");
  decoder.refer(field, number, false);
  return operand.negated;
}

void Build::list_destination(const Operand& operand, int bytes) {
  auto& list = decoder.draft().list;
  list.push_back(0);
  destination(kList + static_cast<int>(list.size()) - 1, operand, bytes);
}

void Build::list_source(const Operand& operand, Type type) {
  auto& list = decoder.draft().list;
  list.push_back(0);
  std::uint64_t bits = 0;
  if (immediate(operand, type, bits)) {
    list.back() = decoder.context().constants.row(bits, size_of(type));
    return;
  }
  const std::uint32_t number = vreg(operand);
  if (operand.negated || bytes_of(decoder, number) != size_of(type)) {
    syntax("the register " + quoted(operand.name) + " does not have the instruction's type");
  }
  decoder.refer(kList + static_cast<int>(list.size()) - 1, number, false);
}

void Build::list_accumulator(const Operand& operand, int bytes) {
  list_destination(operand, bytes);
  decoder.refer(kList + static_cast<int>(decoder.draft().list.size()) - 1, vreg(operand), false);
}

std::uint64_t Build::variable_address(const Variable& variable, Space& space) {
  space = variable.space;
  switch (variable.space) {
    case Space::global:
    case Space::constant: {
      const auto& globals = *decoder.context().globals;
      const auto found = globals.find(variable.name);
      if (found == globals.end()) syntax(quoted(variable.name) + " has no address");
      return found->second;
    }
    case Space::shared:
      return decoder.shared_offset(variable);
    case Space::parameter:
      if (decoder.entry()) {
        for (const Variable& parameter : decoder.function().parameters) {
          if (&parameter == &variable) return decoder.parameter_offset(variable);
        }
      }
      space = Space::local;
      return decoder.frame_offset(variable);
    case Space::local:
      return decoder.frame_offset(variable);
    case Space::generic:
      break;
  }
  syntax("a variable without a space");
}

void Build::address(int field, const Operand& operand, Space& space) {
  constexpr std::uint8_t kWide = 1, kFixed = 2;
  if (operand.kind != Operand::Kind::address || !operand.elements.empty()) syntax("an address is expected");
  in().immediate = operand.value;
  if (operand.name.empty()) {
    in().flags |= kFixed;
    return;
  }
  const auto symbol = decoder.find(operand.name, statement.scope);
  if (symbol.kind == FunctionDecoder::Symbol::Kind::vreg) {
    const int bytes = bytes_of(decoder, symbol.vreg);
    if (bytes != 4 && bytes != 8) syntax("an address must have 32 or 64 bits");
    if (bytes == 8) in().flags |= kWide;
    decoder.refer(field, symbol.vreg, false);
    return;
  }
  if (symbol.kind != FunctionDecoder::Symbol::Kind::variable) {
    syntax(quoted(operand.name) + " is neither a register nor a variable");
  }
  Space variable_space = Space::generic;
  const std::uint64_t base = variable_address(*symbol.variable, variable_space);
  const bool as_local = space == Space::parameter && variable_space == Space::local;
  if (space == Space::generic) {
    if (variable_space == Space::local) unsupported("a generic access that names a local variable");
    in().immediate += static_cast<std::int64_t>(variable_space == Space::shared      ? kSharedWindow
                                                : variable_space == Space::parameter ? kParameterWindow
                                                                                     : 0);
  } else if (space != variable_space && !as_local) {
    syntax(quoted(operand.name) + " lies in another space");
  }
  if (as_local) space = Space::local;
  in().immediate = static_cast<std::int64_t>(static_cast<std::uint64_t>(in().immediate) + base);
  in().flags |= kFixed;
}

}  // namespace emulator::ptx
