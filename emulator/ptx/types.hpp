// The fundamental types of PTX (PTX ISA 5.2) as the parser and the decoder use them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace emulator::ptx {

enum class Type : std::uint8_t {
  none,
  pred,
  b8,
  u8,
  s8,
  b16,
  u16,
  s16,
  f16,
  bf16,
  b32,
  u32,
  s32,
  f32,
  tf32,
  f16x2,
  bf16x2,
  u16x2,
  s16x2,
  b64,
  u64,
  s64,
  f64,
  b128,
};

/// Bytes of a value of this type; 0 for none and pred.
constexpr int size_of(Type type) {
  switch (type) {
    case Type::none:
    case Type::pred:
      return 0;
    case Type::b8:
    case Type::u8:
    case Type::s8:
      return 1;
    case Type::b16:
    case Type::u16:
    case Type::s16:
    case Type::f16:
    case Type::bf16:
      return 2;
    case Type::b32:
    case Type::u32:
    case Type::s32:
    case Type::f32:
    case Type::tf32:
    case Type::f16x2:
    case Type::bf16x2:
    case Type::u16x2:
    case Type::s16x2:
      return 4;
    case Type::b64:
    case Type::u64:
    case Type::s64:
    case Type::f64:
      return 8;
    case Type::b128:
      return 16;
  }
  return 0;
}

constexpr bool is_signed(Type type) {
  return type == Type::s8 || type == Type::s16 || type == Type::s32 || type == Type::s64;
}

constexpr bool is_float(Type type) {
  return type == Type::f16 || type == Type::bf16 || type == Type::f32 || type == Type::tf32 || type == Type::f64;
}

/// "u32" → Type::u32; nothing when the word names no type.
std::optional<Type> type_named(std::string_view word);

/// State spaces (PTX ISA 5.1). `generic` stands for an access without a space.
enum class Space : std::uint8_t { generic, global, shared, local, constant, parameter };

/// "shared::cta" → Space::shared; generic when the word names no space.
Space space_named(std::string_view word);

}  // namespace emulator::ptx
