// Builds comparisons and selections (PTX ISA 9.7.6, 9.7.7).
#include <array>
#include <utility>

#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

Comparison comparison_of(std::string_view word) {
  static constexpr std::array<std::pair<std::string_view, Comparison>, 18> names{{
      {"eq", Comparison::eq},
      {"ne", Comparison::ne},
      {"lt", Comparison::lt},
      {"le", Comparison::le},
      {"gt", Comparison::gt},
      {"ge", Comparison::ge},
      {"lo", Comparison::lt},
      {"ls", Comparison::le},
      {"hi", Comparison::gt},
      {"hs", Comparison::ge},
      {"equ", Comparison::equ},
      {"neu", Comparison::neu},
      {"ltu", Comparison::ltu},
      {"leu", Comparison::leu},
      {"gtu", Comparison::gtu},
      {"geu", Comparison::geu},
      {"num", Comparison::num},
      {"nan", Comparison::nan},
  }};
  for (const auto& [name, value] : names) {
    if (name == word) return value;
  }
  return Comparison::eq;
}

/// p, or p|q.
void compare_destinations(Build& b) {
  const Operand& d = b.operand(0);
  const auto one = [&](const Operand& each, int field, unsigned flag) {
    if (b.is_sink(each)) return;
    b.destination(field, each, 0);
    b.in().mode = static_cast<std::uint8_t>(b.in().mode | flag);
  };
  if (d.kind == Operand::Kind::pair) {
    one(d.elements[0], 0, 16);
    one(d.elements[1], 1, 8);
  } else {
    one(d, 0, 16);
  }
}

void compare_sources(Build& b, Type type) {
  const bool combines = b.has("combine");
  b.expect_operands(combines ? 4 : 3);
  const Type word = type == Type::f16 || type == Type::bf16       ? Type::b16
                    : type == Type::f16x2 || type == Type::bf16x2 ? Type::b32
                                                                  : type;
  b.source(2, b.operand(1), word);
  b.source(3, b.operand(2), word);
  if (combines) {
    const bool negated = b.predicate(4, b.operand(3));
    const std::string_view how = b.word("combine");
    b.in().mode = static_cast<std::uint8_t>(b.in().mode | (how == "and" ? 1 : how == "or" ? 2 : 3) | (negated ? 4 : 0));
  }
  b.in().flags = b.has("ftz") ? kFlushSubnormals : 0;
}

void compare_flow(Build& b, Type type) {
  const bool packed = type == Type::f16x2 || type == Type::bf16x2;
  b.flow(Flow::compare, static_cast<int>(comparison_of(b.word("cmp"))), is_float(type) || packed ? Type::none : type);
  b.note().flow.data = packed ? kPairedHalves : 0;
}

/// What set writes where the comparison holds; of packed halves, into each half (PTX ISA 9.7.6.1, 9.7.7.1).
std::uint64_t true_value(std::string_view dtype, bool packed) {
  if (dtype == "f32") return 0x3F800000u;
  if (dtype.starts_with("f16")) return 0x3C00u;
  if (dtype.starts_with("bf16")) return 0x3F80u;
  return packed || dtype == "u16" || dtype == "s16" ? 0xFFFFu : 0xFFFFFFFFu;
}

/// The next instruction: predicate ? value : 0. Its destination is the caller's to name.
void select_constant(Build& b, std::uint32_t predicate, std::uint64_t value, int bytes) {
  b.decoder.begin_draft(b.statement);
  b.family("set");
  b.constant(1, value, bytes);
  b.constant(2, 0, bytes);
  b.decoder.refer(3, predicate, false);
  b.flow(Flow::select, 0, bytes == 2 ? Type::b16 : Type::b32);
  b.handler(lanes().select(bytes == 2 ? Type::b16 : Type::b32));
}

}  // namespace

void compare(Build& b) {
  const Type type = b.type();
  const bool integral = !is_float(type) && type != Type::f16x2 && type != Type::bf16x2;
  const std::string_view word = b.word("cmp");
  const bool for_unsigned = word == "lo" || word == "ls" || word == "hi" || word == "hs";
  if (for_unsigned && (!integral || is_signed(type))) b.syntax("lo, ls, hi and hs compare unsigned values");
  compare_destinations(b);
  compare_sources(b, type);
  compare_flow(b, type);
  b.handler(lanes().compare(type, comparison_of(word)));
}

/// Compares into hidden predicates, one for each half of packed operands, then selects between the two results.
void set(Build& b) {
  const Type type = b.type();
  const bool packed = type == Type::f16x2 || type == Type::bf16x2;
  const std::string_view dtype = b.word("dtype");
  const std::uint64_t value = true_value(dtype, packed);
  const std::uint32_t low = b.decoder.temporary(Type::pred), high = packed ? b.decoder.temporary(Type::pred) : low;
  b.in().mode = packed ? 16 | 8 : 16;
  b.decoder.refer(0, low, true);
  if (packed) b.decoder.refer(1, high, true);
  compare_sources(b, type);
  compare_flow(b, type);
  b.handler(lanes().compare(type, comparison_of(b.word("cmp"))));
  if (!packed) {
    const int bytes = dtype == "f16" || dtype == "bf16" || dtype == "u16" || dtype == "s16" ? 2 : 4;
    select_constant(b, low, value, bytes);
    b.destination(0, b.operand(0), bytes);
    return;
  }
  const std::uint32_t halves[] = {b.decoder.temporary(Type::b32), b.decoder.temporary(Type::b32)};
  select_constant(b, low, value, 4);
  b.decoder.refer(0, halves[0], true);
  select_constant(b, high, value << 16, 4);
  b.decoder.refer(0, halves[1], true);
  b.decoder.begin_draft(b.statement);
  b.family("set");
  b.destination(0, b.operand(0), 4);
  b.decoder.refer(1, halves[0], false);
  b.decoder.refer(2, halves[1], false);
  b.flow(Flow::integer, static_cast<int>(IntegerOp::bit_or), Type::b32);
  b.handler(lanes().integer(IntegerOp::bit_or, Type::b32));
}

void select(Build& b) {
  const Type type = b.type();
  b.expect_operands(4);
  b.destination(0, b.operand(0), size_of(type));
  b.source(1, b.operand(1), type);
  b.source(2, b.operand(2), type);
  b.in().mode = b.predicate(3, b.operand(3)) ? 1 : 0;
  b.flow(Flow::select, 0, type);
  b.handler(lanes().select(type));
}

void select_sign(Build& b) {
  const Type type = b.type();
  b.expect_operands(4);
  b.destination(0, b.operand(0), size_of(type));
  b.source(1, b.operand(1), type);
  b.source(2, b.operand(2), type);
  b.source(3, b.operand(3), b.type("ctype"));
  b.flow(Flow::select_sign, 0, type);
  b.note().flow.data = is_float(b.type("ctype")) ? kFloatSelector : 0;
  b.handler(lanes().slct(type, b.type("ctype")));
}

}  // namespace emulator::ptx::build
