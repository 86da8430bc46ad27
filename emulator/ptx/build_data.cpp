// Builds moves and conversions.
#include <array>
#include <utility>

#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

std::optional<SpecialRegister> special_named(std::string_view name, std::string_view suffix) {
  using S = SpecialRegister;
  const int axis = suffix == "x" ? 0 : suffix == "y" ? 1 : suffix == "z" ? 2 : -1;
  if (axis >= 0) {
    const auto along = [&](S first) { return static_cast<S>(static_cast<int>(first) + axis); };
    if (name == "%tid") return along(S::tid_x);
    if (name == "%ntid") return along(S::ntid_x);
    if (name == "%ctaid") return along(S::ctaid_x);
    if (name == "%nctaid") return along(S::nctaid_x);
    if (name == "%clusterid") return along(S::ctaid_x);
    if (name == "%nclusterid") return along(S::nctaid_x);
    if (name == "%cluster_ctaid") return S::zero;
    if (name == "%cluster_nctaid") return S::one;
    return std::nullopt;
  }
  static constexpr std::array<std::pair<std::string_view, S>, 30> names{{
      {"%laneid", S::laneid},
      {"%warpid", S::warpid},
      {"%nwarpid", S::nwarpid},
      {"%smid", S::smid},
      {"%nsmid", S::nsmid},
      {"%gridid", S::gridid},
      {"%lanemask_eq", S::lanemask_eq},
      {"%lanemask_lt", S::lanemask_lt},
      {"%lanemask_le", S::lanemask_le},
      {"%lanemask_gt", S::lanemask_gt},
      {"%lanemask_ge", S::lanemask_ge},
      {"%clock", S::clock},
      {"%clock64", S::clock64},
      {"%clock_hi", S::zero},
      {"%globaltimer", S::globaltimer},
      {"%globaltimer_lo", S::globaltimer_lo},
      {"%globaltimer_hi", S::globaltimer_hi},
      {"%dynamic_smem_size", S::dynamic_smem_size},
      {"%total_smem_size", S::total_smem_size},
      {"%aggr_smem_size", S::total_smem_size},
      {"%current_graph_exec", S::zero},
      {"%cluster_ctarank", S::zero},
      {"%cluster_nctarank", S::one},
      {"%envreg1", S::envreg1},
      {"%envreg2", S::envreg2},
      {"%reserved_smem_offset_begin", S::reserved_shared},
      {"%reserved_smem_offset_0", S::reserved_shared},
      {"%reserved_smem_offset_1", S::reserved_shared},
      {"%reserved_smem_offset_end", S::reserved_shared_end},
      {"%reserved_smem_offset_cap", S::reserved_shared_end},
  }};
  for (const auto& [known, value] : names) {
    if (known == name) return value;
  }
  return std::nullopt;
}

/// mov d, variable or %special: true when it was one.
bool move_named(Build& b, Type type) {
  const Operand& from = b.operand(1);
  if (const auto special = special_named(from.name, from.suffix)) {
    if (from.name.starts_with("%reserved_smem")) b.decoder.context().program->reserved_shared = 1024;
    b.in().mode = static_cast<std::uint8_t>(*special);
    b.in().size = static_cast<std::uint8_t>(size_of(type));
    b.handler(control::special);
    return true;
  }
  const auto symbol = b.decoder.find(from.name, b.statement.scope);
  if (symbol.kind == FunctionDecoder::Symbol::Kind::none) {
    const ModuleSyntax& module = *b.decoder.context().module;
    const Function* function = function_named(module, from.name);
    if (function == nullptr || size_of(type) != 8) return false;
    b.constant(1, address_of(module, *function), 8);
    b.moves(1u << 1);
    b.handler(lanes().move(8));
    return true;
  }
  if (symbol.kind != FunctionDecoder::Symbol::Kind::variable) return false;
  Space space = Space::generic;
  const std::uint64_t address = b.variable_address(*symbol.variable, space) + static_cast<std::uint64_t>(from.value);
  if (space == Space::local) {
    b.in().immediate = static_cast<std::int64_t>(address);
    b.in().size = static_cast<std::uint8_t>(size_of(type));
    b.handler(control::local_address);
  } else {
    b.constant(1, address, size_of(type));
    b.moves(1u << 1);
    b.handler(lanes().move(size_of(type)));
  }
  return true;
}

