// Global memory by 16 bytes a lane. PTX ISA: ld (9.7.9.8), st (9.7.9.11). Written out because a compiler that splits
// the vector keeps it split: four stores of 4 bytes each write quarters of sectors.
#pragma once

namespace osdn {

/// An address that its offsets are added to as they stand: pointers would be scaled and added up anew for each.
inline unsigned long long global_address(const void* pointer) {
  return __cvta_generic_to_global(pointer);
}

/// 16-byte aligned.
inline uint4 load_16(unsigned long long address) {
  uint4 x;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
               : "l"(address)
               : "memory");
  return x;
}

/// 16-byte aligned.
inline void store_16(unsigned long long address, const uint4& x) {
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};"
               :
               : "l"(address), "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w)
               : "memory");
}

}  // namespace osdn
