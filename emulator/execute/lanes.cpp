// Picks the instruction set that the handlers were compiled for.
#include "execute/operations.hpp"

namespace emulator {

namespace baseline {
extern const Lanes table;
}
#if defined(EMULATOR_HAS_AVX2)
namespace avx2 {
extern const Lanes table;
}
#endif
#if defined(EMULATOR_HAS_AVX512)
namespace avx512 {
extern const Lanes table;
}
#endif

namespace {

const Lanes& pick() {
#if defined(EMULATOR_HAS_AVX512)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2")) {
    return avx512::table;
  }
#endif
#if defined(EMULATOR_HAS_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
    return avx2::table;
  }
#endif
  return baseline::table;
}

}  // namespace

const Lanes& lanes() {
  static const Lanes& chosen = pick();
  return chosen;
}

}  // namespace emulator
