// Builds bulk asynchronous copies (PTX ISA 9.7.9.25.4 and 9.7.9.25.5): of bytes, and of boxes of tensors.
#include "execute/bulk.hpp"
#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

constexpr int kTarget = 0, kSource = 1, kObject = 2;

/// An address with an offset of its own: into the list go what its register is, and the offset in two halves.
void place(Build& b, int field, Operand where, Space space) {
  where.elements.clear();
  b.in().flags = 0;
  b.in().immediate = 0;
  b.address(field, where, space);
  auto& list = b.decoder.draft().list;
  list.push_back((b.in().flags & 2) != 0 ? 2 : b.in().flags & 1);
  list.push_back(static_cast<RowOperand>(b.in().immediate));
  list.push_back(static_cast<RowOperand>(b.in().immediate >> 32));
  b.in().flags = 0;
  b.in().immediate = 0;
}

void nowhere(Build& b) {
  for (const RowOperand word : {2, 0, 0}) b.decoder.draft().list.push_back(word);
}

/// A policy is a hint: only its register is looked at.
void policy(Build& b, std::size_t operand) {
  if (b.has("hint")) b.source(4, b.operand(operand), Type::b64);
}

/// The blocks that a copy goes to: bit 0 is the only one.
void blocks(Build& b, std::size_t operand) {
  if (!b.has("multicast::cluster")) return;
  b.source(5, b.operand(operand), Type::u16);
  b.in().flags |= kBulkMulticast;
}

AtomicOp reduction_named(std::string_view word) {
  static constexpr std::pair<std::string_view, AtomicOp> names[] = {
      {"add", AtomicOp::add}, {"min", AtomicOp::min},     {"max", AtomicOp::max},   {"inc", AtomicOp::inc},
      {"dec", AtomicOp::dec}, {"and", AtomicOp::bit_and}, {"or", AtomicOp::bit_or}, {"xor", AtomicOp::bit_xor}};
  for (const auto& [name, value] : names) {
    if (name == word) return value;
  }
  return AtomicOp::add;
}

void finish(Build& b, int operation, Handler handler) {
  b.in().mode = static_cast<std::uint8_t>(operation);
  b.decoder.context().program->async_proxy = true;
  b.flow(Flow::bulk_copy);
  b.handler(handler);
}

}  // namespace

/// operation: BulkOp.
void bulk_copy(Build& b) {
  const auto op = static_cast<BulkOp>(b.operation);
  const bool to_shared = op != BulkOp::store && op != BulkOp::reduce;
  const bool reduces = op == BulkOp::reduce || op == BulkOp::share_reduce;
  const std::size_t masks = b.has("multicast::cluster") ? 1 : 0;
  b.expect_operands(3 + (to_shared ? 1 : 0) + masks + (b.has("hint") ? 1 : 0));
  b.family(reduces ? "cp.reduce.async.bulk" : "cp.async.bulk");
  place(b, kTarget, b.operand(0), to_shared ? Space::shared : Space::global);
  place(b, kSource, b.operand(1), op == BulkOp::load ? Space::global : Space::shared);
  b.source(3, b.operand(2), Type::u32);
  if (to_shared) {
    place(b, kObject, b.operand(3), Space::shared);
  } else {
    nowhere(b);
  }
  blocks(b, 4);
  policy(b, (to_shared ? 4 : 3) + masks);
  auto& list = b.decoder.draft().list;
  list.push_back(static_cast<RowOperand>(reduction_named(b.word("op"))));
  list.push_back(static_cast<RowOperand>(reduces ? b.type() : Type::none));
  if (reduces && (b.type() == Type::f16 || b.type() == Type::bf16) && b.word("op") == "add" && !b.has("noftz")) {
    b.syntax("an addition of halves without .noftz");
  }
  b.in().size = 0;
  finish(b, b.operation, control::bulk_copy);
}

/// operation: BulkOp. [target], [map, {coordinates}], [mbarrier]; or [map, {coordinates}], [source]; or the map alone.
void bulk_tensor(Build& b) {
  const auto op = static_cast<BulkOp>(b.operation);
  if (b.has("mode") && b.word("mode") != "tile") {
    b.unsupported("tensors are copied by tiles only, not with ." + std::string(b.word("mode")));
  }
  const bool loads = op == BulkOp::load;
  const std::size_t masks = b.has("multicast::cluster") ? 1 : 0;
  const std::size_t hint = (loads ? 3 : op == BulkOp::prefetch ? 1 : 2) + masks;
  b.expect_operands(hint + (b.has("hint") ? 1 : 0));
  b.family(op == BulkOp::reduce     ? "cp.reduce.async.bulk.tensor"
           : op == BulkOp::prefetch ? "cp.async.bulk.prefetch.tensor"
                                    : "cp.async.bulk.tensor");
  const Operand& tensor = b.operand(loads ? 1 : 0);
  if (tensor.elements.size() != 1 || tensor.elements[0].kind != Operand::Kind::vector) {
    b.syntax("a tensor is written as [map, {coordinates}]");
  }
  const auto& coordinates = tensor.elements[0].elements;
  const auto rank = static_cast<std::size_t>(b.word("dim")[0] - '0');
  if (coordinates.size() != rank) b.syntax("a wrong number of coordinates");
  if (loads) {
    place(b, kTarget, b.operand(0), Space::shared);
    place(b, kSource, tensor, Space::generic);
    place(b, kObject, b.operand(2), Space::shared);
  } else if (op == BulkOp::prefetch) {
    nowhere(b);
    place(b, kSource, tensor, Space::generic);
    nowhere(b);
  } else {
    place(b, kTarget, tensor, Space::generic);
    place(b, kSource, b.operand(1), Space::shared);
    nowhere(b);
  }
  blocks(b, 3);
  policy(b, hint);
  b.decoder.draft().list.push_back(static_cast<RowOperand>(reduction_named(b.word("op"))));
  b.decoder.draft().list.push_back(static_cast<RowOperand>(Type::none));  // the map knows
  for (const Operand& each : coordinates) b.list_source(each, Type::s32);
  b.in().size = static_cast<std::uint8_t>(rank);
  finish(b, b.operation, control::bulk_copy);
}

void bulk_prefetch(Build& b) {
  b.family("cp.async.bulk.prefetch");
  b.handler(control::nothing);
}

void bulk_commit(Build& b) {
  b.expect_operands(0);
  b.family("cp.async.bulk.commit_group");
  b.handler(control::bulk_commit);
}

void bulk_wait(Build& b) {
  b.expect_operands(1);
  b.family("cp.async.bulk.wait_group");
  b.in().immediate = b.integer(b.operand(0));
  if (b.in().immediate < 0) b.syntax("a negative number of groups");
  b.in().count = b.has("read") ? 1 : 0;
  b.handler(control::bulk_wait);
}

}  // namespace emulator::ptx::build
