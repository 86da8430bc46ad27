// A place in the words of a PTX text, for the parsers.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ptx/lexer.hpp"

namespace emulator::ptx {

class Cursor {
 public:
  explicit Cursor(std::string_view text) : tokens_(tokenize(text)) {}

  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(position_ + ahead, tokens_.size() - 1)];
  }
  [[nodiscard]] bool at_end() const { return peek().kind == Token::Kind::end; }
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
  void expect(char c) {
    if (!accept(c)) fail(std::string("expected '") + c + "' before " + quoted(peek().text));
  }
  std::string_view word(const char* what) {
    if (peek().kind != Token::Kind::word) fail(std::string("expected ") + what + " before " + quoted(peek().text));
    return take().text;
  }
  std::uint64_t integer(const char* what) {
    if (peek().kind != Token::Kind::integer) {
      fail(std::string("expected ") + what + " before " + quoted(peek().text));
    }
    return take().value;
  }
  void skip_to_semicolon() {
    while (!at_end() && !peek().is(';')) take();
    expect(';');
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw LoadError(LoadError::Kind::syntax, peek().line, message);
  }
  [[noreturn]] void unsupported(const std::string& message) const {
    throw LoadError(LoadError::Kind::unsupported, peek().line, message);
  }

 private:
  std::vector<Token> tokens_;
  std::size_t position_ = 0;
};

}  // namespace emulator::ptx
