// Functions of a module: by name, by address.
#include <algorithm>

#include "ptx/decoder.hpp"

namespace emulator::ptx {

const Function* function_named(const ModuleSyntax& module, std::string_view name) {
  if (const auto alias = module.aliases.find(name); alias != module.aliases.end()) name = alias->second;
  const Function* found = nullptr;
  for (const Function& function : module.functions) {
    if (function.name == name && (found == nullptr || (function.defined && !found->defined))) found = &function;
  }
  return found;
}

std::uint64_t address_of(const ModuleSyntax& module, const Function& function) {
  return kFunctionWindow + 16 * static_cast<std::uint64_t>(&function - module.functions.data() + 1);
}

std::uint64_t signature_of(const Function& function) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  const auto mix = [&](const std::vector<Variable>& list) {
    for (const Variable& variable : list) {
      hash = (hash ^ (variable.bytes() << 16 ^ variable.alignment)) * 0x100000001B3u;
    }
    hash = (hash ^ 0xFF) * 0x100000001B3u;
  };
  mix(function.parameters);
  mix(function.results);
  return hash;
}

namespace {

void take(const ModuleSyntax& module, std::string_view name, std::vector<const Function*>& found) {
  const Function* function = name.empty() ? nullptr : function_named(module, name);
  if (function == nullptr || !function->defined || function->entry) return;
  if (std::find(found.begin(), found.end(), function) == found.end()) found.push_back(function);
}

}  // namespace

std::vector<const Function*> address_taken(const ModuleSyntax& module) {
  std::vector<const Function*> found;
  const auto of_variables = [&](const Variable& variable) {
    for (const Initial& initial : variable.initial) take(module, initial.symbol, found);
  };
  for (const Variable& variable : module.variables) of_variables(variable);
  for (const Function& function : module.functions) {
    for (const Statement& statement : function.statements) {
      if (statement.kind == Statement::Kind::call_targets) {
        for (const Operand& target : statement.operands) take(module, target.name, found);
      }
      if (statement.opcode != "mov" && statement.opcode != "cvta") continue;
      for (const Operand& operand : statement.operands) take(module, operand.name, found);
    }
  }
  return found;
}

}  // namespace emulator::ptx
