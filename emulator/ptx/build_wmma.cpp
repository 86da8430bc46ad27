// Builds wmma (PTX ISA 9.7.14.4) from ordinary loads, stores and mma. Where a fragment's elements lie in its registers
// is for the device to choose: here they lie as mma wants them.
#include <fmt/format.h>

#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

enum class Role { a, b, c };

/// A matrix as fragments of mma: registers of 4 bytes (f64: 8), each with `parts` neighbours.
struct Fragments {
  Role role = Role::a;
  bool by_rows = true;     ///< neighbours in a row are neighbours in memory
  unsigned count = 1;      ///< fragments
  unsigned registers = 1;  ///< of each
  unsigned parts = 1;      ///< elements in a register
  unsigned bytes = 4;      ///< of an element in memory
  unsigned leading = 16;   ///< distance of lines when none is given
};

struct Shape {
  unsigned m, n, k;
};

Shape shape_of(std::string_view word) {
  if (word == "m16n16k16") return {16, 16, 16};
  if (word == "m16n16k8") return {16, 16, 8};
  if (word == "m32n8k16") return {32, 8, 16};
  if (word == "m8n32k16") return {8, 32, 16};
  return {8, 8, 4};
}

/// m8n32k16 is m32n8k16 of the transposed matrices in the other order.
bool transposed(const Shape& shape) {
  return shape.m == 8 && shape.n == 32;
}

unsigned element_bytes(Type type) {
  return static_cast<unsigned>(type == Type::tf32 ? 4 : size_of(type));
}

Fragments fragments(Build& b, char matrix, Type type) {
  const Shape shape = shape_of(b.word("shape"));
  const bool swapped = transposed(shape);
  Fragments result;
  result.role = matrix == 'a' ? Role::a : matrix == 'b' ? Role::b : Role::c;
  result.by_rows = b.word("layout") == "row";
  result.bytes = element_bytes(type);
  result.parts = result.bytes >= 4 ? 1 : 4 / result.bytes;
  const unsigned rows = matrix == 'b' ? shape.k : shape.m, columns = matrix == 'a' ? shape.k : shape.n;
  result.leading = result.by_rows ? columns : rows;
  if (swapped) {
    result.by_rows = !result.by_rows;
    result.role = matrix == 'a' ? Role::b : matrix == 'b' ? Role::a : Role::c;
  }
  const unsigned elements = rows * columns / kLanes;
  const bool stacked = shape.m + shape.n == 40;  // two fragments one below the other
  const unsigned both = shape.m == 8 && shape.n == 8 ? 1 : 2;
  result.count = result.role == Role::c ? both : result.role == Role::a ? (stacked ? both : 1) : (stacked ? 1 : both);
  result.registers = elements / result.parts / result.count;
  return result;
}

struct Position {
  unsigned row, column;
};

/// Row and column of the first part of a register for lane 0; lane 4 g + t lies further by what lane_text() says.
Position position(const Fragments& f, bool stacked, bool small, unsigned fragment, unsigned index) {
  const unsigned p = f.parts;
  switch (f.role) {
    case Role::a: {
      const unsigned halves = small ? 1 : 2;
      return {8 * (index % halves) + 16 * fragment, index / halves * 4 * p};
    }
    case Role::b:
      return {index * 4 * p, 8 * fragment};
    default:
      break;
  }
  const unsigned per_row = p == 1 ? 2 : 1;  // registers that hold columns 2t and 2t + 1
  return {8 * (index / per_row) + (stacked ? 16 * fragment : 0), index % per_row + (stacked ? 0 : 8 * fragment)};
}

