// Functions: what stands before the body, declarations, labels and instructions (PTX ISA 11.3, 4.3).
#include <array>

#include "ptx/parser.hpp"

namespace emulator::ptx {
namespace {

using Kind = Token::Kind;

constexpr std::uint64_t kMaxThreads = 1 << 20;

void performance_directives(Cursor& cursor, Function& result) {
  while (cursor.peek().kind == Kind::dotted) {
    const std::string_view name = cursor.take().text;
    std::uint64_t product = 1;
    std::array<unsigned, 3> extents{1, 1, 1};
    for (std::size_t axis = 0; cursor.peek().kind == Kind::integer; ++axis) {
      const std::uint64_t extent = std::min(cursor.take().value, kMaxThreads);
      product = std::min(product * extent, kMaxThreads);
      if (axis < extents.size()) extents[axis] = static_cast<unsigned>(extent);
      if (!cursor.accept(',')) break;
    }
    if (cursor.peek().kind == Kind::string) {  // .pragma
      cursor.take();
      cursor.accept(';');
    }
    static constexpr std::array<std::string_view, 14> known{"maxntid",
                                                            "reqntid",
                                                            "minnctapersm",
                                                            "maxnreg",
                                                            "maxnctapersm",
                                                            "noreturn",
                                                            "pragma",
                                                            "reqnctapercluster",
                                                            "explicitcluster",
                                                            "maxclusterrank",
                                                            "blocksareclusters",
                                                            "local_maxnreg",
                                                            "abi_preserve",
                                                            "abi_preserve_control"};
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      cursor.unsupported("the directive ." + std::string(name) + " is not supported");
    }
    if (name == "maxnreg") result.max_registers = product;
    if (name == "minnctapersm") result.min_blocks = std::max<std::uint64_t>(product, 1);
    if (name == "maxntid" || name == "reqntid") result.max_threads = product;
    if (name == "reqntid") result.required_threads = extents;
    if (name == "reqnctapercluster") result.cluster_blocks = static_cast<unsigned>(product);
  }
}

class Body {
 public:
  Body(Cursor& cursor, Function& function) : cursor_(cursor), function_(function) { function_.scopes.emplace_back(); }

  void run() {
    int depth = 0;
    for (;;) {
      if (cursor_.at_end()) cursor_.fail("a function's body is not closed");
      if (cursor_.accept('}')) {
        if (depth-- == 0) return;
        scope_ = function_.scopes[static_cast<std::size_t>(scope_)].parent;
      } else if (cursor_.accept('{')) {
        if (++depth > kMaxNesting) cursor_.fail("blocks nested too deep");
        Scope inner;
        inner.parent = scope_;
        scope_ = static_cast<int>(function_.scopes.size());
        function_.scopes.push_back(std::move(inner));
      } else {
        statement();
      }
    }
  }

  void statement() {
    if (cursor_.accept(';')) return;
    const Token& token = cursor_.peek();
    if (token.kind == Kind::dotted) return directive();
    if (token.kind == Kind::word && cursor_.peek(1).is(':')) return label();
    instruction();
  }

 private:
  Scope& scope() { return function_.scopes[static_cast<std::size_t>(scope_)]; }

  void directive() {
    if (cursor_.accept_dotted("reg")) return registers();
    if (cursor_.accept_dotted("pragma")) return cursor_.skip_to_semicolon();
    const bool external = cursor_.accept_dotted("extern");
    if (const auto space = accept_space(cursor_)) {
      for (Variable& variable : parse_variables(cursor_, *space)) {
        variable.external = external;
        const std::string_view name = variable.name;
        if (!scope().variables.emplace(name, std::move(variable)).second) {
          cursor_.fail(quoted(name) + " is declared twice");
        }
      }
      return;
    }
    cursor_.unsupported("the directive ." + std::string(cursor_.peek().text) + " is not supported");
  }

