// From statements to decoded instructions. Operands stay numbers of virtual registers until allocate_registers().
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "execute/machine.hpp"
#include "execute/operations.hpp"
#include "ptx/grammar.hpp"
#include "ptx/lexer.hpp"
#include "ptx/syntax.hpp"

namespace emulator::ptx {

[[noreturn]] void fail_syntax(int line, const std::string& message);
[[noreturn]] void fail_unsupported(int line, const std::string& message);

/// Immediates, spread over rows. Shared by all functions of a program.
class ConstantPool {
 public:
  /// The row operand of a value of `bytes` bytes per lane; 0 bytes: a predicate mask.
  RowOperand row(std::uint64_t value, int bytes);
  [[nodiscard]] std::vector<std::uint64_t> take() { return std::move(words_); }

 private:
  std::vector<std::uint64_t> words_;
  std::map<std::pair<std::uint64_t, int>, RowOperand> rows_;
};

/// Where a module's variables lie, and what the functions of one program share.
struct ProgramContext {
  const ModuleSyntax* module = nullptr;
  const std::map<std::string_view, std::uint64_t>* globals = nullptr;  ///< addresses of .global and .const
  Program* program = nullptr;
  ConstantPool constants;
  std::map<const Variable*, std::uint32_t> shared;      ///< offsets of the .shared variables that the program can reach
  std::map<std::string_view, std::uint32_t> functions;  ///< names to numbers; also those still to be decoded
  std::vector<const Function*> order;
  std::deque<std::string> texts;  ///< of expansions: names point into them

  std::map<std::string_view, std::uint32_t> register_names;

  std::uint16_t family(const std::string& name);
  std::uint32_t register_name(std::string_view name);
  std::uint32_t function_number(const Function& function);
};

/// The function of that name, or the one it is an alias of; with a body if there is one. Null when there is none.
const Function* function_named(const ModuleSyntax& module, std::string_view name);
/// What a pointer to the function holds: no address that can be read.
std::uint64_t address_of(const ModuleSyntax& module, const Function& function);
/// The same for functions whose parameters and results are laid out alike.
std::uint64_t signature_of(const Function& function);
/// Functions that a call through a register may reach.
std::vector<const Function*> address_taken(const ModuleSyntax& module);

struct VirtualRegister {
  Type type = Type::b32;
  std::string_view name;
  [[nodiscard]] int bytes() const { return size_of(type); }
};

/// One use of a virtual register by an instruction.
struct Reference {
  std::uint32_t instruction = 0;  ///< within the function
  std::int32_t field = 0;         ///< 0 … 5: operand; kGuard; kList + k: element k of its list
  std::uint32_t vreg = 0;
  bool write = false;
};
constexpr std::int32_t kGuard = -1;
constexpr std::int32_t kList = 16;
constexpr std::uint32_t kNoTarget = ~0u;

/// One instruction under construction, and one that control flow can leave.
struct Draft {
  Instruction in;
  InstructionNote note;
  std::vector<RowOperand> list;
  std::vector<std::uint32_t> targets;  ///< statements it may branch to
  bool falls_through = true;
  bool guarded = false;
};

class FunctionDecoder {
 public:
  FunctionDecoder(ProgramContext& context, const Function& function, std::uint32_t number);
  /// Appends the function's code to the program.
  void run();

  // --- for the builders
  [[nodiscard]] bool entry() const { return function_.entry; }
  ProgramContext& context() { return context_; }
  const Function& function() const { return function_; }

  struct Symbol {
    enum class Kind { none, vreg, variable, label } kind = Kind::none;
    std::uint32_t vreg = 0;
    const Variable* variable = nullptr;
    int label = 0;  ///< statement
  };
  Symbol find(std::string_view name, int scope);
  std::uint32_t hidden_carry();
  /// A register that no name refers to.
  std::uint32_t temporary(Type type);
  /// Begins an instruction under the statement's guard: the first one, or one more that the statement needs.
  void begin_draft(const Statement& statement);
  const VirtualRegister& vreg(std::uint32_t index) const { return vregs_[index]; }
  /// Builds the statement as the PTX of `text`, in which $1 stands for its operand 1 and $1_2 for element 2 of that.
  /// Registers that the text declares begin with $ and a letter.
  void expand(const Statement& statement, std::string text);
  void refer(std::int32_t field, std::uint32_t vreg, bool write);
  /// Offset of a .local or .param variable of this function in its frame.
  std::uint32_t frame_offset(const Variable& variable);
  /// A new place in the frame that is as large as the variable.
  std::uint32_t frame_slot(const Variable& like);
  std::uint64_t parameter_offset(const Variable& variable) const;
  std::uint32_t shared_offset(const Variable& variable);
  Draft& draft() { return drafts_.back(); }

