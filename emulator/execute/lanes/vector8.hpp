// Eight floats, in the registers of whichever instruction set this is compiled for.
#pragma once

#include "execute/lanes/row.hpp"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#endif

namespace emulator::EMULATOR_SET {
namespace {

#if defined(__AVX2__) && defined(__FMA__)

struct Vector8 {
  __m256 v;
  /// Four floats from each of two places.
  static Vector8 load(const float* low, const float* high) {
    return {_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1)};
  }
  void store(float* low, float* high) const {
    _mm_storeu_ps(low, _mm256_castps256_ps128(v));
    _mm_storeu_ps(high, _mm256_extractf128_ps(v, 1));
  }
  /// this + scale * row. The product of two tensor operands is exact, so that fusing changes nothing.
  void add_scaled(float scale, const Vector8& line) { v = _mm256_fmadd_ps(_mm256_set1_ps(scale), line.v, v); }
};

#elif defined(__SSE2__)

struct Vector8 {
  __m128 low_, high_;
  static Vector8 load(const float* low, const float* high) { return {_mm_loadu_ps(low), _mm_loadu_ps(high)}; }
  void store(float* low, float* high) const {
    _mm_storeu_ps(low, low_);
    _mm_storeu_ps(high, high_);
  }
  void add_scaled(float scale, const Vector8& line) {
    const __m128 s = _mm_set1_ps(scale);
    low_ = _mm_add_ps(low_, _mm_mul_ps(s, line.low_));
    high_ = _mm_add_ps(high_, _mm_mul_ps(s, line.high_));
  }
};

#else

struct Vector8 {
  float v[8];
  static Vector8 load(const float* low, const float* high) {
    Vector8 r;
    std::memcpy(r.v, low, 16);
    std::memcpy(r.v + 4, high, 16);
    return r;
  }
  void store(float* low, float* high) const {
    std::memcpy(low, v, 16);
    std::memcpy(high, v + 4, 16);
  }
  void add_scaled(float scale, const Vector8& line) {
    for (unsigned i = 0; i < 8; ++i) v[i] += scale * line.v[i];
  }
};

#endif

/// to[j][i] = from[i][j] for 4 x 4 floats whose lines lie `from_step` and `to_step` floats apart.
inline void transpose4(const float* from, unsigned from_step, float* to, unsigned to_step) {
#if defined(__SSE2__)
  __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + from_step), c = _mm_loadu_ps(from + 2 * from_step),
         d = _mm_loadu_ps(from + 3 * from_step);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(to, a);
  _mm_storeu_ps(to + to_step, b);
  _mm_storeu_ps(to + 2 * to_step, c);
  _mm_storeu_ps(to + 3 * to_step, d);
#else
  for (unsigned i = 0; i < 4; ++i) {
    for (unsigned j = 0; j < 4; ++j) to[j * to_step + i] = from[i * from_step + j];
  }
#endif
}

/// to[8 j + i] = lines[i][j] for 8 x 8 halves.
inline void transpose8(const u8* const* lines, u16* to) {
#if defined(__SSE2__)
  __m128i r[8], s[8];
  for (unsigned i = 0; i < 8; ++i) r[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(lines[i]));
  for (unsigned i = 0; i < 4; ++i) {
    s[2 * i] = _mm_unpacklo_epi16(r[2 * i], r[2 * i + 1]);
    s[2 * i + 1] = _mm_unpackhi_epi16(r[2 * i], r[2 * i + 1]);
  }
  for (unsigned i = 0; i < 2; ++i) {
    r[4 * i] = _mm_unpacklo_epi32(s[4 * i], s[4 * i + 2]);
    r[4 * i + 1] = _mm_unpackhi_epi32(s[4 * i], s[4 * i + 2]);
    r[4 * i + 2] = _mm_unpacklo_epi32(s[4 * i + 1], s[4 * i + 3]);
    r[4 * i + 3] = _mm_unpackhi_epi32(s[4 * i + 1], s[4 * i + 3]);
  }
  for (unsigned i = 0; i < 4; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16 * i), _mm_unpacklo_epi64(r[i], r[4 + i]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16 * i + 8), _mm_unpackhi_epi64(r[i], r[4 + i]));
  }
#else
  for (unsigned i = 0; i < 8; ++i) {
    for (unsigned j = 0; j < 8; ++j) to[8 * j + i] = read<u16>(lines[i] + 2 * j);
  }
#endif
}

}  // namespace
}  // namespace emulator::EMULATOR_SET
