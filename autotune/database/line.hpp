// One line of a database file: a JSON object whose first member is a checksum over the rest of it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace osdn::autotune {

/// A longer line is not one of ours.
inline constexpr std::size_t longest_line = std::size_t{1} << 20;

/// 16 hexadecimal digits of XXH3-64.
[[nodiscard]] std::string hash_text(std::string_view bytes);

/// `body` is an object's text from the comma before its second member to the closing brace: `,"format":1,…}`. With the
/// newline.
[[nodiscard]] std::string sealed(std::string_view body);

/// The body of a line (without its newline) whose checksum is right.
[[nodiscard]] std::optional<std::string_view> unsealed(std::string_view line);

/// Calls `visit(line, whole)` for each line that is not empty, without its newline; `whole`: it had one.
template <class Visit>
void each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (!line.empty()) visit(line, end != std::string_view::npos);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

}  // namespace osdn::autotune
