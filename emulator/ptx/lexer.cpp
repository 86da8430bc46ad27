#include "ptx/lexer.hpp"

#include <bit>
#include <cstdlib>

namespace emulator::ptx {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool starts_word(char c) {
  return is_letter(c) || c == '_' || c == '$' || c == '%';
}
bool continues_word(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || c == '$';
}

int digit_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    while (skip_space()) next();
    Token end;
    end.line = line_;
    tokens_.push_back(end);
    return std::move(tokens_);
  }

 private:
  [[nodiscard]] char peek(std::size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }

  [[noreturn]] void fail(const std::string& message) const { throw LoadError(LoadError::Kind::syntax, line_, message); }

  /// Moves to the next word; false at the end of the text.
  bool skip_space() {
    while (position_ < text_.size()) {
      const char c = text_[position_];
      if (c == '\n') {
        ++line_;
        ++position_;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
        ++position_;
      } else if (c == '/' && peek(1) == '/') {
        skip_line();
      } else if (c == '/' && peek(1) == '*') {
        skip_block_comment();
      } else if (c == '\0' && text_.find_first_not_of('\0', position_) == std::string_view::npos) {
        return false;  // C strings are often handed over with their terminator
      } else {
        return true;
      }
    }
    return false;
  }

  void skip_line() {
    const std::size_t end = text_.find('\n', position_);
    position_ = end == std::string_view::npos ? text_.size() : end;
  }

  void skip_block_comment() {
    const std::size_t end = text_.find("*/", position_ + 2);
    if (end == std::string_view::npos) fail("a comment is not closed");
    for (; position_ < end; ++position_) line_ += text_[position_] == '\n' ? 1 : 0;
    position_ = end + 2;
  }

  void push(Token::Kind kind, std::size_t begin, std::uint64_t value = 0) {
    tokens_.push_back({kind, line_, text_.substr(begin, position_ - begin), value});
  }

  void next() {
    const char c = peek();
    if (starts_word(c)) {
      const std::size_t begin = position_++;
      while (continues_word(peek())) ++position_;
      push(Token::Kind::word, begin);
    } else if (is_digit(c)) {
      number();
    } else if (c == '.' && (is_letter(peek(1)) || peek(1) == '_' || is_digit(peek(1)))) {
      dotted();
    } else if (c == '"') {
      string();
    } else if (std::string_view(",;:()[]{}<>=+-*/%!~|&^@?").find(c) != std::string_view::npos) {
      ++position_;
      push(Token::Kind::punctuation, position_ - 1);
    } else {
      fail("a character that is not part of PTX: code " + std::to_string(static_cast<unsigned char>(c)));
    }
  }

  void dotted() {
    const std::size_t begin = ++position_;
    while (continues_word(peek()) || (peek() == ':' && peek(1) == ':' && continues_word(peek(2)))) {
      position_ += peek() == ':' ? 2 : 1;
    }
    const std::string_view name = text_.substr(begin, position_ - begin);
    const bool starts_statement = tokens_.empty() || tokens_.back().is(';') || tokens_.back().is('{') ||
                                  tokens_.back().is('}') || tokens_.back().is(':') || tokens_.back().line != line_;
    if (starts_statement && (name == "loc" || name == "file")) {
      skip_line();
    } else if (starts_statement && name == "section") {
      skip_section();
    } else {
      push(Token::Kind::dotted, begin);
    }
  }

  void skip_section() {
    const std::size_t open = text_.find('{', position_);
    const std::size_t close = open == std::string_view::npos ? open : text_.find('}', open);
    if (close == std::string_view::npos) fail("a .section is not closed");
    for (; position_ <= close; ++position_) line_ += text_[position_] == '\n' ? 1 : 0;
  }

  void string() {
    const std::size_t begin = ++position_;
    while (position_ < text_.size() && peek() != '"' && peek() != '\n') position_ += peek() == '\\' ? 2 : 1;
    if (peek() != '"') fail("a string is not closed");
    push(Token::Kind::string, begin);
    ++position_;
  }

  void number() {
    const std::size_t begin = position_;
    const char second = peek(1);
    if (peek() == '0' && (second == 'f' || second == 'F') && digit_value(peek(2)) < 16) return hex_real(8, begin);
    if (peek() == '0' && (second == 'd' || second == 'D') && digit_value(peek(2)) < 16) return hex_real(16, begin);
    int base = 10;
    if (peek() == '0' && (second == 'x' || second == 'X')) {
      base = 16;
      position_ += 2;
    } else if (peek() == '0' && (second == 'b' || second == 'B')) {
      base = 2;
      position_ += 2;
    } else if (peek() == '0' && is_digit(second)) {
      base = 8;
    } else if (decimal_real(begin)) {
      return;
    }
    const std::size_t digits = position_;
    std::uint64_t value = 0;
    while (digit_value(peek()) < base) {
      value = value * static_cast<unsigned>(base) + static_cast<unsigned>(digit_value(peek()));
      ++position_;
    }
    if (position_ == digits) fail("a number without digits");
    if (peek() == 'U') ++position_;
    if (continues_word(peek())) fail("a number runs into a word");
    push(Token::Kind::integer, begin, value);
  }

  void hex_real(int digits, std::size_t begin) {
    position_ += 2;
    std::uint64_t value = 0;
    for (int i = 0; i < digits; ++i, ++position_) {
      if (digit_value(peek()) >= 16) fail("a floating-point literal with too few hexadecimal digits");
      value = value << 4 | static_cast<unsigned>(digit_value(peek()));
    }
    if (continues_word(peek())) fail("a floating-point literal with too many hexadecimal digits");
    push(digits == 8 ? Token::Kind::real32 : Token::Kind::real64, begin, value);
  }

  /// 1.5, 2e-3: reads it if it is one.
  bool decimal_real(std::size_t begin) {
    std::size_t end = position_;
    bool real = false;
    auto digits = [&] {
      while (end < text_.size() && is_digit(text_[end])) ++end;
    };
    digits();
    if (end < text_.size() && text_[end] == '.') {
      real = true;
      ++end;
      digits();
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      real = true;
      ++end;
      if (end < text_.size() && (text_[end] == '+' || text_[end] == '-')) ++end;
      digits();
    }
    if (!real) return false;
    position_ = end;
    const double value = std::strtod(std::string(text_.substr(begin, end - begin)).c_str(), nullptr);
    push(Token::Kind::real64, begin, std::bit_cast<std::uint64_t>(value));
    return true;
  }

  std::string_view text_;
  std::size_t position_ = 0;
  int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::string quoted(std::string_view name) {
  std::string result(1, '\'');
  result.append(name).append(1, '\'');
  return result;
}

std::vector<Token> tokenize(std::string_view text) {
  return Lexer(text).run();
}

}  // namespace emulator::ptx
