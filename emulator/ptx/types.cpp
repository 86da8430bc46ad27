#include "ptx/types.hpp"

#include <array>
#include <utility>

namespace emulator::ptx {

std::optional<Type> type_named(std::string_view word) {
  static constexpr std::array<std::pair<std::string_view, Type>, 23> names{{
      {"pred", Type::pred},   {"b8", Type::b8},       {"u8", Type::u8},       {"s8", Type::s8},
      {"b16", Type::b16},     {"u16", Type::u16},     {"s16", Type::s16},     {"f16", Type::f16},
      {"bf16", Type::bf16},   {"b32", Type::b32},     {"u32", Type::u32},     {"s32", Type::s32},
      {"f32", Type::f32},     {"tf32", Type::tf32},   {"f16x2", Type::f16x2}, {"bf16x2", Type::bf16x2},
      {"u16x2", Type::u16x2}, {"s16x2", Type::s16x2}, {"b64", Type::b64},     {"u64", Type::u64},
      {"s64", Type::s64},     {"f64", Type::f64},     {"b128", Type::b128},
  }};
  for (const auto& [name, type] : names) {
    if (name == word) return type;
  }
  return std::nullopt;
}

Space space_named(std::string_view word) {
  if (word == "global") return Space::global;
  if (word == "const") return Space::constant;
  if (word == "local") return Space::local;
  if (word.starts_with("shared")) return Space::shared;
  if (word.starts_with("param")) return Space::parameter;
  return Space::generic;
}

}  // namespace emulator::ptx
