// Builds loads, stores, atomics, cache hints and asynchronous copies.
#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

const char* name_of(Space space) {
  switch (space) {
    case Space::generic:
      return "generic";
    case Space::global:
      return "global";
    case Space::shared:
      return "shared";
    case Space::local:
      return "local";
    case Space::constant:
      return "const";
    case Space::parameter:
      return "param";
  }
  return "";
}

/// The widest register of the elements of a vector operand decides; all must be the same.
int element_bytes(Build& b, const Operand& operand) {
  const auto one = [&](const Operand& each) -> int {
    if (b.is_sink(each)) return 0;
    if (each.kind != Operand::Kind::name || each.name == "WARP_SZ") return 0;  // a number
    return b.decoder.vreg(b.vreg(each)).bytes();
  };
  if (operand.kind != Operand::Kind::vector) return one(operand);
  int bytes = 0;
  for (const Operand& each : operand.elements) bytes = std::max(bytes, one(each));
  return bytes;
}

struct Access {
  Type type;
  Space space;
  std::size_t count;
};

Access access(Build& b, const Operand& data) {
  Access result{b.type(), space_named(b.word("space")), 1};
  if (b.has("vec")) result.count = static_cast<std::size_t>(b.word("vec")[1] - '0');
  const std::size_t elements = data.kind == Operand::Kind::vector ? data.elements.size() : 1;
  if (elements != result.count) b.syntax("a vector with a wrong number of elements");
  if (static_cast<std::size_t>(size_of(result.type)) * result.count > 32) b.syntax("an access of more than 32 bytes");
  return result;
}

/// Order and scope of a strong access (PTX ISA 8.2): .volatile is .relaxed.sys.
void memory_model(Build& b, std::string_view implied) {
  using Order = InstructionNote::Order;
  using Scope = InstructionNote::Scope;
  const std::string_view order = b.has("order") ? b.word("order") : implied;
  InstructionNote& note = b.note();
  note.order = order == "weak"      ? Order::weak
               : order == "acquire" ? Order::acquire
               : order == "release" ? Order::release
               : order == "acq_rel" ? Order::acq_rel
                                    : Order::relaxed;
  const std::string_view scope = b.has("legacy_scope") ? b.word("legacy_scope") : b.word("scope");
  note.scope = order == "volatile" || order == "mmio" || scope == "sys" ? Scope::sys
               : scope == "cta"                                         ? Scope::cta
               : scope == "cluster"                                     ? Scope::cluster
                                                                        : Scope::gpu;
}

void describe(Build& b, const Access& what, InstructionNote::Traffic traffic) {
  b.in().size = static_cast<std::uint8_t>(size_of(what.type));
  b.in().count = static_cast<std::uint8_t>(what.count);
  b.note().space = what.space;
  b.note().traffic = traffic;
  b.note().bytes = static_cast<std::uint16_t>(static_cast<std::size_t>(size_of(what.type)) * what.count);
  memory_model(b, traffic == InstructionNote::Traffic::load_store ? "relaxed" : "weak");
  const char* name = what.space == Space::local && b.word("space").starts_with("param") ? "param" : name_of(what.space);
  b.family(std::string(b.statement.opcode) + "." + name);
}

int register_bytes(Build& b, const Operand& data, Type type) {
  int bytes = element_bytes(b, data);
  if (bytes == 0) bytes = std::max(size_of(type), 2);
  if (bytes < size_of(type) || bytes > 8) b.syntax("a register too narrow for the access");
  return bytes;
}

Type word_of(int bytes) {
  return bytes == 2 ? Type::b16 : bytes == 4 ? Type::b32 : Type::b64;
}

}  // namespace

void load(Build& b) {
  b.expect_operands(2, 3);
  const Operand& data = b.operand(0);
  Access what = access(b, data);
  const int bytes = register_bytes(b, data, what.type);
  b.address(1, b.operand(1), what.space);
  describe(b, what, InstructionNote::Traffic::load);
  b.note().register_bytes = static_cast<std::uint8_t>(bytes);
  for (std::size_t k = 0; k < what.count; ++k) {
    const Operand& each = data.kind == Operand::Kind::vector ? data.elements[k] : data;
    if (b.is_sink(each)) {
      b.decoder.draft().list.push_back(0);
      b.in().mode = static_cast<std::uint8_t>(b.in().mode | 1u << k);
    } else {
      b.list_destination(each, bytes);
    }
  }
  b.flow(Flow::load, bytes, what.type);
  b.handler(lanes().load(what.space, what.type, bytes));
}

void store(Build& b) {
  b.expect_operands(2, 3);
  const Operand& data = b.operand(1);
  Access what = access(b, data);
  const int bytes = register_bytes(b, data, what.type);
  b.address(1, b.operand(0), what.space);
  if (what.space == Space::parameter || what.space == Space::constant) b.syntax("a store to a space that is read only");
  describe(b, what, InstructionNote::Traffic::store);
  b.note().register_bytes = static_cast<std::uint8_t>(bytes);
  for (std::size_t k = 0; k < what.count; ++k) {
    const Type word = bytes == size_of(what.type) && is_float(what.type) ? what.type : word_of(bytes);
    b.list_source(data.kind == Operand::Kind::vector ? data.elements[k] : data, word);
  }
  b.flow(Flow::store, bytes, what.type);
  b.handler(lanes().store(what.space, size_of(what.type), bytes));
}

