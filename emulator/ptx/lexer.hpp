// Words of a PTX text (PTX ISA 4.1 - 4.5).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace emulator::ptx {

/// Thrown while a module is parsed or decoded; load_module turns it into a Fault.
class LoadError : public std::runtime_error {
 public:
  enum class Kind { syntax, unsupported, memory };
  LoadError(Kind kind, int line, const std::string& message) : std::runtime_error(message), kind_(kind), line_(line) {}
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] int line() const { return line_; }

 private:
  Kind kind_;
  int line_;
};

/// 'name', for messages.
std::string quoted(std::string_view name);

struct Token {
  enum class Kind : std::uint8_t {
    end,
    word,         ///< identifier: add, %r1, $L__BB0_2, _Z3foov
    dotted,       ///< .reg, .global, .L1::no_allocate; the text is without the dot
    integer,      ///< value
    real32,       ///< 0f3F800000; value holds the bits
    real64,       ///< 0d… or 1.5; value holds the bits
    string,       ///< text without the quotes
    punctuation,  ///< one character
  };
  Kind kind = Kind::end;
  int line = 0;
  std::string_view text;
  std::uint64_t value = 0;

  [[nodiscard]] bool is(char c) const { return kind == Kind::punctuation && text[0] == c; }
  [[nodiscard]] bool is_dotted(std::string_view name) const { return kind == Kind::dotted && text == name; }
};

/// Cuts `text`, which must outlive the tokens. Comments vanish; so do .loc and .file lines and .section blocks, which
/// only carry debug information. The last token has kind end. Throws LoadError.
std::vector<Token> tokenize(std::string_view text);

}  // namespace emulator::ptx
