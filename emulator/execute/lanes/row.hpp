// Rows of 32 lanes. Everything here has internal linkage: each instruction set compiles its own copy.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "execute/operations.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#ifndef EMULATOR_SET
#define EMULATOR_SET baseline
#endif

namespace emulator::EMULATOR_SET {
namespace {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s8 = std::int8_t;
using s16 = std::int16_t;
using s32 = std::int32_t;
using s64 = std::int64_t;

template <class T>
inline T* row(const Warp& warp, RowOperand operand) {
  return reinterpret_cast<T*>(warp.base[static_cast<unsigned>(operand) & 1u] + (operand & ~1));
}

inline u32& mask_row(const Warp& warp, RowOperand operand) {
  return *row<u32>(warp, operand);
}

/// Writes the lanes of `mask`; `result` never overlaps a register.
template <class T>
inline void commit(T* __restrict destination, const T* __restrict result, u32 mask) {
  if (mask == kAllLanes) {
    std::memcpy(destination, result, kLanes * sizeof(T));
    return;
  }
  for (unsigned i = 0; i < kLanes; ++i) {
    destination[i] = (mask & (1u << i)) != 0 ? result[i] : destination[i];
  }
}

inline void commit_mask(u32& destination, u32 value, u32 mask) {
  destination = (destination & ~mask) | (value & mask);
}

/// Bytes of 0 or 0xFF to a lane mask.
inline u32 pack_mask(const u8* bytes) {
#if defined(__SSE2__)
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 16));
  return static_cast<u32>(_mm_movemask_epi8(low)) | static_cast<u32>(_mm_movemask_epi8(high)) << 16;
#else
  u32 mask = 0;
  for (unsigned i = 0; i < kLanes; ++i) mask |= static_cast<u32>(bytes[i] >> 7) << i;
  return mask;
#endif
}

template <class F>
inline void for_lanes(u32 mask, F f) {
  for (; mask != 0; mask &= mask - 1) f(static_cast<unsigned>(__builtin_ctz(mask)));
}

/// d = F(a), lane by lane.
template <class D, class A, class F>
void unary(Warp& warp, const Instruction& in, u32 mask) {
  const A* a = row<A>(warp, in.operand[1]);
  alignas(64) D result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) result[i] = F::template apply<D>(a[i]);
  commit(row<D>(warp, in.operand[0]), result, mask);
}

template <class D, class A, class B, class F>
void binary(Warp& warp, const Instruction& in, u32 mask) {
  const A* a = row<A>(warp, in.operand[1]);
  const B* b = row<B>(warp, in.operand[2]);
  alignas(64) D result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) result[i] = F::template apply<D>(a[i], b[i]);
  commit(row<D>(warp, in.operand[0]), result, mask);
}

template <class D, class A, class B, class C, class F>
void ternary(Warp& warp, const Instruction& in, u32 mask) {
  const A* a = row<A>(warp, in.operand[1]);
  const B* b = row<B>(warp, in.operand[2]);
  const C* c = row<C>(warp, in.operand[3]);
  alignas(64) D result[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) result[i] = F::template apply<D>(a[i], b[i], c[i]);
  commit(row<D>(warp, in.operand[0]), result, mask);
}

template <class T>
T read(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <class To, class From>
To bits(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To result;
  std::memcpy(&result, &value, sizeof(To));
  return result;
}

}  // namespace
}  // namespace emulator::EMULATOR_SET
