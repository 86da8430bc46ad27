// Modules: directives, variables and functions (PTX ISA 11).
#include "ptx/parser.hpp"

namespace emulator::ptx {
namespace {

using Kind = Token::Kind;

class Parser {
 public:
  explicit Parser(std::string_view text) : cursor_(text) {}

  ModuleSyntax run() {
    while (!cursor_.at_end()) module_statement();
    return std::move(module_);
  }

 private:
  void module_statement() {
    if (cursor_.accept(';')) return;
    const Token& token = cursor_.peek();
    if (token.kind != Kind::dotted) cursor_.fail("expected a directive before " + quoted(token.text));
    if (cursor_.accept_dotted("version")) {
      version();
    } else if (cursor_.accept_dotted("target")) {
      module_.target = cursor_.word("a target");
      while (cursor_.accept(',')) cursor_.word("a target option");
    } else if (cursor_.accept_dotted("address_size")) {
      if (cursor_.integer("the address size") != 64) cursor_.unsupported("only .address_size 64 is supported");
    } else if (cursor_.accept_dotted("pragma")) {
      cursor_.skip_to_semicolon();
    } else if (cursor_.accept_dotted("alias")) {
      alias();
    } else {
      definition();
    }
  }

  void version() {
    // The lexer reads 8.4 as a decimal literal.
    if (cursor_.peek().kind != Kind::real64) cursor_.fail("expected a version number");
    const std::string_view text = cursor_.peek().text;
    int digits[2] = {0, 0};
    std::size_t part = 0;
    for (const char c : text) {
      if (c == '.') {
        part = 1;
      } else if (c >= '0' && c <= '9') {
        digits[part] = std::min(digits[part] * 10 + (c - '0'), 99);
      } else {
        cursor_.fail("expected a version number");
      }
    }
    module_.version = digits[0] * 10 + digits[1];
    cursor_.take();
  }

  /// .alias other, function;
  void alias() {
    const std::string_view name = cursor_.word("a function's name");
    cursor_.expect(',');
    module_.aliases.emplace(name, cursor_.word("a function's name"));
    cursor_.expect(';');
  }

  void definition() {
    bool external = false;
    bool weak = false;
    for (;;) {
      if (cursor_.accept_dotted("extern")) {
        external = true;
      } else if (cursor_.accept_dotted("weak") || cursor_.accept_dotted("common")) {
        weak = true;
      } else if (!cursor_.accept_dotted("visible")) {
        break;
      }
    }
    if (cursor_.accept_dotted("entry")) {
      module_.functions.push_back(parse_function(cursor_, true));
    } else if (cursor_.accept_dotted("func")) {
      function_attributes();
      module_.functions.push_back(parse_function(cursor_, false));
    } else if (const auto space = accept_space(cursor_)) {
      for (Variable& variable : parse_variables(cursor_, *space)) {
        variable.external = external;
        variable.weak = weak;
        module_.variables.push_back(std::move(variable));
      }
    } else {
      cursor_.unsupported("the directive ." + std::string(cursor_.peek().text) + " is not supported");
    }
  }

  /// .attribute(.unified(…)) between .func and its name.
  void function_attributes() {
    while (cursor_.accept_dotted("attribute")) {
      cursor_.expect('(');
      for (int depth = 1; depth > 0 && !cursor_.at_end();) {
        const Token& token = cursor_.take();
        depth += token.is('(') ? 1 : token.is(')') ? -1 : 0;
      }
    }
  }

  Cursor cursor_;
  ModuleSyntax module_;
};

}  // namespace

ModuleSyntax parse(std::string_view text) {
  return Parser(text).run();
}

}  // namespace emulator::ptx
