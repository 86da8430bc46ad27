// Builds integer, floating-point and half precision arithmetic, logic and shifts.
#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

IntegerOp integer_op(const Build& b) {
  return static_cast<IntegerOp>(b.operation);
}
constexpr unsigned operand_bit(unsigned k) {
  return 1u << k;
}
FloatOp float_op(const Build& b) {
  return static_cast<FloatOp>(b.operation);
}

void sources(Build& b, std::size_t count, Type type) {
  b.expect_operands(count + 1);
  b.destination(0, b.operand(0), size_of(type));
  for (std::size_t k = 1; k <= count; ++k) b.source(static_cast<int>(k), b.operand(k), type);
}

Rounding rounding_of(std::string_view word) {
  if (word == "rz" || word == "rzi") return Rounding::zero;
  if (word == "rm" || word == "rmi") return Rounding::down;
  if (word == "rp" || word == "rpi") return Rounding::up;
  return Rounding::nearest_even;
}

std::uint8_t float_flags(const Build& b) {
  std::uint8_t flags = 0;
  if (b.has("ftz")) flags |= kFlushSubnormals;
  if (b.has("sat")) flags |= kSaturate;
  if (b.has("NaN")) flags |= kPropagateNan;
  if (b.has("xorsign")) flags |= kXorSign;
  if (b.has("relu")) flags |= kRelu;
  return flags;
}

void floating(Build& b, FloatOp op, std::size_t count) {
  const Type type = b.type();
  const Rounding rounding = rounding_of(b.word("round"));
  sources(b, count, type);
  b.in().flags = float_flags(b);
  b.in().mode = static_cast<std::uint8_t>(rounding);
  b.handler(lanes().floating(op, type, rounding, b.in().flags));
}

void approximate(Build& b, FloatOp op, std::size_t count) {
  sources(b, count, b.type());
  b.in().flags = float_flags(b);
  b.handler(lanes().approximate(op, b.type(), b.word("round") == "full", b.in().flags));
}

void halves(Build& b, FloatOp op, std::size_t count) {
  const Type type = b.type();
  const bool packed = size_of(type) == 4;
  sources(b, count, packed ? Type::b32 : Type::b16);
  b.in().flags = static_cast<std::uint8_t>(float_flags(b) | (packed ? kPacked : 0));
  b.flow(packed ? Flow::halves : Flow::whole);
  b.handler(lanes().half(op, type));
}

}  // namespace

void integer_unary(Build& b) {
  sources(b, 1, b.type());
  if (integer_op(b) == IntegerOp::brev) {
    b.moves(operand_bit(1));
  } else {
    b.flow(Flow::integer, b.operation, b.type());
  }
  b.handler(lanes().integer(integer_op(b), b.type()));
}

void integer_binary(Build& b) {
  const bool packed = b.type() == Type::u16x2 || b.type() == Type::s16x2;
  sources(b, 2, b.type());
  b.flow(packed ? Flow::halves : Flow::integer, b.operation, b.type());
  b.handler(lanes().integer(integer_op(b), b.type()));
}

void integer_ternary(Build& b) {
  sources(b, 3, b.type());
  b.handler(lanes().integer(integer_op(b), b.type()));
}

void integer_saturating(Build& b) {
  sources(b, integer_op(b) == IntegerOp::mad_hi ? 3 : 2, Type::s32);
  b.handler(lanes().saturating(integer_op(b)));
}

void multiply(Build& b) {
  const bool mad = b.operation == 1;
  const Type type = b.type();
  const std::string_view half = b.word("half");
  b.expect_operands(mad ? 4 : 3);
  const bool wide = half == "wide";
  if (wide && size_of(type) == 8) b.unsupported("there is no wide product of 64-bit values");
  const Type result = !wide ? type : size_of(type) == 2 ? Type::b32 : Type::b64;
  b.destination(0, b.operand(0), size_of(result));
  b.source(1, b.operand(1), type);
  b.source(2, b.operand(2), type);
  if (mad) b.source(3, b.operand(3), result);
  const IntegerOp op = wide           ? (mad ? IntegerOp::mad_wide : IntegerOp::mul_wide)
                       : half == "lo" ? (mad ? IntegerOp::mad_lo : IntegerOp::mul_lo)
                                      : (mad ? IntegerOp::mad_hi : IntegerOp::mul_hi);
  b.flow(Flow::integer, static_cast<int>(op), type);
  b.handler(lanes().integer(op, type));
}

