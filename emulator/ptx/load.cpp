// load_module: parse, place variables, decode every entry with the functions it reaches.
#include <algorithm>
#include <cstring>
#include <set>

#include "execute/module.hpp"
#include "ptx/decoder.hpp"
#include "ptx/parser.hpp"

namespace emulator {
namespace {

using ptx::fail_syntax;
using ptx::fail_unsupported;

constexpr std::uint32_t kRecursionFrames = 48;
constexpr std::uint64_t kMaxRegisterBytes = std::uint64_t{1} << 24;  // of a warp
constexpr std::uint64_t kMaxLocalBytes = 512 * 1024;                 // of a thread, as devices have it

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    const std::size_t first = line.find_first_not_of(" \t\r");
    line = first == std::string_view::npos ? std::string_view() : line.substr(first);
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) line.remove_suffix(1);
    std::string clean(line);
    std::replace(clean.begin(), clean.end(), '\t', ' ');
    lines.push_back(std::move(clean));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void collect_names(const ptx::Operand& operand, std::set<std::string_view>& names) {
  if (!operand.name.empty()) names.insert(operand.name);
  for (const ptx::Operand& element : operand.elements) collect_names(element, names);
}

/// A call whose callee is no function's name goes through a register.
bool calls_through_register(const ptx::ModuleSyntax& module, const ptx::Function& function) {
  return std::any_of(function.statements.begin(), function.statements.end(), [&](const ptx::Statement& statement) {
    if (statement.opcode != "call" || statement.operands.empty()) return false;
    const std::size_t at = statement.operands[0].kind == ptx::Operand::Kind::list ? 1 : 0;
    return at < statement.operands.size() && ptx::function_named(module, statement.operands[at].name) == nullptr;
  });
}

/// Adds the functions that `names` name, and those that `caller` may reach through pointers.
void add_callees(const ptx::ModuleSyntax& module, const ptx::Function& caller, const std::set<std::string_view>& names,
                 std::vector<const ptx::Function*>& found) {
  const auto add = [&](const ptx::Function* function) {
    if (function == nullptr || !function->defined || function->entry) return;
    if (std::find(found.begin(), found.end(), function) == found.end()) found.push_back(function);
  };
  for (const std::string_view name : names) add(ptx::function_named(module, name));
  if (!calls_through_register(module, caller)) return;
  for (const ptx::Function* function : ptx::address_taken(module)) add(function);
}

/// Finds what an entry reaches and gives its shared variables their offsets.
void reach(const ptx::ModuleSyntax& module, const ptx::Function& entry, ptx::ProgramContext& context) {
  std::vector<const ptx::Function*> found{&entry};
  std::vector<const ptx::Variable*> shared;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (const ptx::Statement& statement : found[i]->statements) {
      for (const ptx::Operand& operand : statement.operands) collect_names(operand, names);
    }
    for (const ptx::Scope& scope : found[i]->scopes) {
      for (const auto& [name, variable] : scope.variables) {
        if (variable.space == ptx::Space::shared) shared.push_back(&variable);
      }
    }
    add_callees(module, *found[i], names, found);
  }
  for (const ptx::Variable& variable : module.variables) {
    if (variable.space == ptx::Space::shared && names.count(variable.name) != 0) shared.push_back(&variable);
  }
  std::uint64_t bytes = 0;
  std::uint64_t dynamic_alignment = 16;
  for (const ptx::Variable* variable : shared) {
    if (variable->external || variable->unsized) {
      dynamic_alignment = std::max<std::uint64_t>(dynamic_alignment, variable->alignment);
      continue;
    }
    bytes = (bytes + variable->alignment - 1) / variable->alignment * variable->alignment;
    context.shared[variable] = static_cast<std::uint32_t>(bytes);
    bytes += variable->bytes();
    if (bytes > (1u << 24)) fail_unsupported(variable->line, "more shared memory than any device has");
  }
  bool dynamic = false;
  const std::uint64_t end = (bytes + dynamic_alignment - 1) / dynamic_alignment * dynamic_alignment;
  for (const ptx::Variable* variable : shared) {
    if (!variable->external && !variable->unsized) continue;
    dynamic = true;
    context.shared[variable] = static_cast<std::uint32_t>(end);
  }
  context.program->static_shared = static_cast<std::uint32_t>(dynamic ? end : bytes);
}