void move_vector(Build& b, Type type) {
  const bool packs = b.operand(1).kind == Operand::Kind::vector;
  const Operand& vector = b.operand(packs ? 1 : 0);
  const auto count = static_cast<int>(vector.elements.size());
  if (count == 0 || size_of(type) % count != 0) b.syntax("a vector that does not fill the type");
  const int bytes = size_of(type) / count;
  const Type element = bytes == 2 ? Type::b16 : bytes == 4 ? Type::b32 : Type::b8;
  if (bytes < 2) b.unsupported("vectors of bytes in mov are not supported");
  if (packs) {
    b.destination(0, b.operand(0), size_of(type));
    for (const Operand& each : vector.elements) b.list_source(each, element);
    b.moves(kDataList);
    b.note().flow.operation = static_cast<std::uint8_t>(count);
    b.handler(lanes().pack(bytes, count));
    return;
  }
  b.source(0, b.operand(1), type);
  for (int k = 0; k < count; ++k) {
    const Operand& each = vector.elements[static_cast<std::size_t>(k)];
    if (b.is_sink(each)) {
      b.decoder.draft().list.push_back(0);
      b.in().mode = static_cast<std::uint8_t>(b.in().mode | 1u << k);
    } else {
      b.list_destination(each, bytes);
    }
  }
  b.moves(1u << 0);
  b.note().flow.operation = static_cast<std::uint8_t>(count);
  b.handler(lanes().unpack(bytes, count));
}

std::int64_t window_of(Space space) {
  switch (space) {
    case Space::shared:
      return static_cast<std::int64_t>(kSharedWindow);
    case Space::local:
      return static_cast<std::int64_t>(kLocalWindow);
    case Space::parameter:
      return static_cast<std::int64_t>(kParameterWindow);
    default:
      return 0;
  }
}

Rounding rounding_of(std::string_view word) {
  if (word.starts_with("rz")) return Rounding::zero;
  if (word.starts_with("rm")) return Rounding::down;
  if (word.starts_with("rp")) return Rounding::up;
  if (word == "rna") return Rounding::nearest_away;
  return Rounding::nearest_even;
}

ConvertSpec convert_spec(Build& b) {
  ConvertSpec spec{};
  spec.to = b.type("to");
  spec.from = b.type("from");
  const std::string_view round = b.word("round");
  spec.rounding = rounding_of(round);
  spec.integer_rounding = round.size() == 3 && round != "rna" && is_float(spec.to);
  spec.saturate = b.has("sat");
  spec.flush = b.has("ftz");
  spec.relu = b.has("relu");
  spec.finite = b.has("satfinite");
  b.in().mode = static_cast<std::uint8_t>(static_cast<unsigned>(spec.rounding) | (spec.integer_rounding ? 8u : 0u));
  b.in().flags = static_cast<std::uint8_t>((spec.saturate ? kSaturate : 0) | (spec.flush ? kFlushSubnormals : 0) |
                                           (spec.relu ? kRelu : 0) | (spec.finite ? kFinite : 0));
  b.in().operand[4] = static_cast<RowOperand>(spec.to);
  b.in().operand[5] = static_cast<RowOperand>(spec.from);
  // The manual demands a rounding where the value may change; without one there is nothing to choose.
  const bool narrows = is_float(spec.to) && (!is_float(spec.from) || size_of(spec.to) < size_of(spec.from));
  const bool to_integer = is_float(spec.from) && !is_float(spec.to);
  if (round.empty() && (narrows || to_integer)) b.syntax("a conversion that rounds must say how");
  return spec;
}

}  // namespace

bool names_special(std::string_view name, std::string_view suffix) {
  return special_named(name, suffix).has_value();
}

void move(Build& b) {
  b.expect_operands(2);
  const Type type = b.type();
  const Operand& to = b.operand(0);
  const Operand& from = b.operand(1);
  if (to.kind == Operand::Kind::vector || from.kind == Operand::Kind::vector) return move_vector(b, type);
  b.destination(0, to, size_of(type));
  if (type == Type::pred) {
    b.in().mode = b.predicate(1, from) ? 1 : 0;
    b.flow(Flow::predicate_copy);
    return b.handler(lanes().move(0));
  }
  if (from.kind == Operand::Kind::name && move_named(b, type)) return;
  b.source(1, from, type);
  b.moves(1u << 1);
  b.note().renames = true;
  b.handler(lanes().move(size_of(type)));
}

