// Builds the instructions of a whole warp: exchanges, votes, matrices.
#include <utility>

#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

constexpr int kMembers = 4;

/// d, or d|p with p in operand 5; either may be the sink.
void exchange_destination(Build& b, int bytes) {
  const Operand& d = b.operand(0);
  const Operand& value = d.kind == Operand::Kind::pair ? d.elements[0] : d;
  if (b.is_sink(value)) {
    b.in().flags |= 2;
  } else {
    b.destination(0, value, bytes);
  }
  if (d.kind == Operand::Kind::pair && !b.is_sink(d.elements[1])) {
    b.destination(5, d.elements[1], 0);
    b.in().flags |= 1;
  }
}

/// The registers of a matrix fragment, `count` of them.
void fragment(Build& b, const Operand& operand, std::size_t count, Type type, bool write) {
  const std::size_t elements = operand.kind == Operand::Kind::vector ? operand.elements.size() : 1;
  if (elements != count) b.syntax("a matrix fragment with a wrong number of registers");
  for (std::size_t k = 0; k < count; ++k) {
    const Operand& each = operand.kind == Operand::Kind::vector ? operand.elements[k] : operand;
    if (write) {
      b.list_destination(each, size_of(type));
    } else {
      b.list_source(each, type);
    }
  }
}

struct Shape {
  std::string_view name;
  MatrixShape shape;
  unsigned m, k;
};
constexpr Shape kShapes[] = {
    {"m16n8k16", MatrixShape::m16n8k16, 16, 16}, {"m16n8k8", MatrixShape::m16n8k8, 16, 8},
    {"m16n8k4", MatrixShape::m16n8k4, 16, 4},    {"m8n8k4", MatrixShape::m8n8k4, 8, 4},
    {"m16n8k32", MatrixShape::m16n8k32, 16, 32}, {"m8n8k16", MatrixShape::m8n8k16, 8, 16},
};

/// Bytes that one lane holds of `elements` matrix elements, and the registers that makes.
std::size_t registers(unsigned elements, Type type) {
  const unsigned bytes = elements / kLanes * static_cast<unsigned>(type == Type::tf32 ? 4 : size_of(type));
  return type == Type::f64 ? bytes / 8 : bytes / 4;
}

Type register_type(Type type) {
  return type == Type::f64 ? Type::f64 : type == Type::f32 ? Type::f32 : Type::b32;
}

void matrix_access(Build& b, const Operand& data, const Operand& where, bool write_registers) {
  if (!b.has("count")) b.syntax("a matrix access that does not say how many matrices");
  const auto count = static_cast<std::size_t>(b.word("count")[1] - '0');
  Space space = b.has("space") ? Space::shared : Space::generic;
  b.address(1, where, space);
  fragment(b, data, count, Type::b32, write_registers);
  b.in().count = static_cast<std::uint8_t>(count);
  b.in().size = static_cast<std::uint8_t>(space);
  b.in().mode = b.has("trans") ? 1 : 0;
  b.note().space = Space::shared;
  b.note().matrix = true;
  b.note().bytes = static_cast<std::uint16_t>(4 * count);
}

}  // namespace

void shuffle(Build& b) {
  static constexpr std::pair<std::string_view, ShuffleMode> modes[] = {
      {"up", ShuffleMode::up}, {"down", ShuffleMode::down}, {"bfly", ShuffleMode::bfly}, {"idx", ShuffleMode::idx}};
  b.expect_operands(5);
  b.family("shfl.sync");
  b.note().exchange = true;
  exchange_destination(b, 4);
  for (int k = 1; k <= 3; ++k) b.source(k, b.operand(static_cast<std::size_t>(k)), Type::b32);
  b.source(kMembers, b.operand(4), Type::b32);
  for (const auto& [name, mode] : modes) {
    if (name != b.word("mode")) continue;
    b.flow(Flow::shuffle, static_cast<int>(mode), Type::b32);
    b.handler(lanes().shuffle(mode));
  }
}

