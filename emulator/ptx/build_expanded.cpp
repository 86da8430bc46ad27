// Instructions that are built as simpler ones: packing conversions, video instructions, atomics on vectors and others.
#include <fmt/format.h>

#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

std::string dotted(std::string_view word) {
  return word.empty() ? std::string() : std::string(1, '.').append(word);
}

/// Takes 8 or 16 bits of the operand, or all of it, into $name, 64 bits wide. A selector is the operand's suffix.
std::string selected(Build& b, std::size_t index, std::string_view name, bool is_signed) {
  const std::string_view selector = b.operand(index).suffix;
  const char* type = is_signed ? "s32" : "u32";
  unsigned position = 0, bits = 32;
  if (selector.size() == 2 && (selector[0] == 'b' || selector[0] == 'h') && selector[1] >= '0' && selector[1] <= '3') {
    bits = selector[0] == 'b' ? 8 : 16;
    position = bits * static_cast<unsigned>(selector[1] - '0');
    if (position >= 32) b.syntax("a selector beyond the register");
  } else if (!selector.empty()) {
    b.syntax(quoted(selector) + " does not select a part of a register");
  }
  return fmt::format("bfe.{} $w, ${}, {}, {};\ncvt.{}64.{} ${}, $w;\n", type, index, position, bits, type[0], type,
                     name);
}

/// $x = $a op $b in 64 bits, where nothing overflows.
std::string operation(std::string_view opcode) {
  if (opcode.starts_with("vadd")) return "add.s64 $x, $a, $b;\n";
  if (opcode.starts_with("vsub")) return "sub.s64 $x, $a, $b;\n";
  if (opcode.starts_with("vabsdiff")) return "sub.s64 $x, $a, $b;\nabs.s64 $x, $x;\n";
  if (opcode.starts_with("vmin")) return "min.s64 $x, $a, $b;\n";
  if (opcode.starts_with("vmax")) return "max.s64 $x, $a, $b;\n";
  return "add.s64 $x, $a, $b;\nadd.s64 $x, $x, 1;\nshr.s64 $x, $x, 1;\n";  // vavrg rounds up
}

std::string saturated(bool is_signed, unsigned bits) {
  const std::int64_t high = is_signed ? (std::int64_t{1} << (bits - 1)) - 1 : (std::int64_t{1} << bits) - 1;
  const std::int64_t low = is_signed ? -high - 1 : 0;
  return fmt::format("max.s64 $x, $x, {};\nmin.s64 $x, $x, {};\n", low, high);
}

constexpr const char* kVideoRegisters = ".reg .b32 $w, $r; .reg .b64 $a, $b, $x, $s;\n";

}  // namespace

/// lop3 d|p, a, b, c, table, q: p tells whether the result is not zero, combined with q. d may be the sink.
void lookup_combined(Build& b) {
  b.expect_operands(6);
  if (b.operand(0).kind != Operand::Kind::pair) b.syntax("a pair of destinations is expected");
  std::string text = ".reg .b32 $x; .reg .pred $p;\nlop3.b32 $x, $1, $2, $3, $4;\n";
  text += fmt::format("setp.ne.{}.b32 $0_1, $x, 0, $5;\n", b.word("combine"));
  if (!b.is_sink(b.operand(0).elements[0])) text += "mov.b32 $0_0, $x;\n";
  b.decoder.expand(b.statement, std::move(text));
}

/// cvt.pack.sat: two integers, each cut to what the type holds, the second below the first; above them the lower part
/// of the last operand where there is one.
void convert_pack(Build& b) {
  const std::string_view to = b.word("to");
  const bool keeps = to != "u16" && to != "s16", is_signed = to[0] == 's';
  b.expect_operands(keeps ? 4 : 3);
  const unsigned bits = to == "u16" || to == "s16" ? 16 : static_cast<unsigned>(to[1] - '0');
  const int high = is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1, low = is_signed ? -high - 1 : 0;
  std::string text = ".reg .b32 $a, $b, $r;\n";
  for (const auto& [name, operand] : {std::pair{"$a", 1}, {"$b", 2}}) {
    text += fmt::format("max.s32 {0}, ${1}, {2};\nmin.s32 {0}, {0}, {3};\n", name, operand, low, high);
  }
  text += keeps ? fmt::format("shl.b32 $r, $3, {};\n", 2 * bits) : std::string("mov.b32 $r, 0;\n");
  text += fmt::format("bfi.b32 $r, $a, $r, {0}, {0};\nbfi.b32 $0, $b, $r, 0, {0};\n", bits);
  b.decoder.expand(b.statement, std::move(text));
}