 private:
  void declare_frame();
  void load_register_parameters();
  void statement(const Statement& statement);
  void finish();
  void mark_barriers();
  /// Special registers as operands of other instructions than mov: moved into registers first. False when there are
  /// none.
  bool expand_specials(const Statement& statement);
  void allocate_registers();
  void note_uses(std::uint32_t base);
  void note_footprints(std::uint32_t base);
  void note_unwritten(FunctionFrame& frame);

  ProgramContext& context_;
  const Function& function_;
  std::uint32_t number_;
  std::vector<VirtualRegister> vregs_;
  std::map<std::tuple<int, std::size_t, std::uint64_t>, std::uint32_t> vreg_numbers_;
  std::vector<Reference> references_;
  std::vector<Draft> drafts_;
  std::vector<std::uint32_t> first_draft_;  ///< of each statement
  std::map<const Variable*, std::uint32_t> frame_;
  std::map<const Variable*, std::uint32_t> parameter_vregs_;  ///< parameters and results that are registers
  std::uint32_t frame_bytes_ = 0;
  std::uint32_t register_bytes_ = 0;
  std::uint32_t predicate_bytes_ = 0;
  std::vector<std::uint32_t> place_;      ///< of each virtual register in the frame
  std::vector<std::uint32_t> unwritten_;  ///< virtual registers that may be read before they are written
  std::uint32_t carry_ = kNoTarget;
  std::map<std::string_view, std::uint32_t> expansion_;  ///< registers of the expansion that is being built
};

/// What a row's build function works with: the statement, its modifiers, and the instruction it fills in.
class Build {
 public:
  Build(FunctionDecoder& function, const Statement& text, const Match& modifiers, int which)
      : decoder(function), statement(text), match(modifiers), operation(which) {}

  FunctionDecoder& decoder;
  const Statement& statement;
  const Match& match;
  int operation;

  Instruction& in() { return decoder.draft().in; }
  InstructionNote& note() { return decoder.draft().note; }
  [[nodiscard]] bool has(std::string_view group) const { return match.has(group); }
  [[nodiscard]] std::string_view word(std::string_view group) const { return match[group]; }
  [[nodiscard]] Type type(std::string_view group = "type") const;
  [[nodiscard]] std::size_t operands() const { return statement.operands.size(); }
  const Operand& operand(std::size_t index);
  void expect_operands(std::size_t least, std::size_t most);
  void expect_operands(std::size_t count) { expect_operands(count, count); }

  [[noreturn]] void syntax(const std::string& message) const { fail_syntax(statement.line, message); }
  [[noreturn]] void unsupported(const std::string& message) const { fail_unsupported(statement.line, message); }
  /// Goes on to a further instruction for the statement, unless the current one is still untouched.
  void next();
  /// The handler, or a fault when there is none for this combination.
  void handler(Handler handler);
  void family(const std::string& name);
  /// How definedness flows through it.
  void flow(Flow rule, int what = 0, Type type = Type::none);
  /// Flow::move: masks of operands.
  void moves(unsigned data, unsigned controls = 0);

  /// The virtual register an operand names.
  std::uint32_t vreg(const Operand& operand);
  /// A destination register of exactly the type's size; 0 bytes: a predicate.
  void destination(int field, const Operand& operand, int bytes);
  /// A source: register of exactly this size, or an immediate.
  void source(int field, const Operand& operand, Type type);
  /// A source that may be wider than the type; returns the register's bytes.
  int wide_source(int field, const Operand& operand, Type type);
  int wide_destination(int field, const Operand& operand, Type type);
  /// A predicate; returns whether it is negated.
  bool predicate(int field, const Operand& operand);
  void constant(int field, std::uint64_t value, int bytes);
  [[nodiscard]] bool is_sink(const Operand& operand) const {
    return operand.kind == Operand::Kind::name && operand.name == "_";
  }
  /// The bits of an immediate of this type; false when the operand is none.
  bool immediate(const Operand& operand, Type type, std::uint64_t& bits) const;
  std::int64_t integer(const Operand& operand) const;
  /// An address: fills operand[field], immediate and the address flags.
  void address(int field, const Operand& operand, Space& space);
  /// A list element: destination or source of exactly these bytes.
  void list_destination(const Operand& operand, int bytes);
  void list_source(const Operand& operand, Type type);
  /// One that is read and written.
  void list_accumulator(const Operand& operand, int bytes);
  /// The space that a variable's address belongs to, and the address itself.
  std::uint64_t variable_address(const Variable& variable, Space& space);
};

using BuildFunction = void (*)(Build&);

/// One row of the table: an instruction with a set of variants.
struct Row {
  const char* opcode;
  const char* section;    ///< of the PTX ISA manual
  const char* modifiers;  ///< as Grammar reads them
  BuildFunction build;
  int operation = 0;  ///< tells a shared build function what to build
};

/// All instructions that the emulator executes.
const std::vector<Row>& instruction_table();

/// Builds `statement` into the decoder's current draft. Throws LoadError when no row fits.
void build_instruction(FunctionDecoder& decoder, const Statement& statement);

}  // namespace emulator::ptx