void vote(Build& b) {
  static constexpr std::pair<std::string_view, VoteMode> modes[] = {
      {"all", VoteMode::all}, {"any", VoteMode::any}, {"uni", VoteMode::uni}, {"ballot", VoteMode::ballot}};
  b.expect_operands(3);
  b.family("vote.sync");
  b.note().exchange = true;
  b.destination(0, b.operand(0), b.operation == 1 ? 4 : 0);
  b.in().mode = b.predicate(1, b.operand(1)) ? 1 : 0;
  b.source(kMembers, b.operand(2), Type::b32);
  for (const auto& [name, mode] : modes) {
    if (name != b.word("mode")) continue;
    b.flow(Flow::vote, static_cast<int>(mode));
    b.handler(lanes().vote(mode));
  }
}

void match(Build& b) {
  b.expect_operands(3);
  b.family("match.sync");
  b.note().exchange = true;
  exchange_destination(b, 4);
  b.source(1, b.operand(1), b.type());
  b.source(kMembers, b.operand(2), Type::b32);
  const MatchMode mode = b.word("mode") == "any" ? MatchMode::any : MatchMode::all;
  b.flow(Flow::match, static_cast<int>(mode), b.type());
  b.handler(lanes().match(mode, size_of(b.type())));
}

void reduce(Build& b) {
  static constexpr std::pair<std::string_view, ReduceOp> ops[] = {{"add", ReduceOp::add},   {"min", ReduceOp::min},
                                                                  {"max", ReduceOp::max},   {"and", ReduceOp::bit_and},
                                                                  {"or", ReduceOp::bit_or}, {"xor", ReduceOp::bit_xor}};
  b.expect_operands(3);
  b.family("redux.sync");
  b.note().exchange = true;
  b.destination(0, b.operand(0), 4);
  b.source(1, b.operand(1), Type::b32);
  b.source(kMembers, b.operand(2), Type::b32);
  for (const auto& [name, op] : ops) {
    if (name != b.word("op")) continue;
    b.flow(Flow::reduce, static_cast<int>(op), Type::b32);
    b.handler(lanes().reduce(op, b.type()));
  }
}

void elect(Build& b) {
  b.expect_operands(2);
  b.family("elect.sync");
  exchange_destination(b, 4);
  b.source(kMembers, b.operand(1), Type::b32);
  b.flow(Flow::elect);
  b.handler(lanes().elect);
}

void active_mask(Build& b) {
  b.expect_operands(1);
  b.destination(0, b.operand(0), 4);
  b.handler(control::active_mask);
}

void matrix_multiply(Build& b) {
  const Shape* shape = nullptr;
  for (const Shape& each : kShapes) {
    if (each.name == b.word("shape")) shape = &each;
  }
  const Type d = b.type("d"), a = b.type("a"), bt = b.type("b"), c = b.type("c");
  b.expect_operands(4);
  b.family("mma.sync");
  const Handler handler = lanes().matrix(shape->shape, d, a, bt, c);
  b.handler(handler);
  fragment(b, b.operand(0), registers(shape->m * 8, d), register_type(d), true);
  fragment(b, b.operand(1), registers(shape->m * shape->k, a), register_type(a), false);
  fragment(b, b.operand(2), registers(shape->k * 8, bt), register_type(bt), false);
  fragment(b, b.operand(3), registers(shape->m * 8, c), register_type(c), false);
  b.in().flags = b.has("satfinite") ? kFinite : 0;
  b.note().warp_flops = 2 * shape->m * 8 * shape->k;
  b.flow(Flow::matrix_multiply, static_cast<int>(shape->shape), a == Type::tf32 ? Type::b32 : a);
  b.note().flow.data =
      static_cast<std::uint8_t>((d == Type::f16 ? kHalfResult : 0) | (c == Type::f16 ? kHalfAddend : 0));
}

void load_matrix(Build& b) {
  b.expect_operands(2);
  matrix_access(b, b.operand(0), b.operand(1), true);
  b.note().traffic = InstructionNote::Traffic::load;
  b.flow(Flow::matrix_load);
  b.handler(lanes().ldmatrix);
}

void store_matrix(Build& b) {
  b.expect_operands(2);
  matrix_access(b, b.operand(1), b.operand(0), false);
  b.note().traffic = InstructionNote::Traffic::store;
  b.flow(Flow::matrix_store);
  b.handler(lanes().stmatrix);
}

void move_matrix(Build& b) {
  b.expect_operands(2);
  b.destination(0, b.operand(0), 4);
  b.source(1, b.operand(1), Type::b32);
  b.flow(Flow::matrix_move);
  b.handler(lanes().movmatrix);
}

}  // namespace emulator::ptx::build
