// Element types in memory and their conversions. Rounding is to nearest even; NaN stays NaN.
// PTX ISA: cvt (9.7.9).
#pragma once

#include "osdn/axes.hpp"

namespace osdn {

template <ElementType type>
struct Element;

template <>
struct Element<ElementType::bf16> {
  using Storage = unsigned short;
  static float to_float(Storage x) { return __uint_as_float(static_cast<unsigned>(x) << 16); }
  static Storage from_float(float x) {
    Storage y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
  }
  /// Two elements in one register, the first in the low half.
  static unsigned pack(float low, float high) {
    unsigned y;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
  }
  /// At a multiple of two elements.
  static void store_pair(Storage* to, float first, float second) {
    *reinterpret_cast<unsigned*>(to) = pack(first, second);
  }
};

template <>
struct Element<ElementType::fp16> {
  using Storage = unsigned short;
  static float to_float(Storage x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
  }
  static Storage from_float(float x) {
    Storage y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
  }
  static unsigned pack(float low, float high) {
    unsigned y;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
    return y;
  }
  /// At a multiple of two elements.
  static void store_pair(Storage* to, float first, float second) {
    *reinterpret_cast<unsigned*>(to) = pack(first, second);
  }
};

template <>
struct Element<ElementType::fp32> {
  using Storage = float;
  static float to_float(Storage x) { return x; }
  static Storage from_float(float x) { return x; }
  static void store_pair(Storage* to, float first, float second) {
    *reinterpret_cast<float2*>(to) = float2{first, second};
  }
};

}  // namespace osdn