void convert(Build& b) {
  b.expect_operands(2);
  const ConvertSpec spec = convert_spec(b);
  const int to = b.wide_destination(0, b.operand(0), spec.to);
  const int from = b.wide_source(1, b.operand(1), spec.from);
  b.in().size = static_cast<std::uint8_t>(to);
  b.in().count = static_cast<std::uint8_t>(from);
  if (!is_float(spec.to) && !is_float(spec.from) && !spec.saturate) b.moves(1u << 1);
  b.handler(lanes().convert(spec, to, from));
}

void convert_pair(Build& b) {
  b.expect_operands(3);
  ConvertSpec spec = convert_spec(b);
  b.destination(0, b.operand(0), 4);
  b.source(1, b.operand(1), Type::f32);
  b.source(2, b.operand(2), Type::f32);
  b.in().operand[4] = static_cast<RowOperand>(spec.to == Type::f16x2 ? Type::f16 : Type::bf16);
  b.flow(Flow::pair);
  b.handler(lanes().convert(spec, 4, 4));
}

/// Pairs of 8-bit floats in 16 bits: the first operand of two goes to the upper byte.
void convert_eight(Build& b) {
  const bool narrows = b.word("to").starts_with("e");
  const std::string_view from = b.word("from");
  const std::string_view eight = narrows ? b.word("to") : from;
  const bool two = from == "f32";
  b.expect_operands(two ? 3 : 2);
  b.destination(0, b.operand(0), narrows ? 2 : 4);
  const Type source = two ? Type::f32 : narrows ? Type::b32 : Type::b16;
  b.source(1, b.operand(1), source);
  if (two) b.source(2, b.operand(2), source);
  b.in().mode = eight == "e5m2x2" ? 1 : 0;
  b.in().flags = b.has("relu") ? kRelu : 0;
  b.handler(lanes().convert_eight(two ? EightOp::from_f32 : narrows ? EightOp::from_f16 : EightOp::to_f16));
}

void convert_space(Build& b) {
  b.expect_operands(2);
  const Type type = b.type();
  const Space space = space_named(b.word("space"));
  const int to = b.wide_destination(0, b.operand(0), type);
  if (to != size_of(type)) b.syntax("the destination does not have the instruction's type");
  b.flow(Flow::copy, 0, type);
  if (!b.has("to")) {
    const Operand& from = b.operand(1);
    const auto symbol = b.decoder.find(from.name, b.statement.scope);
    if (from.kind == Operand::Kind::name && symbol.kind == FunctionDecoder::Symbol::Kind::variable) {
      Space where = Space::generic;
      const std::uint64_t address =
          b.variable_address(*symbol.variable, where) + static_cast<std::uint64_t>(from.value);
      if (where == Space::local) b.unsupported("cvta of a local variable's name");
      b.constant(1, address, size_of(type));
    } else {
      b.source(1, from, type);
    }
    b.in().flags = static_cast<std::uint8_t>((size_of(type) == 8 ? 1 : 0) | (to == 8 ? 2 : 0));
    b.in().immediate = window_of(space);
    const bool same = window_of(space) == 0 && to == size_of(type);
    return b.handler(same ? lanes().move(to) : control::from_space);
  }
  b.source(1, b.operand(1), type);
  if (window_of(space) == 0) return b.handler(lanes().move(to));
  if (size_of(type) != 8) b.unsupported("32-bit generic addresses are not supported");
  b.in().flags = 3;
  b.in().immediate = window_of(space);
  b.handler(control::to_space);
}

void is_space(Build& b) {
  b.expect_operands(2);
  b.destination(0, b.operand(0), 0);
  b.source(1, b.operand(1), Type::u64);
  b.in().mode = static_cast<std::uint8_t>(space_named(b.word("space")));
  b.handler(control::is_space);
}

}  // namespace emulator::ptx::build