/// Computes $a, the address of the lane's element of row 0, column 0, and $s, the bytes between lines.
std::string lane_text(Build& b, const Fragments& f, std::size_t where, std::size_t stride) {
  const Operand& address = b.operand(where);
  const auto symbol = b.decoder.find(address.name, b.statement.scope);
  const bool narrow = symbol.kind == FunctionDecoder::Symbol::Kind::vreg && b.decoder.vreg(symbol.vreg).bytes() == 4;
  std::string text =
      ".reg .b32 $l, $g, $t, $s, $o, $w; .reg .b64 $a, $r, $d; .reg .b16 $h, $i;\nmov.u32 $l, %laneid;\n"
      "shr.u32 $g, $l, 2;\nand.b32 $t, $l, 3;\n";
  text += narrow ? fmt::format("cvt.u64.u32 $a, ${};\n", where) : fmt::format("mov.u64 $a, ${};\n", where);
  text += stride < b.operands() ? fmt::format("mul.lo.u32 $s, ${}, {};\n", stride, f.bytes)
                                : fmt::format("mov.u32 $s, {};\n", f.leading * f.bytes);
  const unsigned across = f.role == Role::c ? 2 : f.parts;
  const char* line_lane = (f.role == Role::b) == f.by_rows ? "$t" : "$g";  // which part of the lane counts lines
  const char* other_lane = line_lane[1] == 't' ? "$g" : "$t";
  const unsigned line_steps = line_lane[1] == 't' ? across : 1, other_steps = line_lane[1] == 't' ? 1 : across;
  text += fmt::format("mul.lo.u32 $o, {}, {};\nmul.wide.u32 $d, $o, $s;\nadd.u64 $a, $a, $d;\n", line_lane, line_steps);
  text += fmt::format("mul.wide.u32 $d, {}, {};\nadd.u64 $a, $a, $d;\n", other_lane, other_steps * f.bytes);
  return text;
}

struct Place {
  bool stacked, small;
};

Place place(Build& b) {
  const Shape shape = shape_of(b.word("shape"));
  return {shape.m + shape.n == 40, shape.m == 8 && shape.n == 8};
}

/// Bytes between the elements of one register, and the address of the first in $r.
std::string register_address(const Fragments& f, const Position& at) {
  const unsigned line = f.by_rows ? at.row : at.column;
  return fmt::format("mul.wide.u32 $r, $s, {};\nadd.u64 $r, $r, $a;\n", line);
}

/// Parts are neighbours in a row of A and C, in a column of B.
bool contiguous(const Fragments& f) {
  return f.parts == 1 || (f.role == Role::b) != f.by_rows;
}

std::string access(Build& b, const char* opcode, unsigned bits) {
  std::string space(b.word("space"));
  if (!space.empty()) space.insert(0, 1, '.');
  return fmt::format("{}{}.b{}", opcode, space, bits);
}

std::string load_register(Build& b, const Fragments& f, const Position& at, unsigned number, std::int64_t offset) {
  const std::int64_t first = offset + (f.by_rows ? at.column : at.row) * f.bytes;
  std::string text = register_address(f, at);
  const std::string d = fmt::format("$0_{}", number);
  if (contiguous(f)) {
    return text + fmt::format("{} {}, [$r+{}];\n", access(b, "ld", f.parts == 1 ? 8 * f.bytes : 32), d, first);
  }
  if (f.parts == 2) {
    text += fmt::format("{} $h, [$r+{}];\nadd.u64 $r, $r, $x;\n", access(b, "ld", 16), first);
    return text + fmt::format("{} $i, [$r+{}];\nmov.b32 {}, {{$h, $i}};\n", access(b, "ld", 16), first, d);
  }
  text += "mov.b32 $w, 0;\n";
  for (unsigned p = 0; p < 4; ++p) {
    text += fmt::format("{} $o, [$r+{}];\nbfi.b32 $w, $o, $w, {}, 8;\n", access(b, "ld", 8), first, 8 * p);
    if (p < 3) text += "add.u64 $r, $r, $x;\n";
  }
  return text + fmt::format("mov.b32 {}, $w;\n", d);
}

std::string store_register(Build& b, const Fragments& f, const Position& at, unsigned number, std::int64_t offset) {
  const std::int64_t first = offset + (f.by_rows ? at.column : at.row) * f.bytes;
  std::string text = register_address(f, at);
  const std::string s = fmt::format("$1_{}", number);
  if (contiguous(f)) {
    return text + fmt::format("{} [$r+{}], {};\n", access(b, "st", f.parts == 1 ? 8 * f.bytes : 32), first, s);
  }
  text += fmt::format("mov.b32 {{$h, $i}}, {};\n{} [$r+{}], $h;\nadd.u64 $r, $r, $x;\n", s, access(b, "st", 16), first);
  return text + fmt::format("{} [$r+{}], $i;\n", access(b, "st", 16), first);
}

