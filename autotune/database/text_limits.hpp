// How long the texts of a record may be: the writer cuts at what the reader takes.
#pragma once

#include <cstddef>

namespace osdn::autotune {

inline constexpr std::size_t longest_word = 64;
inline constexpr std::size_t longest_name = 256;
inline constexpr std::size_t longest_field_text = 2048;  ///< of a problem, shape or configuration
inline constexpr std::size_t longest_reason = 2000;
/// A byte that is not UTF-8 is written as U+FFFD, which takes three.
[[nodiscard]] constexpr std::size_t as_read(std::size_t written) {
  return 3 * written;
}
inline constexpr std::size_t most_finalists = 64;
inline constexpr std::size_t most_samples = 200;

[[nodiscard]] constexpr bool control_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F;
}

}  // namespace osdn::autotune