namespace {

void atomic_access(Build& b, bool result) {
  static constexpr std::pair<std::string_view, AtomicOp> names[] = {
      {"add", AtomicOp::add},   {"min", AtomicOp::min},    {"max", AtomicOp::max},   {"inc", AtomicOp::inc},
      {"dec", AtomicOp::dec},   {"cas", AtomicOp::cas},    {"exch", AtomicOp::exch}, {"and", AtomicOp::bit_and},
      {"or", AtomicOp::bit_or}, {"xor", AtomicOp::bit_xor}};
  AtomicOp op = AtomicOp::add;
  for (const auto& [name, value] : names) {
    if (name == b.word("op")) op = value;
  }
  const Type type = b.type();
  const bool real = is_float(type) || type == Type::f16x2 || type == Type::bf16x2;
  const bool bitwise = op == AtomicOp::bit_and || op == AtomicOp::bit_or || op == AtomicOp::bit_xor;
  const bool untyped = type == Type::b16 || type == Type::b32 || type == Type::b64;
  const bool swaps = op == AtomicOp::cas || op == AtomicOp::exch;
  if ((bitwise || swaps) != untyped && !(swaps && !real)) b.syntax("an atomic operation that its type does not have");
  if (real && op != AtomicOp::add && op != AtomicOp::min && op != AtomicOp::max) {
    b.syntax("an atomic operation that its type does not have");
  }
  const std::size_t first = result ? 1 : 0;
  b.expect_operands(first + (op == AtomicOp::cas ? 3 : 2), first + (op == AtomicOp::cas ? 4 : 3));
  Access what{type, space_named(b.word("space")), 1};
  const Type word = word_of(size_of(type));
  if (result && !b.is_sink(b.operand(0))) {
    b.destination(0, b.operand(0), size_of(type));
  } else {
    result = false;
  }
  b.address(1, b.operand(first), what.space);
  describe(b, what, InstructionNote::Traffic::load_store);
  b.source(2, b.operand(first + 1), is_float(type) && size_of(type) >= 4 ? type : word);
  if (op == AtomicOp::cas) {
    b.source(3, b.operand(first + 2), word);
  } else {
    b.constant(3, 0, size_of(type));
  }
  b.in().size = static_cast<std::uint8_t>(what.space);
  b.in().count = result ? 1 : 0;
  b.flow(Flow::atomic, static_cast<int>(op), type);
  b.handler(control::atomic(op, type));
}

}  // namespace

void atomic(Build& b) {
  atomic_access(b, true);
}
void reduction(Build& b) {
  atomic_access(b, false);
}

void prefetch(Build& b) {
  b.handler(control::nothing);
}

/// A policy is a hint: any value will do.
void cache_policy(Build& b) {
  b.expect_operands(1, 4);
  b.destination(0, b.operand(0), 8);
  b.constant(1, 0, 8);
  b.moves(1u << 1);
  b.handler(lanes().move(8));
}

void copy_async(Build& b) {
  b.expect_operands(3, 5);
  b.family("cp.async");
  const std::int64_t size = b.integer(b.operand(2));
  const bool fits = b.word("cache") == "ca" ? size == 4 || size == 8 || size == 16 : size == 16;
  if (!fits) b.syntax("cp.async copies 4, 8 or 16 bytes, with .cg only 16");
  // Both addresses have an offset of their own: each goes to the list as (kind, offset).
  std::int64_t parts[4];
  for (std::size_t k = 0; k < 2; ++k) {
    b.in().flags = 0;
    b.in().immediate = 0;
    Space space = k == 0 ? Space::shared : Space::global;
    b.address(static_cast<int>(k), b.operand(k), space);
    parts[2 * k] = (b.in().flags & 2) != 0 ? 2 : (b.in().flags & 1);
    parts[2 * k + 1] = b.in().immediate;
    if (parts[2 * k + 1] != static_cast<std::int32_t>(parts[2 * k + 1])) {
      b.unsupported("cp.async with an offset of more than 32 bits");
    }
  }
  for (const std::int64_t part : parts) b.decoder.draft().list.push_back(static_cast<RowOperand>(part));
  b.in().flags = 0;
  b.in().immediate = 0;
  b.in().size = static_cast<std::uint8_t>(size);
  std::size_t extra = b.operands() - 3 - (b.has("hint") ? 1 : 0);
  if (extra > 1) b.syntax("a wrong number of operands");
  if (extra == 1) {
    const Operand& last = b.operand(3);
    bool is_predicate = false;
    if (last.kind == Operand::Kind::name) is_predicate = b.decoder.vreg(b.vreg(last)).type == Type::pred;
    if (is_predicate) {
      b.in().mode = b.predicate(2, last) ? 6 : 2;
    } else {
      b.source(2, last, Type::u32);
      b.in().mode = 1;
    }
  }
  b.note().traffic = InstructionNote::Traffic::async_copy;
  b.note().bytes = static_cast<std::uint16_t>(size);
  b.flow(Flow::async_copy);
  b.handler(lanes().async_copy);
}

void copy_commit(Build& b) {
  b.expect_operands(0);
  b.family("cp.async.commit_group");
  b.handler(control::copy_commit);
}

void copy_wait(Build& b) {
  const bool all = b.operation == 1;
  b.expect_operands(all ? 0 : 1);
  b.family(all ? "cp.async.wait_all" : "cp.async.wait_group");
  if (!all) b.in().immediate = b.integer(b.operand(0));
  if (b.in().immediate < 0) b.syntax("a negative number of groups");
  b.handler(all ? control::copy_wait_all : control::copy_wait);
}

}  // namespace emulator::ptx::build
