// Structs whose first member is struct_size: between callers and libraries of different age.
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include "capi/guard.hpp"

namespace osdn::capi {

/// The shared part of the checks: what is wrong with a struct of this size, of which we know `known` bytes.
expected<void> check_size(const char* name, const void* given, std::size_t size, std::size_t known, bool zero_tail);

/// What a caller gave, with defaults for all that its version of the struct lacks.
template <class T>
expected<T> read(const char* name, const T* given, const T& defaults) {
  static_assert(std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> && sizeof(T) % 8 == 0);
  if (auto good = check_size(name, given, given == nullptr ? 0 : given->struct_size, sizeof(T), true); !good) {
    return std::move(good).error();
  }
  T out = defaults;
  std::memcpy(&out, given, given->struct_size < sizeof(T) ? given->struct_size : sizeof(T));
  out.struct_size = sizeof(T);
  return out;
}

/// Fills what a caller wants filled: as much as its version has; what is behind ours becomes 0.
template <class T>
expected<void> write(const char* name, const T& from, T* to, std::size_t size) {
  if (auto good = check_size(name, to, size, sizeof(T), false); !good) return good;
  if (size > sizeof(T)) std::memset(reinterpret_cast<char*>(to) + sizeof(T), 0, size - sizeof(T));
  std::memcpy(to, &from, size < sizeof(T) ? size : sizeof(T));
  to->struct_size = size;
  return {};
}

template <class T>
expected<void> write(const char* name, const T& from, T* to) {
  return write(name, from, to, to == nullptr ? 0 : to->struct_size);
}

}  // namespace osdn::capi