/// The registers of one fragment of an operand, in braces.
std::string list(std::size_t operand, unsigned fragment, unsigned registers) {
  std::string text(1, '{');
  for (unsigned r = 0; r < registers; ++r) {
    text += fmt::format("{}${}_{}", r == 0 ? "" : ", ", operand, fragment * registers + r);
  }
  return text.append(1, '}');
}

void expect_registers(Build& b, const Operand& operand, std::size_t wanted) {
  const std::size_t given = operand.kind == Operand::Kind::vector ? operand.elements.size() : 1;
  if (given != wanted) b.syntax("a matrix fragment with a wrong number of registers");
}

}  // namespace

void wmma_load(Build& b) {
  b.expect_operands(2, 3);
  const Type type = b.type();
  const char matrix = b.word("matrix")[0];
  const Fragments f = fragments(b, matrix, type);
  const unsigned needed = f.count * f.registers;
  // In f16 the operands have eight registers in every shape; what is left over repeats the others.
  const unsigned given = type == Type::f16 && matrix != 'c' ? 8 : needed;
  expect_registers(b, b.operand(0), given);
  std::string text = lane_text(b, f, 1, 2) + ".reg .b64 $x;\ncvt.u64.u32 $x, $s;\n";
  const auto [stacked, small] = place(b);
  for (unsigned r = 0; r < needed; ++r) {
    const Position at = position(f, stacked, small, r / f.registers, r % f.registers);
    text += load_register(b, f, at, r, b.operand(1).value);
  }
  for (unsigned r = needed; r < given; ++r) text += fmt::format("mov.b32 $0_{}, $0_{};\n", r, r % needed);
  b.decoder.expand(b.statement, std::move(text));
}

void wmma_store(Build& b) {
  b.expect_operands(2, 3);
  const Fragments f = fragments(b, 'd', b.type());
  const unsigned needed = f.count * f.registers;
  expect_registers(b, b.operand(1), needed);
  std::string text = lane_text(b, f, 0, 2) + ".reg .b64 $x;\ncvt.u64.u32 $x, $s;\n";
  const auto [stacked, small] = place(b);
  for (unsigned r = 0; r < needed; ++r) {
    const Position at = position(f, stacked, small, r / f.registers, r % f.registers);
    text += store_register(b, f, at, r, b.operand(0).value);
  }
  b.decoder.expand(b.statement, std::move(text));
}

void wmma_multiply(Build& b) {
  b.expect_operands(4);
  const Shape shape = shape_of(b.word("shape"));
  const std::string_view d = b.word("d"), c = b.word("c");
  const std::string_view a = b.has("a") ? b.word("a") : "f16", bt = b.has("b") ? b.word("b") : "f16";
  const bool stacked = shape.m + shape.n == 40, small = shape.m == 8 && shape.n == 8;
  const unsigned bytes = element_bytes(*type_named(a)), parts = bytes >= 4 ? 1 : 4 / bytes;
  const unsigned rows = small ? 8 : 16;
  const unsigned a_registers = rows * shape.k / kLanes / parts, b_registers = 8 * shape.k / kLanes / parts;
  const unsigned d_registers = rows * 8 / kLanes / (d == "f16" ? 2 : 1),
                 c_registers = rows * 8 / kLanes / (c == "f16" ? 2 : 1);
  const std::size_t first = transposed(shape) ? 2 : 1, second = transposed(shape) ? 1 : 2;
  const std::string_view first_type = transposed(shape) ? bt : a, second_type = transposed(shape) ? a : bt;
  std::string text;
  for (unsigned f = 0; f < (small ? 1u : 2u); ++f) {
    text += fmt::format("mma.sync.aligned.m{}n8k{}.row.col{}.{}.{}.{}.{} {}, {}, {}, {};\n", rows, shape.k,
                        b.has("satfinite") && d == "s32" ? ".satfinite" : "", d, first_type, second_type, c,
                        list(0, f, d_registers), list(first, stacked ? f : 0, a_registers),
                        list(second, stacked ? 0 : f, b_registers), list(3, f, c_registers));
  }
  b.decoder.expand(b.statement, std::move(text));
}

}  // namespace emulator::ptx::build
