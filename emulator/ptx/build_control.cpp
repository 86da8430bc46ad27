// Builds branches, exits and barriers.
#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

std::uint32_t label(Build& b, const Operand& operand) {
  const auto symbol = b.decoder.find(operand.name, b.statement.scope);
  if (operand.kind != Operand::Kind::name || symbol.kind != FunctionDecoder::Symbol::Kind::label) {
    b.syntax(quoted(operand.name) + " is not a label");
  }
  return static_cast<std::uint32_t>(symbol.label);
}

void barrier_operands(Build& b, std::size_t first, bool has_count) {
  b.source(1, b.operand(first), Type::u32);
  if (has_count) {
    b.source(2, b.operand(first + 1), Type::u32);
    b.in().flags |= kBarrierCounted;
  } else {
    b.constant(2, 0, 4);
  }
  if (b.operation == 1 || b.has("aligned")) b.in().flags |= kBarrierAligned;
}

}  // namespace

void branch(Build& b) {
  b.expect_operands(1);
  b.decoder.draft().targets.push_back(label(b, b.operand(0)));
  b.decoder.draft().falls_through = b.decoder.draft().guarded;
  b.handler(control::branch);
}

void branch_indexed(Build& b) {
  b.expect_operands(2);
  b.source(0, b.operand(0), Type::u32);
  const Operand& name = b.operand(1);
  const auto symbol = b.decoder.find(name.name, b.statement.scope);
  if (symbol.kind != FunctionDecoder::Symbol::Kind::label) b.syntax("a list of targets is expected");
  const Statement& list = b.decoder.function().statements[static_cast<std::size_t>(symbol.label)];
  if (list.kind != Statement::Kind::branch_targets) b.syntax("a list of targets is expected");
  for (const Operand& target : list.operands) b.decoder.draft().targets.push_back(label(b, target));
  b.in().immediate = static_cast<std::int64_t>(list.operands.size());
  b.decoder.draft().falls_through = b.decoder.draft().guarded;
  b.flow(Flow::branch_indexed);
  b.handler(control::branch_indexed);
}

void leave(Build& b) {
  b.expect_operands(0);
  if (b.operation == 0) store_register_results(b);
  b.decoder.draft().falls_through = b.decoder.draft().guarded;
  b.handler(b.operation == 1 ? control::exit : control::ret);
}

void trap(Build& b) {
  b.expect_operands(0);
  b.handler(b.operation == 0 ? control::trap : control::nothing);
}

void nothing(Build& b) {
  b.handler(control::nothing);
}

/// membar and fence: both order everything before with everything after (PTX ISA 9.7.13.4); membar is fence.sc.
void fence(Build& b) {
  using Scope = InstructionNote::Scope;
  const std::string_view level = b.has("level") ? b.word("level") : b.word("scope");
  b.note().fence = true;
  b.note().order = InstructionNote::Order::acq_rel;
  if (b.word("order") == "acquire") b.note().order = InstructionNote::Order::acquire;
  if (b.word("order") == "release") b.note().order = InstructionNote::Order::release;
  b.note().scope = level == "cta"       ? Scope::cta
                   : level == "cluster" ? Scope::cluster
                   : level == "sys"     ? Scope::sys
                                        : Scope::gpu;
  b.handler(control::nothing);
}

/// fence.proxy.async (PTX ISA 9.7.13.4): one of global memory alone says nothing of shared memory.
void proxy_fence(Build& b) {
  b.expect_operands(0);
  b.note().proxy_fence = b.word("space") != "global";
  b.handler(control::nothing);
}

void barrier(Build& b) {
  const bool arrive = b.word("kind") == "arrive";
  b.expect_operands(arrive ? 2 : 1, 2);
  b.family(arrive ? "bar.arrive" : "bar.sync");
  barrier_operands(b, 0, b.operands() == 2);
  b.in().mode = arrive ? kBarrierArrive : kBarrierSync;
  b.flow(Flow::barrier);
  b.handler(control::barrier);
}

void barrier_reduction(Build& b) {
  const std::string_view kind = b.word("kind");
  const bool counts = kind == "popc";
  if (counts != (b.word("type") == "u32")) b.syntax("a barrier reduction with a wrong type");
  b.expect_operands(3, 4);
  b.family("bar.red");
  b.destination(0, b.operand(0), counts ? 4 : 0);
  barrier_operands(b, 1, b.operands() == 4);
  if (b.predicate(3, b.operand(b.operands() - 1))) b.in().flags |= kBarrierNegated;
  b.in().mode = counts ? kBarrierPopc : kind == "and" ? kBarrierAnd : kBarrierOr;
  b.flow(Flow::barrier);
  b.handler(control::barrier);
}

void warp_barrier(Build& b) {
  b.expect_operands(1);
  b.family("bar.warp.sync");
  b.source(4, b.operand(0), Type::b32);
  b.flow(Flow::warp_barrier);
  b.handler(control::warp_barrier);
}

}  // namespace emulator::ptx::build
