#include "ptx/parser.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

namespace emulator::ptx {
namespace {

constexpr std::size_t kMaxVariableBytes = std::size_t{1} << 32;
constexpr std::uint64_t kMaxInitialisers = 1 << 24;
constexpr int kMaxNesting = 64;

using Kind = Token::Kind;

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(tokenize(text)) {}

  ModuleSyntax run() {
    while (peek().kind != Kind::end) module_statement();
    return std::move(module_);
  }

 private:
  // --- tokens
  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(position_ + ahead, tokens_.size() - 1)];
  }
  const Token& take() {
    const Token& token = peek();
    if (position_ < tokens_.size() - 1) ++position_;
    return token;
  }
  bool accept(char c) {
    if (!peek().is(c)) return false;
    take();
    return true;
  }
  bool accept_dotted(std::string_view name) {
    if (!peek().is_dotted(name)) return false;
    take();
    return true;
  }
  [[noreturn]] void fail(const std::string& message) const {
    throw LoadError(LoadError::Kind::syntax, peek().line, message);
  }
  [[noreturn]] void unsupported(const std::string& message) const {
    throw LoadError(LoadError::Kind::unsupported, peek().line, message);
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("expected '") + c + "' before " + quoted(peek().text));
  }
  std::string_view word(const char* what) {
    if (peek().kind != Kind::word) fail(std::string("expected ") + what + " before " + quoted(peek().text));
    return take().text;
  }
  std::uint64_t integer(const char* what) {
    if (peek().kind != Kind::integer) {
      fail(std::string("expected ") + what + " before " + quoted(peek().text));
    }
    return take().value;
  }

  // --- module level
  void module_statement() {
    if (accept(';')) return;
    const Token& token = peek();
    if (token.kind != Kind::dotted) fail("expected a directive before " + quoted(token.text));
    if (accept_dotted("version")) {
      version();
    } else if (accept_dotted("target")) {
      module_.target = word("a target");
      while (accept(',')) word("a target option");
    } else if (accept_dotted("address_size")) {
      if (integer("the address size") != 64) unsupported("only .address_size 64 is supported");
    } else if (accept_dotted("pragma")) {
      skip_to_semicolon();
    } else {
      definition();
    }
  }

  void version() {
    // The lexer reads 8.4 as a decimal literal.
    if (peek().kind != Kind::real64) fail("expected a version number");
    const std::string_view text = peek().text;
    int digits[2] = {0, 0};
    std::size_t part = 0;
    for (const char c : text) {
      if (c == '.') {
        part = 1;
      } else if (c >= '0' && c <= '9') {
        digits[part] = std::min(digits[part] * 10 + (c - '0'), 99);
      } else {
        fail("expected a version number");
      }
    }
    module_.version = digits[0] * 10 + digits[1];
    take();
  }

  void skip_to_semicolon() {
    while (peek().kind != Kind::end && !peek().is(';')) take();
    expect(';');
  }

  void definition() {
    bool external = false;
    for (;;) {
      if (accept_dotted("extern")) {
        external = true;
      } else if (!accept_dotted("visible") && !accept_dotted("weak") && !accept_dotted("common")) {
        break;
      }
    }
    if (accept_dotted("entry")) return function(true);
    if (accept_dotted("func")) return function(false);
    if (const auto space = variable_space()) {
      for (Variable& variable : variables(*space)) {
        variable.external = external;
        module_.variables.push_back(std::move(variable));
      }
      return;
    }
    unsupported("the directive ." + std::string(peek().text) + " is not supported");
  }

  std::optional<Space> variable_space() {
    if (accept_dotted("global")) return Space::global;
    if (accept_dotted("const")) return Space::constant;
    if (accept_dotted("shared")) return Space::shared;
    if (accept_dotted("local")) return Space::local;
    if (accept_dotted("param")) return Space::parameter;
    return std::nullopt;
  }

  /// .align, .attribute and the type, in front of one or more names.
  Variable variable_type(Space space) {
    Variable result;
    result.space = space;
    bool typed = false;
    while (peek().kind == Kind::dotted) {
      const Token& token = peek();
      if (accept_dotted("align")) {
        const std::uint64_t alignment = integer("an alignment");
        if (!std::has_single_bit(alignment) || alignment > 4096) fail("an alignment that is not a power of two");
        result.alignment = std::max<std::size_t>(result.alignment, alignment);
      } else if (accept_dotted("attribute")) {
        expect('(');
        while (peek().kind != Kind::end && !peek().is(')')) take();
        expect(')');
      } else if (token.text == "ptr") {
        pointer_attributes();
      } else if (const auto type = type_named(token.text)) {
        take();
        result.type = *type;
        typed = true;
      } else {
        unsupported("." + std::string(token.text) + " in a variable's declaration is not supported");
      }
    }
    if (!typed || size_of(result.type) == 0) fail("a variable without a type of known size");
    result.alignment = std::max<std::size_t>(result.alignment, static_cast<std::size_t>(size_of(result.type)));
    return result;
  }

  /// .ptr .global .align 16 behind a parameter's type: a promise about the pointer, nothing to execute.
  void pointer_attributes() {
    take();
    variable_space();
    if (accept_dotted("align")) integer("an alignment");
  }

  void variable_name(Variable& variable) {
    variable.line = peek().line;
    variable.name = word("a variable's name");
    while (accept('[')) {
      variable.array = true;
      if (accept(']')) {
        variable.unsized = true;
        variable.elements = 0;
        continue;
      }
      const std::uint64_t extent = integer("an array extent");
      if (extent > kMaxVariableBytes || variable.elements * extent > kMaxVariableBytes) fail("an array too large");
      variable.elements *= extent;
      expect(']');
    }
    if (accept('=')) initialisers(variable);
    if (variable.unsized && !variable.initial.empty()) variable.elements = variable.initial.size();
    if (variable.bytes() > kMaxVariableBytes) fail("a variable too large");
    if (variable.initial.size() > variable.elements) fail("more initial values than elements");
  }

  std::vector<Variable> variables(Space space) {
    const Variable type = variable_type(space);
    std::vector<Variable> result;
    do {
      Variable variable = type;
      variable_name(variable);
      result.push_back(std::move(variable));
    } while (accept(','));
    expect(';');
    return result;
  }

  void initialisers(Variable& variable) {
    int depth = 0;
    do {
      while (accept('{')) {
        if (++depth > kMaxNesting) fail("initial values nested too deep");
      }
      if (!(depth > 0 && peek().is('}'))) {
        if (variable.initial.size() >= kMaxInitialisers) fail("too many initial values");
        variable.initial.push_back(initial_value());
      }
      while (depth > 0 && accept('}')) --depth;
    } while (depth > 0 && accept(','));
    if (depth != 0) fail("initial values are not closed");
  }

  Initial initial_value() {
    Initial result;
    const bool minus = accept('-');
    const Token& token = take();
    switch (token.kind) {
      case Kind::integer:
        result.value = minus ? 0 - token.value : token.value;
        break;
      case Kind::real32:
        result.value = token.value;
        result.real32 = true;
        break;
      case Kind::real64:
        result.value = minus ? token.value ^ (std::uint64_t{1} << 63) : token.value;
        result.real64 = true;
        break;
      case Kind::word:
        result.symbol = token.text;
        if (token.text == "generic" && accept('(')) {
          result.symbol = word("a variable");
          expect(')');
        }
        break;
      default:
        fail("expected an initial value");
    }
    while (peek().is('+') || peek().is('-')) {
      const bool subtract = take().is('-');
      const std::uint64_t offset = integer("an offset");
      result.value += subtract ? 0 - offset : offset;
    }
    return result;
  }

  // --- functions
  std::vector<Variable> parameter_list() {
    std::vector<Variable> result;
    expect('(');
    while (!accept(')')) {
      if (!result.empty()) expect(',');
      if (peek().is_dotted("reg")) unsupported("parameters in registers are not supported");
      if (!accept_dotted("param")) fail("expected .param");
      Variable variable = variable_type(Space::parameter);
      variable_name(variable);
      result.push_back(std::move(variable));
    }
    return result;
  }

  void function(bool entry) {
    Function result;
    result.entry = entry;
    result.line = peek().line;
    if (!entry && peek().is('(')) result.results = parameter_list();
    result.name = word("a function's name");
    if (peek().is('(')) result.parameters = parameter_list();
    performance_directives(result);
    if (accept(';')) {
      module_.functions.push_back(std::move(result));
      return;
    }
    expect('{');
    result.defined = true;
    function_ = &result;
    result.scopes.emplace_back();
    scope_ = 0;
    body();
    module_.functions.push_back(std::move(result));
  }

  void performance_directives(Function& result) {
    while (peek().kind == Kind::dotted) {
      const std::string_view name = take().text;
      std::uint64_t product = 1;
      while (peek().kind == Kind::integer) {
        const std::uint64_t extent = std::min<std::uint64_t>(take().value, 1 << 20);
        product = std::min<std::uint64_t>(product * extent, 1 << 20);
        if (!accept(',')) break;
      }
      if (peek().kind == Kind::string) {  // .pragma
        take();
        accept(';');
      }
      static constexpr std::array<std::string_view, 11> known{
          "maxntid", "reqntid",           "minnctapersm",    "maxnreg",        "maxnctapersm",     "noreturn",
          "pragma",  "reqnctapercluster", "explicitcluster", "maxclusterrank", "blocksareclusters"};
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        unsupported("the directive ." + std::string(name) + " is not supported");
      }
      if (name == "maxntid" || name == "reqntid") result.max_threads = product;
    }
  }

  void body() {
    int depth = 0;
    for (;;) {
      if (peek().kind == Kind::end) fail("a function's body is not closed");
      if (accept('}')) {
        if (depth-- == 0) return;
        scope_ = function_->scopes[static_cast<std::size_t>(scope_)].parent;
      } else if (accept('{')) {
        if (++depth > kMaxNesting) fail("blocks nested too deep");
        Scope scope;
        scope.parent = scope_;
        scope_ = static_cast<int>(function_->scopes.size());
        function_->scopes.push_back(std::move(scope));
      } else {
        statement();
      }
    }
  }

  Scope& scope() { return function_->scopes[static_cast<std::size_t>(scope_)]; }

  void statement() {
    if (accept(';')) return;
    const Token& token = peek();
    if (token.kind == Kind::dotted) return directive();
    if (token.kind == Kind::word && peek(1).is(':')) return label();
    instruction();
  }

  void directive() {
    if (accept_dotted("reg")) return registers();
    if (accept_dotted("pragma")) return skip_to_semicolon();
    const bool external = accept_dotted("extern");
    if (const auto space = variable_space()) {
      for (Variable& variable : variables(*space)) {
        variable.external = external;
        const std::string_view name = variable.name;
        if (!scope().variables.emplace(name, std::move(variable)).second) {
          fail(quoted(name) + " is declared twice");
        }
      }
      return;
    }
    unsupported("the directive ." + std::string(peek().text) + " is not supported");
  }

  void registers() {
    Type type = Type::none;
    while (peek().kind == Kind::dotted) {
      if (peek().text == "v2" || peek().text == "v4") unsupported("vector registers are not supported");
      const auto named = type_named(peek().text);
      if (!named) fail("." + std::string(peek().text) + " is not a register type");
      type = *named;
      take();
    }
    if (type == Type::none) fail("registers without a type");
    do {
      Registers family;
      family.type = type;
      family.prefix = word("a register's name");
      if (accept('<')) {
        family.count = integer("a register count");
        expect('>');
        if (family.count == 0) continue;
      }
      scope().registers.push_back(family);
    } while (accept(','));
    expect(';');
  }

  void label() {
    Statement result;
    result.kind = Statement::Kind::label;
    result.line = peek().line;
    result.scope = scope_;
    result.opcode = take().text;
    expect(':');
    if (accept_dotted("branchtargets") || accept_dotted("calltargets")) {
      result.kind = Statement::Kind::branch_targets;
      do {
        Operand target;
        target.name = word("a label");
        result.operands.push_back(target);
      } while (accept(','));
      expect(';');
    } else if (accept_dotted("callprototype")) {
      result.kind = Statement::Kind::call_prototype;
      skip_to_semicolon();
    }
    const int index = static_cast<int>(function_->statements.size());
    if (!scope().labels.emplace(result.opcode, index).second) {
      fail("the label " + quoted(result.opcode) + " is declared twice");
    }
    function_->statements.push_back(std::move(result));
  }

  void instruction() {
    Statement result;
    result.line = peek().line;
    result.scope = scope_;
    if (accept('@')) {
      result.guard_negated = accept('!');
      result.guard = word("a predicate");
    }
    result.opcode = word("an instruction");
    while (peek().kind == Kind::dotted) result.modifiers.push_back(take().text);
    while (!peek().is(';')) {
      if (!result.operands.empty()) expect(',');
      result.operands.push_back(operand(0));
    }
    expect(';');
    function_->statements.push_back(std::move(result));
  }

  // --- operands
  Operand operand(int depth) {
    if (depth > 4) fail("operands nested too deep");
    Operand result;
    if (accept('{')) return sequence(Operand::Kind::vector, '}', depth);
    if (accept('(')) return sequence(Operand::Kind::list, ')', depth);
    if (accept('[')) return address(depth);
    result.negated = accept('!');
    const bool minus = accept('-');
    if (!minus) accept('+');
    const Token& token = take();
    switch (token.kind) {
      case Kind::integer:
        result.kind = Operand::Kind::integer;
        result.value = static_cast<std::int64_t>(minus ? 0 - token.value : token.value);
        return result;
      case Kind::real32:
        result.kind = Operand::Kind::real32;
        result.value = static_cast<std::int64_t>(token.value ^ (minus ? std::uint64_t{1} << 31 : 0));
        return result;
      case Kind::real64:
        result.kind = Operand::Kind::real64;
        result.value = static_cast<std::int64_t>(token.value ^ (minus ? std::uint64_t{1} << 63 : 0));
        return result;
      case Kind::word:
        result.minus = minus;
        return named_operand(result, token.text);
      default:
        fail("expected an operand before " + quoted(token.text));
    }
  }

  Operand named_operand(Operand result, std::string_view name) {
    result.name = name;
    if (peek().kind == Kind::dotted && peek().line == tokens_[position_ - 1].line) result.suffix = take().text;
    if (accept('+')) {  // mov.u64 %rd1, variable+8
      result.value = static_cast<std::int64_t>(integer("an offset"));
    } else if (accept('|')) {
      Operand pair;
      pair.kind = Operand::Kind::pair;
      pair.elements.push_back(result);
      Operand second;
      second.name = word("a predicate");
      pair.elements.push_back(second);
      return pair;
    }
    return result;
  }

  Operand sequence(Operand::Kind kind, char close, int depth) {
    Operand result;
    result.kind = kind;
    while (!accept(close)) {
      if (!result.elements.empty()) expect(',');
      if (result.elements.size() >= 4096) fail("too many operands");
      result.elements.push_back(operand(depth + 1));
    }
    return result;
  }

  Operand address(int depth) {
    Operand result;
    result.kind = Operand::Kind::address;
    if (peek().kind == Kind::word) {
      result.name = take().text;
    } else {
      const bool minus = accept('-');
      const std::uint64_t value = integer("an address");
      result.value = static_cast<std::int64_t>(minus ? 0 - value : value);
    }
    while (peek().is('+') || peek().is('-')) {
      bool subtract = take().is('-');
      if (accept('-')) subtract = !subtract;
      const std::uint64_t offset = integer("an offset");
      result.value =
          static_cast<std::int64_t>(static_cast<std::uint64_t>(result.value) + (subtract ? 0 - offset : offset));
    }
    while (accept(',')) {
      if (result.elements.size() >= 16) fail("too many operands");
      result.elements.push_back(operand(depth + 1));
    }
    expect(']');
    return result;
  }

  std::vector<Token> tokens_;
  std::size_t position_ = 0;
  ModuleSyntax module_;
  Function* function_ = nullptr;
  int scope_ = 0;
};

}  // namespace

ModuleSyntax parse(std::string_view text) {
  return Parser(text).run();
}

}  // namespace emulator::ptx