/// Bytes of registers and local memory for the deepest chain of calls. Lanes of a warp may be in different functions at
/// the same time, and a lane's column lies elsewhere in rows of another width: no two functions share registers.
class Depth {
 public:
  explicit Depth(const Program& program, const std::vector<std::vector<std::uint32_t>>& calls)
      : program_(program), calls_(calls), repeated_(calls.size()), state_(calls.size()), sums_(calls.size()) {}

  void measure(Program& program) {
    const Sum deepest = visit(0);
    Sum sum = deepest;
    sum.registers = place_registers(program);
    if (recursive_) {
      Sum all;
      for (const FunctionFrame& frame : program.functions) all.add(frame);
      // As deep as the limits allow; a deeper chain is a fault when it runs.
      sum.registers = std::max(sum.registers, std::min(all.registers * kRecursionFrames, kMaxRegisterBytes));
      sum.local = std::max(deepest.local, std::min(all.local * kRecursionFrames, kMaxLocalBytes));
    }
    if (sum.registers > kMaxRegisterBytes) fail_unsupported(0, "calls that need too many registers");
    if (sum.local > kMaxLocalBytes) fail_unsupported(0, "calls that need too much local memory");
    program.register_bytes = static_cast<std::uint32_t>(sum.registers);
    program.local_bytes = static_cast<std::uint32_t>(sum.local);
  }

 private:
  struct Sum {
    std::uint64_t registers = 0, local = 0;
    void add(const FunctionFrame& frame) {
      registers += frame.register_bytes;
      local += frame.local_bytes;
    }
  };
  Sum visit(std::uint32_t function) {
    if (state_[function] == 1) {
      recursive_ = true;
      mark_repeated(function);
    }
    if (state_[function] != 0) return sums_[function];
    state_[function] = 1;
    if (++level_ > 1000) fail_unsupported(0, "calls nested too deep");
    Sum deepest;
    for (const std::uint32_t callee : calls_[function]) {
      const Sum below = visit(callee);
      deepest.registers = std::max(deepest.registers, below.registers);
      deepest.local = std::max(deepest.local, below.local);
    }
    --level_;
    deepest.add(program_.functions[function]);
    state_[function] = 2;
    finished_.push_back(function);
    return sums_[function] = deepest;
  }
  /// What recursion reaches has its registers once per level.
  void mark_repeated(std::uint32_t function) {
    if (repeated_[function]) return;
    repeated_[function] = true;
    for (const std::uint32_t callee : calls_[function]) mark_repeated(callee);
  }
  /// Callers first; what is repeated lies behind the rest. Returns the bytes of one level with all before it.
  std::uint64_t place_registers(Program& program) const {
    std::uint64_t at = 0;
    for (const bool repeated : {false, true}) {
      const std::uint64_t first = at;
      for (std::size_t i = finished_.size(); i-- > 0;) {
        FunctionFrame& frame = program.functions[finished_[i]];
        frame.order = static_cast<std::uint32_t>(finished_.size() - i);
        if (repeated_[finished_[i]] != repeated) continue;
        frame.registers_at = static_cast<std::uint32_t>(at);
        at += frame.register_bytes;
        if (at > kMaxRegisterBytes) fail_unsupported(0, "functions that need too many registers");
      }
      program.level_bytes = static_cast<std::uint32_t>(at - first);
    }
    return at;
  }
  const Program& program_;
  const std::vector<std::vector<std::uint32_t>>& calls_;
  std::vector<std::uint32_t> finished_;
  std::vector<bool> repeated_;
  std::vector<int> state_;
  std::vector<Sum> sums_;
  int level_ = 0;
  bool recursive_ = false;
};

