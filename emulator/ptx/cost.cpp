#include "ptx/cost.hpp"

#include <algorithm>
#include <unordered_map>

namespace emulator::ptx {
namespace {

bool has(const Statement& statement, std::string_view word) {
  return std::find(statement.modifiers.begin(), statement.modifiers.end(), word) != statement.modifiers.end();
}

/// The last modifier that names a type: that of the sources.
Type type_of(const Statement& statement) {
  for (auto at = statement.modifiers.rbegin(); at != statement.modifiers.rend(); ++at) {
    if (const auto type = type_named(*at)) return *type;
  }
  return Type::none;
}

bool is_half(Type type) {
  return type == Type::f16 || type == Type::f16x2 || type == Type::bf16 || type == Type::bf16x2;
}

constexpr std::uint8_t kDivide32 = 18, kDivide64 = 70, kDivideWide = 24;

/// add, sub, mul, mad, fma, min, max, neg, abs.
Cost arithmetic(const Statement& statement, Type type) {
  const std::string_view opcode = statement.opcode;
  const bool product = opcode == "mul" || opcode == "mad" || opcode == "fma";
  if (is_half(type)) return {Unit::half, 1};
  if (type == Type::f64) return {Unit::wide, 1};
  if (type == Type::f32) {
    const bool compares = opcode == "min" || opcode == "max" || opcode == "neg" || opcode == "abs";
    return {compares ? Unit::integer : Unit::single, 1};
  }
  if (product) {
    if (has(statement, "wide")) return {Unit::multiply, 1};
    if (has(statement, "hi")) return {Unit::multiply, 2};
    return {Unit::multiply, static_cast<std::uint8_t>(size_of(type) == 8 ? 4 : 1)};
  }
  return {Unit::integer, static_cast<std::uint8_t>(size_of(type) == 8 ? 2 : 1)};
}

Cost divide(const Statement& statement, Type type) {
  if (type == Type::f64) return {Unit::wide, kDivideWide};
  if (type == Type::f32) {
    return {Unit::single, static_cast<std::uint8_t>(has(statement, "approx") ? 2 : has(statement, "full") ? 5 : 10)};
  }
  return {Unit::multiply, size_of(type) == 8 ? kDivide64 : kDivide32};
}

/// rcp, sqrt, rsqrt, ex2, lg2, sin, cos, tanh.
Cost special(const Statement& statement, Type type) {
  if (type == Type::f64) return {Unit::wide, 8};
  if (!has(statement, "approx")) return {Unit::single, 8};
  return {Unit::special, static_cast<std::uint8_t>(statement.opcode == "sqrt" ? 2 : 1)};
}

Cost convert(const Statement& statement) {
  Type types[2] = {Type::none, Type::none};
  unsigned count = 0;
  for (const std::string_view word : statement.modifiers) {
    const auto type = type_named(word);
    if (type && count < 2) types[count++] = *type;
  }
  const auto real = [](Type type) { return is_float(type) || is_half(type); };
  if (!real(types[0]) && !real(types[1])) {  // widening and narrowing of integers
    const bool nothing = size_of(types[0]) >= 4 && size_of(types[1]) >= 4;
    return {nothing ? Unit::folded : Unit::integer, 1};
  }
  return {Unit::convert, static_cast<std::uint8_t>(size_of(types[0]) == 8 || size_of(types[1]) == 8 ? 4 : 1)};
}

Cost product_of_matrices(const Statement& statement) {
  if (has(statement, "f64")) return {Unit::matrix, 0};
  if (has(statement, "tf32")) return {Unit::matrix, 4};
  return {Unit::matrix, static_cast<std::uint8_t>(has(statement, "s8") || has(statement, "u8") ? 1 : 2)};
}

/// Products of a warpgroup: their groups are closed and awaited as those of copies are.
Cost product_of_warpgroup(const Statement& statement) {
  if (has(statement, "commit_group")) return {Unit::copy_commit, 1};
  if (has(statement, "wait_group")) return {Unit::copy_wait, 1};
  if (has(statement, "fence")) return {Unit::warp_barrier, 1};
  return {Unit::matrix, static_cast<std::uint8_t>(has(statement, "tf32") ? 4 : 2)};
}

Cost copy_instruction(const Statement& statement) {
  if (has(statement, "mbarrier")) return {Unit::object, 1};
  if (has(statement, "prefetch")) return {Unit::integer, 1};
  if (has(statement, "commit_group")) return {Unit::copy_commit, 1};
  if (has(statement, "wait_group") || has(statement, "wait_all")) return {Unit::copy_wait, 1};
  return {Unit::copy, 1};
}

Cost load(const Statement& statement) {
  for (const std::string_view word : statement.modifiers) {
    const Space space = space_named(word);
    if (space == Space::parameter || space == Space::constant) return {Unit::folded, 1};
  }
  return {Unit::memory, 1};
}

const std::unordered_map<std::string_view, Cost>& fixed() {
  static const std::unordered_map<std::string_view, Cost> costs = {
      {"mov", {Unit::folded, 1}},
      {"cvta", {Unit::folded, 1}},
      {"isspacep", {Unit::integer, 2}},
      {"shfl", {Unit::exchange, 1}},
      {"vote", {Unit::vote, 1}},
      {"match", {Unit::vote, 8}},
      {"redux", {Unit::vote, 2}},
      {"elect", {Unit::vote, 1}},
      {"activemask", {Unit::vote, 1}},
      {"ldmatrix", {Unit::memory, 1}},
      {"stmatrix", {Unit::memory, 1}},
      {"movmatrix", {Unit::exchange, 1}},
      {"st", {Unit::memory, 1}},
      {"atom", {Unit::memory, 1}},
      {"red", {Unit::memory, 1}},
      {"bra", {Unit::control, 1}},
      {"brx", {Unit::control, 2}},
      {"call", {Unit::control, 2}},
      {"ret", {Unit::control, 1}},
      {"exit", {Unit::control, 1}},
      {"membar", {Unit::fence, 1}},
      {"fence", {Unit::fence, 1}},
      {"popc", {Unit::special, 1}},
      {"clz", {Unit::special, 1}},
      {"bfind", {Unit::special, 1}},
      {"brev", {Unit::special, 1}},
      {"bfe", {Unit::integer, 2}},
      {"bfi", {Unit::integer, 2}},
      {"prefetch", {Unit::integer, 1}},
      {"nanosleep", {Unit::control, 1}},
      {"griddepcontrol", {Unit::folded, 1}},
      {"setmaxnreg", {Unit::control, 1}},
      {"createpolicy", {Unit::folded, 1}},
      {"mbarrier", {Unit::object, 1}},
  };
  return costs;
}

}  // namespace

Cost cost_of(const Statement& statement) {
  const std::string_view opcode = statement.opcode;
  if (const auto found = fixed().find(opcode); found != fixed().end()) return found->second;
  const Type type = type_of(statement);
  if (opcode == "mma") return product_of_matrices(statement);
  if (opcode == "wgmma") return product_of_warpgroup(statement);
  if (opcode == "cp") return copy_instruction(statement);
  if (opcode == "ld" || opcode == "ldu") return load(statement);
  if (opcode == "cvt") return convert(statement);
  if (opcode == "bar" || opcode == "barrier") {
    return {has(statement, "warp") ? Unit::warp_barrier : Unit::barrier, 1};
  }
  if (opcode == "div" || opcode == "rem") return divide(statement, type);
  for (const char* name : {"rcp", "sqrt", "rsqrt", "ex2", "lg2", "sin", "cos", "tanh"}) {
    if (opcode == name) return special(statement, type);
  }
  for (const char* name : {"add", "sub", "mul", "mad", "fma", "min", "max", "neg", "abs"}) {
    if (opcode == name) return arithmetic(statement, type);
  }
  if (opcode == "setp" && type == Type::f64) return {Unit::wide, 1};
  if (opcode == "setp" && is_half(type)) return {Unit::half, 1};
  return {Unit::integer, static_cast<std::uint8_t>(size_of(type) == 8 ? 2 : 1)};
}

}  // namespace emulator::ptx
