// Operands of instructions (PTX ISA 6).
#include "ptx/parser.hpp"

namespace emulator::ptx {
namespace {

using Kind = Token::Kind;

constexpr std::size_t kMaxElements = 4096;

std::int64_t offsets(Cursor& cursor, std::uint64_t value) {
  while (cursor.peek().is('+') || cursor.peek().is('-')) {
    bool subtract = cursor.take().is('-');
    if (cursor.accept('-')) subtract = !subtract;
    const std::uint64_t offset = cursor.integer("an offset");
    value += subtract ? 0 - offset : offset;
  }
  return static_cast<std::int64_t>(value);
}

Operand named_operand(Cursor& cursor, Operand result, const Token& name) {
  result.name = name.text;
  if (cursor.peek().kind == Kind::dotted && cursor.peek().line == name.line) result.suffix = cursor.take().text;
  if (cursor.peek().is('+') || cursor.peek().is('-')) {  // mov.u64 %rd1, variable+8
    result.value = offsets(cursor, 0);
  } else if (cursor.accept('|')) {
    Operand pair;
    pair.kind = Operand::Kind::pair;
    pair.elements.push_back(result);
    Operand second;
    second.name = cursor.word("a predicate");
    pair.elements.push_back(second);
    return pair;
  }
  return result;
}

Operand sequence(Cursor& cursor, Operand::Kind kind, char close, int depth) {
  Operand result;
  result.kind = kind;
  while (!cursor.accept(close)) {
    if (!result.elements.empty()) cursor.expect(',');
    if (result.elements.size() >= kMaxElements) cursor.fail("too many operands");
    result.elements.push_back(parse_operand(cursor, depth + 1));
  }
  return result;
}

Operand address(Cursor& cursor, int depth) {
  Operand result;
  result.kind = Operand::Kind::address;
  std::uint64_t first = 0;
  if (cursor.peek().kind == Kind::word) {
    result.name = cursor.take().text;
  } else {
    const bool minus = cursor.accept('-');
    const std::uint64_t value = cursor.integer("an address");
    first = minus ? 0 - value : value;
  }
  result.value = offsets(cursor, first);
  while (cursor.accept(',')) {
    if (result.elements.size() >= 16) cursor.fail("too many operands");
    result.elements.push_back(parse_operand(cursor, depth + 1));
  }
  cursor.expect(']');
  return result;
}

}  // namespace

Operand parse_operand(Cursor& cursor, int depth) {
  if (depth > 4) cursor.fail("operands nested too deep");
  Operand result;
  if (cursor.accept('{')) return sequence(cursor, Operand::Kind::vector, '}', depth);
  if (cursor.accept('(')) return sequence(cursor, Operand::Kind::list, ')', depth);
  if (cursor.accept('[')) return address(cursor, depth);
  result.negated = cursor.accept('!');
  const bool inverted = cursor.accept('~');
  const bool minus = cursor.accept('-');
  if (!minus) cursor.accept('+');
  const Token& token = cursor.take();
  switch (token.kind) {
    case Kind::integer: {
      const std::uint64_t value = minus ? 0 - token.value : token.value;
      result.kind = Operand::Kind::integer;
      result.value = static_cast<std::int64_t>(inverted ? ~value : value);
      return result;
    }
    case Kind::real32:
      result.kind = Operand::Kind::real32;
      result.value = static_cast<std::int64_t>(token.value ^ (minus ? std::uint64_t{1} << 31 : 0));
      return result;
    case Kind::real64:
      result.kind = Operand::Kind::real64;
      result.value = static_cast<std::int64_t>(token.value ^ (minus ? std::uint64_t{1} << 63 : 0));
      return result;
    case Kind::word:
      result.minus = minus || inverted;
      return named_operand(cursor, result, token);
    default:
      cursor.fail("expected an operand before " + quoted(token.text));
  }
}

}  // namespace emulator::ptx