/// Who calls whom. A call through a register may reach whatever agrees with its prototype.
std::vector<std::vector<std::uint32_t>> call_graph(const Program& program, const std::vector<std::size_t>& first_site) {
  std::vector<std::vector<std::uint32_t>> calls(program.functions.size());
  for (std::size_t caller = 0; caller < calls.size(); ++caller) {
    for (std::size_t i = first_site[caller]; i < first_site[caller + 1]; ++i) {
      const CallSite& site = program.calls[i];
      if (site.function == kProvidedFunction) continue;
      if (site.function != kAnyFunction) {
        calls[caller].push_back(site.function);
        continue;
      }
      for (std::uint32_t callee = 1; callee < program.functions.size(); ++callee) {
        if (program.functions[callee].signature == site.signature) calls[caller].push_back(callee);
      }
    }
  }
  return calls;
}

/// What a thread begins with where setmaxnreg will change it: as many as the directives leave it, in units of 8.
std::uint32_t first_registers(const ptx::Function& entry, const Profile& profile) {
  std::uint64_t most = 256;
  if (entry.max_registers == 0 && entry.max_threads == 0) return 0;
  if (entry.max_registers != 0) most = std::min(most, entry.max_registers);
  if (entry.max_threads != 0) {
    const std::uint64_t threads = (entry.max_threads + kLanes - 1) / kLanes * kLanes * entry.min_blocks;
    most = std::min(most, static_cast<std::uint64_t>(profile.registers_per_block) / threads);
  }
  return static_cast<std::uint32_t>(most / 8 * 8);
}

std::unique_ptr<LoadedKernel> decode_entry(const ptx::ModuleSyntax& module, const ptx::Function& entry,
                                           const std::map<std::string_view, std::uint64_t>& globals,
                                           const Profile& profile) {
  auto kernel = std::make_unique<LoadedKernel>();
  Program& program = kernel->program;
  program.name = entry.name;
  ptx::ProgramContext context;
  context.module = &module;
  context.globals = &globals;
  context.program = &program;
  reach(module, entry, context);
  std::uint64_t offset = 0;
  for (const ptx::Variable& parameter : entry.parameters) {
    offset = (offset + parameter.alignment - 1) / parameter.alignment * parameter.alignment;
    kernel->layout.push_back({offset, parameter.bytes()});
    offset += parameter.bytes();
    if (offset > 32764) fail_unsupported(parameter.line, "more than 32764 bytes of parameters");
  }
  program.parameter_bytes = static_cast<std::uint32_t>(offset);
  program.thread_registers = first_registers(entry, profile);
  context.function_number(entry);
  std::vector<std::size_t> first_site;  // of each function
  for (std::uint32_t number = 0; number < context.order.size(); ++number) {
    const std::size_t sites = program.calls.size();
    ptx::FunctionDecoder(context, *context.order[number], number).run();
    first_site.push_back(sites);
  }
  first_site.push_back(program.calls.size());
  const std::vector<std::vector<std::uint32_t>> calls = call_graph(program, first_site);
  program.constants = context.constants.take();
  Depth(program, calls).measure(program);
  kernel->thread_limit = profile.threads_per_block;
  kernel->wanted_block = entry.required_threads;
  kernel->wanted_cluster = entry.cluster_blocks;
  if (entry.max_threads != 0)
    kernel->thread_limit = std::min(kernel->thread_limit, static_cast<int>(entry.max_threads));
  return kernel;
}

std::uint64_t address_named(const ptx::ModuleSyntax& syntax, const std::map<std::string_view, std::uint64_t>& globals,
                            std::string_view symbol, int line) {
  if (const auto target = globals.find(symbol); target != globals.end()) return target->second;
  if (const ptx::Function* function = ptx::function_named(syntax, symbol)) return ptx::address_of(syntax, *function);
  fail_unsupported(line, "an initial value that is the address of neither a variable nor a function");
}