void multiply_24(Build& b) {
  const bool mad = b.operation == 1;
  const bool low = b.word("half") == "lo";
  sources(b, mad ? 3 : 2, b.type());
  b.handler(lanes().integer(
      mad ? (low ? IntegerOp::mad24_lo : IntegerOp::mad24_hi) : (low ? IntegerOp::mul24_lo : IntegerOp::mul24_hi),
      b.type()));
}

void shift(Build& b) {
  const Type type = b.type();
  b.expect_operands(3);
  b.destination(0, b.operand(0), size_of(type));
  b.source(1, b.operand(1), type);
  b.source(2, b.operand(2), Type::u32);
  b.moves(operand_bit(1), operand_bit(2));
  b.handler(lanes().integer(integer_op(b), type));
}

void count_bits(Build& b) {
  b.expect_operands(2);
  b.destination(0, b.operand(0), 4);
  b.source(1, b.operand(1), b.type());
  b.handler(lanes().integer(integer_op(b), b.type()));
}

void find_bit(Build& b) {
  b.expect_operands(2);
  b.destination(0, b.operand(0), 4);
  b.source(1, b.operand(1), b.type());
  b.handler(lanes().integer(b.has("shiftamt") ? IntegerOp::bfind_shift : IntegerOp::bfind, b.type()));
}

void bit_field_extract(Build& b) {
  const Type type = b.type();
  b.expect_operands(4);
  b.destination(0, b.operand(0), size_of(type));
  b.source(1, b.operand(1), type);
  b.source(2, b.operand(2), Type::u32);
  b.source(3, b.operand(3), Type::u32);
  b.moves(operand_bit(1), operand_bit(2) | operand_bit(3));
  b.handler(lanes().integer(IntegerOp::bfe, type));
}

void bit_field_insert(Build& b) {
  const Type type = b.type();
  b.expect_operands(5);
  b.destination(0, b.operand(0), size_of(type));
  b.source(1, b.operand(1), type);
  b.source(2, b.operand(2), type);
  b.source(3, b.operand(3), Type::u32);
  b.source(4, b.operand(4), Type::u32);
  b.moves(operand_bit(1) | operand_bit(2), operand_bit(3) | operand_bit(4));
  b.handler(lanes().integer(IntegerOp::bfi, type));
}

void bit_mask(Build& b) {
  sources(b, 2, Type::b32);
  b.in().mode = b.word("mode") == "clamp" ? 1 : 0;
  if (integer_op(b) == IntegerOp::szext) b.moves(operand_bit(1), operand_bit(2));
  b.handler(lanes().integer(integer_op(b), b.type()));
}

void funnel_shift(Build& b) {
  sources(b, 3, Type::b32);
  b.in().mode = b.word("mode") == "clamp" ? 1 : 0;
  b.moves(operand_bit(1) | operand_bit(2), operand_bit(3));
  b.handler(lanes().integer(b.word("side") == "l" ? IntegerOp::shf_l : IntegerOp::shf_r, Type::b32));
}

void lookup(Build& b) {
  b.expect_operands(5);
  b.destination(0, b.operand(0), 4);
  for (int k = 1; k <= 3; ++k) b.source(k, b.operand(static_cast<std::size_t>(k)), Type::b32);
  b.in().mode = static_cast<std::uint8_t>(b.integer(b.operand(4)));
  b.flow(Flow::integer, static_cast<int>(IntegerOp::lop3), Type::b32);
  b.handler(lanes().integer(IntegerOp::lop3, Type::b32));
}

