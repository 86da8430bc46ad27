// Bytes of entries and packs: numbers of eight bytes, the low one first, and texts after their length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace osdn::runtime {

inline void append_number(std::string& to, std::uint64_t value) {
  for (int byte = 0; byte < 8; ++byte) to.push_back(static_cast<char>(value >> (8 * byte)));
}

inline void append_text(std::string& to, std::string_view text) {
  append_number(to, text.size());
  to += text;
}

/// Takes numbers and texts off the front of bytes; every step fails softly at the end of them.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  std::optional<std::uint64_t> number() {
    if (rest_.size() < 8) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t byte = 8; byte-- > 0;) value = value << 8 | static_cast<unsigned char>(rest_[byte]);
    rest_.remove_prefix(8);
    return value;
  }
  std::optional<std::string_view> field() {
    const auto length = number();
    if (!length || *length > rest_.size()) return std::nullopt;
    const std::string_view text = rest_.substr(0, *length);
    rest_.remove_prefix(*length);
    return text;
  }
  [[nodiscard]] bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace osdn::runtime
