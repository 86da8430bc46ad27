// Builds branches, calls, exits and barriers.
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

const Function* function_named(Build& b, std::string_view name) {
  const Function* found = nullptr;
  for (const Function& function : b.decoder.context().module->functions) {
    if (function.name == name && (found == nullptr || function.defined)) found = &function;
  }
  return found;
}

/// Pairs the .param variables at the call with those of the callee.
std::vector<Argument> arguments(Build& b, const Operand& list, const std::vector<Variable>& formal) {
  // The callee lays its parameters out first, in order, then its results; see FunctionDecoder::declare_frame.
  std::vector<Argument> result;
  if (list.elements.size() != formal.size()) b.syntax("a wrong number of arguments");
  for (std::size_t k = 0; k < formal.size(); ++k) {
    const auto symbol = b.decoder.find(list.elements[k].name, b.statement.scope);
    if (symbol.kind != FunctionDecoder::Symbol::Kind::variable || symbol.variable->space != Space::parameter) {
      b.unsupported("arguments must be .param variables");
    }
    for (const Variable& parameter : b.decoder.function().parameters) {
      if (&parameter == symbol.variable && b.decoder.entry()) b.unsupported("a kernel parameter as an argument");
    }
    Argument argument;
    argument.caller = b.decoder.frame_offset(*symbol.variable);
    argument.bytes = static_cast<std::uint32_t>(std::min(symbol.variable->bytes(), formal[k].bytes()));
    result.push_back(argument);
  }
  return result;
}

void place_formals(const Function& callee, CallSite& site) {
  std::uint32_t offset = 0;
  const auto place = [&](const Variable& variable) {
    const auto alignment = static_cast<std::uint32_t>(variable.alignment);
    offset = (offset + alignment - 1) / alignment * alignment;
    const std::uint32_t at = offset;
    offset += static_cast<std::uint32_t>(variable.bytes());
    return at;
  };
  for (std::size_t k = 0; k < callee.parameters.size(); ++k) site.arguments[k].callee = place(callee.parameters[k]);
  for (std::size_t k = 0; k < callee.results.size(); ++k) site.results[k].callee = place(callee.results[k]);
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
  b.handler(control::branch_indexed);
}

void call(Build& b) {
  const bool has_results = b.operands() > 0 && b.operand(0).kind == Operand::Kind::list;
  const std::size_t at = has_results ? 1 : 0;
  b.expect_operands(at + 1, at + 3);
  const Operand& name = b.operand(at);
  const Function* callee = function_named(b, name.name);
  if (callee == nullptr || name.kind != Operand::Kind::name)
    b.unsupported("calls through a register are not supported");
  if (callee->name == "__assertfail") return b.handler(control::assertion);
  if (!callee->defined) b.unsupported("the function " + quoted(name.name) + " has no body");
  if (callee->entry) b.syntax("a call of a kernel");
  static const Operand none;
  CallSite site;
  site.arguments = arguments(b, b.operands() > at + 1 ? b.operand(at + 1) : none, callee->parameters);
  site.results = arguments(b, has_results ? b.operand(0) : none, callee->results);
  place_formals(*callee, site);
  site.function = b.decoder.context().function_number(*callee);
  Program& program = *b.decoder.context().program;
  // Callees are decoded later and set the targets of the sites that wait for them; known ones are set here.
  for (const CallSite& other : program.calls) {
    if (other.function == site.function) site.target = other.target;
  }
  b.in().immediate = static_cast<std::int64_t>(program.calls.size());
  program.calls.push_back(std::move(site));
  b.handler(control::call);
}

void leave(Build& b) {
  b.expect_operands(0);
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

void barrier(Build& b) {
  const bool arrive = b.word("kind") == "arrive";
  b.expect_operands(arrive ? 2 : 1, 2);
  b.family(arrive ? "bar.arrive" : "bar.sync");
  barrier_operands(b, 0, b.operands() == 2);
  b.in().mode = arrive ? kBarrierArrive : kBarrierSync;
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
  b.handler(control::barrier);
}

void warp_barrier(Build& b) {
  b.expect_operands(1);
  b.family("bar.warp.sync");
  b.source(4, b.operand(0), Type::b32);
  b.handler(control::warp_barrier);
}

}  // namespace emulator::ptx::build