/// min.relu, max.relu: negative results become 0.
void extreme_relu(Build& b) {
  b.expect_operands(3);
  const std::string_view type = b.word("type");
  b.decoder.expand(b.statement,
                   fmt::format(".reg .b32 $x;\n{0}.{1} $x, $1, $2;\nmax.{1} $0, $x, 0;\n", b.statement.opcode, type));
}

/// vadd, vsub, vabsdiff, vmin, vmax of one pair, with a second operation on the result and c.
void video(Build& b) {
  const bool second = b.has("second");
  b.expect_operands(second ? 4 : 3);
  const bool d_signed = b.word("dtype")[0] == 's';
  std::string text = kVideoRegisters;
  text += selected(b, 1, "a", b.word("atype")[0] == 's') + selected(b, 2, "b", b.word("btype")[0] == 's');
  text += operation(b.statement.opcode);
  if (b.has("sat")) text += saturated(d_signed, 32);
  text += "cvt.u32.u64 $r, $x;\n";
  text += second ? fmt::format("{}.{} $0, $r, $3;\n", b.word("second"), b.word("dtype")) : "mov.b32 $0, $r;\n";
  b.decoder.expand(b.statement, std::move(text));
}

/// vadd2, vadd4 and their kin: two or four pairs; with .add their sum is added to c, else they replace the parts of c
/// that the mask names.
void video_parts(Build& b) {
  b.expect_operands(4);
  const std::string_view opcode = b.statement.opcode;
  const unsigned count = static_cast<unsigned>(opcode.back() - '0'), bits = 32 / count;
  for (std::size_t k = 0; k < 3; ++k) {
    if (!b.operand(k).suffix.empty())
      b.unsupported("masks and selectors of " + std::string(opcode) + " are not supported");
  }
  const bool sums = b.has("add");
  std::string text = kVideoRegisters;
  text += sums ? "mov.b32 $r, $3;\n" : "mov.b32 $r, 0;\n";
  for (unsigned k = 0; k < count; ++k) {
    for (const auto& [index, name, type] : {std::tuple{1, "a", "atype"}, {2, "b", "btype"}}) {
      const char* word = b.word(type)[0] == 's' ? "s32" : "u32";
      text += fmt::format("bfe.{} $w, ${}, {}, {};\ncvt.{}64.{} ${}, $w;\n", word, index, k * bits, bits, word[0], word,
                          name);
    }
    text += operation(opcode);
    if (b.has("sat")) text += saturated(b.word("dtype")[0] == 's', bits);
    text += "cvt.u32.u64 $w, $x;\n";
    text += sums ? std::string("add.u32 $r, $r, $w;\n") : fmt::format("bfi.b32 $r, $w, $r, {}, {};\n", k * bits, bits);
  }
  text += "mov.b32 $0, $r;\n";
  b.decoder.expand(b.statement, std::move(text));
}

/// atom and red on vectors are atomic element by element.
void vector_atomic(Build& b) {
  const bool result = b.statement.opcode == "atom";
  const std::size_t where = result ? 1 : 0;
  b.expect_operands(where + 2, where + 3);
  const auto count = static_cast<unsigned>(b.word("vec")[1] - '0');
  const int bytes = size_of(b.type());
  if (count * static_cast<unsigned>(bytes) > 16) b.syntax("a vector of more than 16 bytes");
  const std::string opcode =
      fmt::format("{}{}{}{}{}{}{}", b.statement.opcode, dotted(b.word("order")), dotted(b.word("scope")),
                  dotted(b.word("space")), dotted(b.word("op")), dotted(b.word("noftz")), dotted(b.word("type")));
  std::string text;
  for (unsigned k = 0; k < count; ++k) {
    const std::string d = result ? fmt::format("$0_{}, ", k) : std::string();
    text += fmt::format("{} {}[${}+{}], ${}_{};\n", opcode, d, where, k * static_cast<unsigned>(bytes), where + 1, k);
  }
  b.decoder.expand(b.statement, std::move(text));
}

}  // namespace emulator::ptx::build
