#include "autotune/database/line.hpp"

#include <fmt/format.h>
// NOLINTNEXTLINE(bugprone-macro-parentheses)
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace osdn::autotune {
namespace {

constexpr std::string_view opening = R"({"checksum":")";
constexpr std::size_t digits = 16;
constexpr std::size_t body_begin = opening.size() + digits + 1;

}  // namespace

std::string hash_text(std::string_view bytes) {
  return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

std::string sealed(std::string_view body) {
  return fmt::format("{}{}\"{}\n", opening, hash_text(body), body);
}

std::optional<std::string_view> unsealed(std::string_view line) {
  if (line.size() <= body_begin || line.size() > longest_line || !line.starts_with(opening)) return std::nullopt;
  const std::string_view body = line.substr(body_begin);
  if (line[body_begin - 1] != '"' || body.front() != ',' || body.back() != '}') return std::nullopt;
  if (line.substr(opening.size(), digits) != hash_text(body)) return std::nullopt;
  return body;
}

}  // namespace osdn::autotune