  void registers() {
    Type type = Type::none;
    while (cursor_.peek().kind == Kind::dotted) {
      if (cursor_.peek().text == "v2" || cursor_.peek().text == "v4") {
        cursor_.unsupported("vector registers are not supported");
      }
      const auto named = type_named(cursor_.peek().text);
      if (!named) cursor_.fail(quoted(cursor_.peek().text) + " is not a register type");
      type = *named;
      cursor_.take();
    }
    if (type == Type::none) cursor_.fail("registers without a type");
    do {
      Registers family;
      family.type = type;
      family.prefix = cursor_.word("a register's name");
      if (cursor_.accept('<')) {
        family.count = cursor_.integer("a register count");
        cursor_.expect('>');
        if (family.count == 0) continue;
      }
      scope().registers.push_back(family);
    } while (cursor_.accept(','));
    cursor_.expect(';');
  }

  /// .callprototype (.param .b64 _) _ (.param .b32 _);
  void prototype(Statement& result) {
    Function form;
    form.line = result.line;
    if (cursor_.peek().is('(')) form.results = parse_parameters(cursor_);
    form.name = cursor_.word("_");
    if (cursor_.peek().is('(')) form.parameters = parse_parameters(cursor_);
    performance_directives(cursor_, form);
    cursor_.expect(';');
    result.prototype = static_cast<int>(function_.prototypes.size());
    function_.prototypes.push_back(std::move(form));
  }

  void targets(Statement& result) {
    do {
      Operand target;
      target.name = cursor_.word("a label or a function");
      result.operands.push_back(target);
    } while (cursor_.accept(','));
    cursor_.expect(';');
  }

  void label() {
    Statement result;
    result.kind = Statement::Kind::label;
    result.line = cursor_.peek().line;
    result.scope = scope_;
    result.opcode = cursor_.take().text;
    cursor_.expect(':');
    if (cursor_.accept_dotted("branchtargets")) {
      result.kind = Statement::Kind::branch_targets;
      targets(result);
    } else if (cursor_.accept_dotted("calltargets")) {
      result.kind = Statement::Kind::call_targets;
      targets(result);
    } else if (cursor_.accept_dotted("callprototype")) {
      result.kind = Statement::Kind::call_prototype;
      prototype(result);
    }
    const int index = static_cast<int>(function_.statements.size());
    if (!scope().labels.emplace(result.opcode, index).second) {
      cursor_.fail("the label " + quoted(result.opcode) + " is declared twice");
    }
    function_.statements.push_back(std::move(result));
  }

  void instruction() {
    Statement result;
    result.line = cursor_.peek().line;
    result.scope = scope_;
    if (cursor_.accept('@')) {
      result.guard_negated = cursor_.accept('!');
      result.guard = cursor_.word("a predicate");
    }
    result.opcode = cursor_.word("an instruction");
    while (cursor_.peek().kind == Kind::dotted) result.modifiers.push_back(cursor_.take().text);
    while (!cursor_.peek().is(';')) {
      if (!result.operands.empty()) cursor_.expect(',');
      result.operands.push_back(parse_operand(cursor_));
    }
    cursor_.expect(';');
    function_.statements.push_back(std::move(result));
  }

  Cursor& cursor_;
  Function& function_;
  int scope_ = 0;
};

}  // namespace

Function parse_function(Cursor& cursor, bool entry) {
  Function result;
  result.entry = entry;
  result.line = cursor.peek().line;
  if (!entry && cursor.peek().is('(')) result.results = parse_parameters(cursor);
  result.name = cursor.word("a function's name");
  if (cursor.peek().is('(')) result.parameters = parse_parameters(cursor);
  performance_directives(cursor, result);
  if (cursor.accept(';')) return result;
  cursor.expect('{');
  result.defined = true;
  Body(cursor, result).run();
  return result;
}

Function parse_fragment(std::string_view text) {
  Cursor cursor(text);
  Function result;
  Body body(cursor, result);
  while (!cursor.at_end()) body.statement();
  return result;
}

}  // namespace emulator::ptx
