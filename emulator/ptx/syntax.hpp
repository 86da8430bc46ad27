// What the parser makes of a PTX text: a tree whose names are still names. All string_views point into the text.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "ptx/types.hpp"

namespace emulator::ptx {

struct Operand {
  enum class Kind : std::uint8_t {
    name,     ///< a register, variable, function or label; `suffix` holds the x of %tid.x
    pair,     ///< p|q: elements are the two
    integer,  ///< value
    real32,   ///< value holds the bits
    real64,   ///< value holds the bits
    address,  ///< [name+value], or [value] when name is empty; further elements of [map, {c}] in elements
    vector,   ///< {a, b}
    list,     ///< (a, b): the arguments of a call
  };
  Kind kind = Kind::name;
  bool negated = false;  ///< !p
  bool minus = false;    ///< -%r in front of a name, or sign of a folded literal (already folded when an integer)
  std::string_view name;
  std::string_view suffix;
  std::int64_t value = 0;
  std::vector<Operand> elements;
};

struct Statement {
  enum class Kind : std::uint8_t { instruction, label, branch_targets, call_targets, call_prototype };
  Kind kind = Kind::instruction;
  int line = 0;
  int scope = 0;
  std::string_view guard;  ///< the predicate of @p; empty when there is none
  bool guard_negated = false;
  std::string_view opcode;  ///< or the label's name
  std::vector<std::string_view> modifiers;
  std::vector<Operand> operands;
  int prototype = -1;  ///< of a call_prototype: index in Function::prototypes
};

/// One value of an initialiser: a number, or the address of a variable or function plus an offset.
struct Initial {
  std::uint64_t value = 0;
  std::uint64_t mask = 0;  ///< 0xFF00(symbol): these bits of the address, moved down; 0: all of it
  bool real32 = false;
  bool real64 = false;
  std::string_view symbol;
};

struct Variable {
  std::string_view name;
  Space space = Space::global;
  Type type = Type::b8;
  int line = 0;
  std::size_t alignment = 1;
  std::size_t elements = 1;
  bool array = false;
  bool unsized = false;      ///< name[]
  bool external = false;     ///< .extern
  bool weak = false;         ///< .weak or .common: a second definition is the same variable
  bool in_register = false;  ///< a function's parameter that is declared with .reg
  std::vector<Initial> initial;
  [[nodiscard]] std::size_t bytes() const { return elements * static_cast<std::size_t>(size_of(type)); }
};

/// .reg .b32 %r<100> declares %r0 … %r99; a plain .reg .b32 x has count 0.
struct Registers {
  std::string_view prefix;
  std::uint64_t count = 0;
  Type type = Type::b32;
};

/// A { } of a function's body; 0 is the body itself. Names are looked up outwards along `parent`.
struct Scope {
  int parent = -1;
  std::vector<Registers> registers;
  std::map<std::string_view, Variable> variables;
  std::map<std::string_view, int> labels;  ///< index of the statement
};

struct Function {
  std::string_view name;
  int line = 0;
  bool entry = false;
  bool defined = false;  ///< it has a body
  std::vector<Variable> results;
  std::vector<Variable> parameters;
  std::vector<Scope> scopes;
  std::vector<Statement> statements;
  std::vector<Function> prototypes;            ///< of .callprototype: functions without a body
  std::uint64_t max_threads = 0;               ///< product of .maxntid or .reqntid; 0: not given
  std::array<unsigned, 3> required_threads{};  ///< .reqntid; zeros: not given
  unsigned cluster_blocks = 1;                 ///< product of .reqnctapercluster
  std::uint64_t max_registers = 0;             ///< .maxnreg; 0: not given
  std::uint64_t min_blocks = 1;                ///< .minnctapersm
};

struct ModuleSyntax {
  int version = 0;  ///< major * 10 + minor
  std::string_view target;
  std::vector<Variable> variables;
  std::vector<Function> functions;
  std::map<std::string_view, std::string_view> aliases;
};

}  // namespace emulator::ptx
