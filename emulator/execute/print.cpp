#include "execute/print.hpp"

#include <bit>
#include <cstdio>
#include <string_view>
#include <vector>

namespace emulator {
namespace {

constexpr int kMaxWidth = 4096;  // wider fields are cut: a kernel must not fill the host's memory by accident

template <class T>
std::string formatted(const std::string& directive, T value) {
  std::vector<char> buffer(2 * kMaxWidth + 512);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  const int length = std::snprintf(buffer.data(), buffer.size(), directive.c_str(), value);
#pragma GCC diagnostic pop
  return length < 0 ? std::string() : std::string(buffer.data(), std::min<std::size_t>(buffer.size() - 1, length));
}

class Format {
 public:
  Format(const std::string& text, const PrintArguments& arguments) : text_(text), arguments_(arguments) {}

  std::string run(int& count) {
    std::string result;
    while (at_ < text_.size()) {
      if (text_[at_] != '%') {
        result += text_[at_++];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '%') {
        result += '%';
        at_ += 2;
      } else {
        result += directive();
      }
    }
    count = count_;
    return result;
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  [[nodiscard]] bool one_of(std::string_view set) const {
    return at_ < text_.size() && set.find(text_[at_]) != std::string_view::npos;
  }

  /// A width or a precision: digits, or * for an argument.
  std::string number() {
    if (peek() == '*') {
      ++at_;
      ++count_;
      const int value = static_cast<int>(arguments_.next32());
      return std::to_string(std::max(-kMaxWidth, std::min(kMaxWidth, value)));
    }
    int value = 0;
    bool any = false;
    for (; one_of("0123456789"); ++at_) {
      value = std::min(kMaxWidth, value * 10 + (text_[at_] - '0'));
      any = true;
    }
    return any ? std::to_string(value) : std::string();
  }

  /// %[flags][width][.precision][size]type, as the CUDA C++ Programming Guide lists them under formatted output.
  std::string directive() {
    const std::size_t begin = at_++;
    std::string form(1, '%');
    while (one_of("-+ #0")) form += text_[at_++];
    form += number();
    if (peek() == '.') {
      ++at_;
      const std::string precision = number();
      if (precision.empty() || precision[0] != '-') form.append(1, '.').append(precision);
    }
    std::string size;
    while (one_of("hljztL")) size += text_[at_++];
    const char type = peek();
    if (type == '\0') return text_.substr(begin);
    ++at_;
    return one(form, size, type, begin);
  }

  std::string one(const std::string& form, const std::string& size, char type, std::size_t begin) {
    const bool wide = size == "l" || size == "ll" || size == "j" || size == "z" || size == "t";
    const auto with = [&](const char* middle) { return form + middle + type; };
    ++count_;
    switch (type) {
      case 'd':
      case 'i':
        if (wide) return formatted(with("ll"), static_cast<long long>(arguments_.next64()));
        return formatted(with(size.c_str()), static_cast<int>(arguments_.next32()));
      case 'u':
      case 'o':
      case 'x':
      case 'X':
        if (wide) return formatted(with("ll"), static_cast<unsigned long long>(arguments_.next64()));
        return formatted(with(size.c_str()), arguments_.next32());
      case 'c':
        return formatted(with(""), static_cast<int>(arguments_.next32()));
      case 'a':
      case 'A':
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        return formatted(with(""), std::bit_cast<double>(arguments_.next64()));
      case 'p':
        return formatted(with(""), reinterpret_cast<void*>(arguments_.next64()));
      case 's':
        return formatted(with(""), arguments_.string(arguments_.next64()).c_str());
      default:  // not a directive: it stands for itself
        --count_;
        return text_.substr(begin, at_ - begin);
    }
  }

  const std::string& text_;
  const PrintArguments& arguments_;
  std::size_t at_ = 0;
  int count_ = 0;
};

}  // namespace

std::string format_print(const std::string& format, const PrintArguments& arguments, int& count) {
  return Format(format, arguments).run(count);
}

}  // namespace emulator
