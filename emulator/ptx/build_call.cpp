// Builds calls: of functions, through registers, and of the functions that the device itself provides (PTX
// ISA 9.7.12.5, 7.1). Arguments lie in the local memory of the caller's frame; a call copies them into the callee's.
#include <utility>

#include "ptx/builders.hpp"

namespace emulator::ptx::build {
namespace {

constexpr std::uint8_t kFixedAddress = 2;  ///< flags: the immediate alone is the address

/// A load or store between a register and a place in the function's own frame.
void move_frame(Build& b, bool load, const Operand& operand, std::uint32_t offset, Type type) {
  b.next();
  b.family(load ? "ld.param" : "st.param");
  const int bytes = size_of(type);
  b.in().size = static_cast<std::uint8_t>(bytes);
  b.in().immediate = offset;
  b.in().flags = kFixedAddress;
  b.note().space = Space::local;
  b.note().traffic = load ? InstructionNote::Traffic::load : InstructionNote::Traffic::store;
  b.note().bytes = static_cast<std::uint16_t>(bytes);
  b.flow(load ? Flow::load : Flow::store, bytes, type);
  if (load) {
    b.list_destination(operand, bytes);
    b.handler(lanes().load(Space::local, type, bytes));
  } else {
    b.list_source(operand, type);
    b.handler(lanes().store(Space::local, bytes, bytes));
  }
}

/// Where an argument lies in the caller's frame. Registers and numbers are given a place there.
std::uint32_t argument_place(Build& b, const Operand& operand, const Variable& formal, bool result,
                             std::vector<std::pair<const Operand*, std::uint32_t>>& loads) {
  const auto symbol = b.decoder.find(operand.name, b.statement.scope);
  if (operand.kind == Operand::Kind::name && symbol.kind == FunctionDecoder::Symbol::Kind::variable) {
    if (symbol.variable->space != Space::parameter) b.syntax("an argument must be a .param variable or a register");
    for (const Variable& parameter : b.decoder.function().parameters) {
      if (&parameter == symbol.variable && b.decoder.entry()) b.unsupported("a kernel parameter as an argument");
    }
    return b.decoder.frame_offset(*symbol.variable);
  }
  if (formal.array || size_of(formal.type) < 2) b.syntax("an argument must be a .param variable here");
  const std::uint32_t place = b.decoder.frame_slot(formal);
  if (result) {
    loads.emplace_back(&operand, place);
  } else {
    move_frame(b, false, operand, place, formal.type);
  }
  return place;
}

/// Pairs the arguments at the call with the callee's parameters.
std::vector<Argument> arguments(Build& b, const Operand& list, const std::vector<Variable>& formal, bool results,
                                std::vector<std::pair<const Operand*, std::uint32_t>>& loads) {
  std::vector<Argument> places;
  if (list.elements.size() != formal.size()) b.syntax("a wrong number of arguments");
  for (std::size_t k = 0; k < formal.size(); ++k) {
    const auto symbol = b.decoder.find(list.elements[k].name, b.statement.scope);
    const bool variable = symbol.kind == FunctionDecoder::Symbol::Kind::variable;
    Argument argument;
    argument.bytes = static_cast<std::uint32_t>(variable ? std::min(symbol.variable->bytes(), formal[k].bytes())
                                                         : formal[k].bytes());
    argument.caller = argument_place(b, list.elements[k], formal[k], results, loads);
    places.push_back(argument);
  }
  return places;
}

/// The callee lays its parameters out first, in order, then its results; see FunctionDecoder::declare_frame.
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

/// What a call through a register says of its callees: a prototype, or a list of functions that share one.
const Function& prototype_of(Build& b, const Operand& name) {
  const auto symbol = b.decoder.find(name.name, b.statement.scope);
  const ModuleSyntax& module = *b.decoder.context().module;
  const Statement* found = nullptr;
  if (symbol.kind == FunctionDecoder::Symbol::Kind::label) {
    found = &b.decoder.function().statements[static_cast<std::size_t>(symbol.label)];
  }
  if (found != nullptr && found->kind == Statement::Kind::call_prototype) {
    return b.decoder.function().prototypes[static_cast<std::size_t>(found->prototype)];
  }
  if (found != nullptr && found->kind == Statement::Kind::call_targets) {
    const Function* first = function_named(module, found->operands.front().name);
    if (first != nullptr) return *first;
  }
  b.syntax("a call through a register needs the label of a .callprototype or of .calltargets");
}

struct Provided {
  std::string_view name;
  Handler handler;
};
/// Functions that a device brings along, declared .extern by whoever calls them (CUDA's printf, assert, malloc, free).
constexpr Provided kProvided[] = {
    {"vprintf", control::print},
    {"__assertfail", control::assertion},
    {"malloc", control::allocate},
    {"free", control::release},
};

Handler handler_of(Build& b, const Function& callee) {
  if (callee.defined) return control::call;
  for (const Provided& each : kProvided) {
    if (each.name == callee.name) return each.handler;
  }
  b.unsupported("the function " + quoted(callee.name) + " has no body in this module: link its definition in");
}

}  // namespace

void call(Build& b) {
  const bool has_results = b.operands() > 0 && b.operand(0).kind == Operand::Kind::list;
  const std::size_t at = has_results ? 1 : 0;
  b.expect_operands(at + 1, at + 3);
  const Operand& name = b.operand(at);
  if (name.kind != Operand::Kind::name) b.syntax("a function or a register is expected");
  ProgramContext& context = b.decoder.context();
  const Function* callee = function_named(*context.module, name.name);
  const bool indirect = b.decoder.find(name.name, b.statement.scope).kind == FunctionDecoder::Symbol::Kind::vreg;
  if (callee == nullptr && !indirect) b.syntax(quoted(name.name) + " is neither a function nor a register");
  static const Operand none;
  const Operand* list = &none;
  std::size_t last = at + 1;
  if (last < b.operands() && b.operand(last).kind == Operand::Kind::list) list = &b.operand(last++);
  if (indirect && last >= b.operands()) b.syntax("a call through a register needs a prototype");
  const Function& form = indirect ? prototype_of(b, b.operand(last)) : *callee;
  if (form.entry) b.syntax("a call of a kernel");
  CallSite site;
  std::vector<std::pair<const Operand*, std::uint32_t>> loads;
  site.arguments = arguments(b, *list, form.parameters, false, loads);
  site.results = arguments(b, has_results ? b.operand(0) : none, form.results, true, loads);
  site.signature = signature_of(form);
  place_formals(form, site);
  b.next();
  b.family("call");
  if (indirect) {
    site.function = kAnyFunction;
    b.source(0, name, Type::u64);
    b.flow(Flow::call_indirect);
    for (const Function* each : address_taken(*context.module)) context.function_number(*each);
    b.handler(control::call_indirect);
  } else {
    b.handler(handler_of(b, *callee));
    if (callee->defined) {
      site.function = context.function_number(*callee);
    } else {
      site.function = kProvidedFunction;
    }
  }
  b.in().immediate = static_cast<std::int64_t>(context.program->calls.size());
  context.program->calls.push_back(std::move(site));
  for (std::size_t k = 0; k < form.results.size(); ++k) {
    for (const auto& [operand, place] : loads) {
      if (operand == &b.operand(0).elements[k]) move_frame(b, true, *operand, place, form.results[k].type);
    }
  }
}

void store_register_results(Build& b) {
  for (const Variable& result : b.decoder.function().results) {
    if (!result.in_register) continue;
    Operand operand;
    operand.name = result.name;
    move_frame(b, false, operand, b.decoder.frame_offset(result), result.type);
  }
  b.next();
}

}  // namespace emulator::ptx::build
