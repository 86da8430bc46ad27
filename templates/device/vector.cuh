// Global memory by 16 bytes a lane. PTX ISA: ld (9.7.9.8), st (9.7.9.11). Written out because a compiler that splits
// the vector keeps it split: four stores of 4 bytes each write quarters of sectors.
#pragma once

namespace osdn {

/// 16-byte aligned.
inline uint4 load_16(const void* from) {
  uint4 x;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
               : "l"(__cvta_generic_to_global(from))
               : "memory");
  return x;
}

/// 16-byte aligned.
inline void store_16(void* to, const uint4& x) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};"
               :
               : "l"(__cvta_generic_to_global(to)), "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w)
               : "memory");
}

}  // namespace osdn