void permute(Build& b) {
  static constexpr std::string_view modes[] = {"", "f4e", "b4e", "rc8", "ecl", "ecr", "rc16"};
  sources(b, 3, Type::b32);
  for (std::uint8_t k = 0; k < 7; ++k) {
    if (modes[k] == b.word("mode")) b.in().mode = k;
  }
  b.moves(operand_bit(1) | operand_bit(2), operand_bit(3));
  b.handler(lanes().integer(IntegerOp::prmt, Type::b32));
}

void find_nth_set(Build& b) {
  sources(b, 3, Type::b32);
  b.handler(lanes().integer(IntegerOp::fns, Type::b32));
}

void dot_product(Build& b) {
  sources(b, 3, Type::b32);
  b.in().mode = static_cast<std::uint8_t>((b.word("atype") == "s32" ? 1 : 0) | (b.word("btype") == "s32" ? 2 : 0) |
                                          (b.word("half") == "hi" ? 4 : 0));
  b.handler(lanes().integer(integer_op(b), Type::b32));
}

/// The carry is a hidden predicate of the function. mode: bit 0 reads it, bit 1 writes it, bit 2: signed.
void carry(Build& b) {
  const IntegerOp op = integer_op(b);
  const bool product = op == IntegerOp::mad_lo_cc || op == IntegerOp::madc_lo;
  const bool reads = op == IntegerOp::addc || op == IntegerOp::subc || op == IntegerOp::madc_lo;
  const bool writes = b.has("cc");
  const Type type = b.type();
  sources(b, product ? 3 : 2, type);
  const std::uint32_t hidden = b.decoder.hidden_carry();
  if (reads) b.decoder.refer(4, hidden, false);
  if (writes || !reads) b.decoder.refer(4, hidden, true);
  b.in().mode = static_cast<std::uint8_t>((reads ? 1 : 0) | (writes ? 2 : 0) | (is_signed(type) ? 4 : 0));
  const Type bits = size_of(type) == 4 ? Type::b32 : Type::b64;
  const IntegerOp which = product ? (b.word("half") == "lo" ? IntegerOp::mad_lo_cc : IntegerOp::mad_hi_cc)
                          : op == IntegerOp::sub_cc || op == IntegerOp::subc ? IntegerOp::sub_cc
                                                                             : IntegerOp::add_cc;
  b.handler(lanes().integer(which, bits));
}

void predicate_logic(Build& b) {
  const bool unary = integer_op(b) == IntegerOp::bit_not;
  b.expect_operands(unary ? 2 : 3);
  b.destination(0, b.operand(0), 0);
  bool negated = b.predicate(1, b.operand(1));
  b.in().mode = negated ? 1 : 0;
  if (!unary) {
    negated = b.predicate(2, b.operand(2));
    b.in().mode = static_cast<std::uint8_t>(b.in().mode | (negated ? 2 : 0));
  }
  b.flow(Flow::predicate, b.operation);
  b.handler(lanes().predicate(integer_op(b)));
}

void float_unary(Build& b) {
  floating(b, float_op(b), 1);
}
void float_binary(Build& b) {
  floating(b, float_op(b), 2);
}
void float_approximate(Build& b) {
  approximate(b, float_op(b), float_op(b) == FloatOp::div ? 2 : 1);
}
void float_fma(Build& b) {
  floating(b, FloatOp::fma, 3);
}

void float_min_max(Build& b) {
  const bool three = b.operands() == 4;
  floating(b, float_op(b), three ? 3 : 2);
  b.in().count = three ? 3 : 2;
}

void float_test(Build& b) {
  static constexpr std::string_view names[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
  b.expect_operands(2);
  b.destination(0, b.operand(0), 0);
  b.source(1, b.operand(1), b.type());
  for (std::uint8_t k = 0; k < 6; ++k) {
    if (names[k] == b.word("property")) b.in().mode = k;
  }
  b.handler(lanes().floating(FloatOp::testp, b.type(), Rounding::nearest_even, 0));
}

void half_unary(Build& b) {
  halves(b, float_op(b), 1);
}
void half_binary(Build& b) {
  halves(b, float_op(b), 2);
}
void half_fma(Build& b) {
  halves(b, FloatOp::fma, 3);
}

}  // namespace emulator::ptx::build