/// Allocates .global and .const variables and writes their initial values.
void place_variables(const ptx::ModuleSyntax& syntax, Memory& memory, LoadedModule& module,
                     std::map<std::string_view, std::uint64_t>& globals) {
  const auto kept = [](const ptx::Variable& variable) {
    return variable.space == ptx::Space::global || variable.space == ptx::Space::constant;
  };
  for (const ptx::Variable& variable : syntax.variables) {
    if (!kept(variable)) continue;
    if (globals.count(variable.name) != 0) {
      if (variable.weak || variable.external) continue;
      fail_syntax(variable.line, "a variable is declared twice");
    }
    if (variable.external) {
      const bool defined =
          std::any_of(syntax.variables.begin(), syntax.variables.end(),
                      [&](const ptx::Variable& other) { return other.name == variable.name && !other.external; });
      if (defined) continue;
      fail_unsupported(variable.line, "a variable of another module");
    }
    const std::uint64_t address = memory.allocate(std::max<std::size_t>(variable.bytes(), 1));
    if (address == 0) {
      throw ptx::LoadError(ptx::LoadError::Kind::memory, variable.line, "there is not as much for a variable");
    }
    globals.emplace(variable.name, address);
    module.globals.emplace(std::string(variable.name), Module::Global{address, variable.bytes()});
    std::memset(reinterpret_cast<void*>(address), 0, variable.bytes());
    memory.mark_written(address, variable.bytes());
  }
  for (const ptx::Variable& variable : syntax.variables) {
    if (!kept(variable)) continue;
    const auto element = static_cast<std::size_t>(ptx::size_of(variable.type));
    auto* at = reinterpret_cast<std::byte*>(globals.at(variable.name));
    for (const ptx::Initial& initial : variable.initial) {
      std::uint64_t value = initial.value;
      if (!initial.symbol.empty()) {
        value += address_named(syntax, globals, initial.symbol, variable.line);
        if (initial.mask != 0) value = (value & initial.mask) >> __builtin_ctzll(initial.mask);
      }
      if (initial.real64 && element == 4) {
        double wide = 0;
        std::memcpy(&wide, &value, sizeof(wide));
        const auto narrow = static_cast<float>(wide);
        std::memcpy(at, &narrow, sizeof(narrow));
      } else {
        std::memcpy(at, &value, std::min<std::size_t>(element, sizeof(value)));
      }
      at += element;
    }
  }
}

Fault::Kind kind_of(ptx::LoadError::Kind kind) {
  switch (kind) {
    case ptx::LoadError::Kind::syntax:
      return Fault::Kind::syntax;
    case ptx::LoadError::Kind::memory:
      return Fault::Kind::memory;
    case ptx::LoadError::Kind::unsupported:
      break;
  }
  return Fault::Kind::unsupported;
}

}  // namespace

std::variant<std::unique_ptr<Module>, Fault> load_module(std::string_view text, Memory& memory,
                                                         const Profile& profile) {
  auto module = std::make_unique<LoadedModule>(memory);
  module->lines = split_lines(text);
  module->sources = ptx::SourceLines(module->lines);
  try {
    const ptx::ModuleSyntax syntax = ptx::parse(text);
    std::map<std::string_view, std::uint64_t> globals;
    place_variables(syntax, memory, *module, globals);
    for (const ptx::Function& function : syntax.functions) {
      if (!function.entry || !function.defined) continue;
      module->entries.push_back(decode_entry(syntax, function, globals, profile));
      module->entries.back()->lines = &module->lines;
      module->entries.back()->sources = &module->sources;
    }
    return std::unique_ptr<Module>(std::move(module));
  } catch (const ptx::LoadError& error) {
    Fault fault;
    fault.kind = kind_of(error.kind());
    fault.line = error.line();
    fault.message = error.what();
    const auto line = static_cast<std::size_t>(error.line());
    if (line > 0 && line <= module->lines.size()) fault.instruction = module->lines[line - 1];
    return fault;
  }
}

}  // namespace emulator
