#include "driver/json_text.hpp"

#include <fmt/format.h>

namespace emulator {

std::string quoted_json(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += fmt::format("\\{}", c);
    } else if (byte < 0x20) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(byte));
    } else {
      result += byte < 0x80 ? c : '?';
    }
  }
  return result + '"';
}

}  // namespace emulator
