// Matrix products of a warpgroup: D (64×N, fp32, in registers) += A (64×16) · B (16×N), asynchronously. A lies in
// shared memory or in registers, B in shared memory. PTX ISA: wgmma (9.7.15), its descriptors (9.7.15.5.1.2.2).
//
// A warp holds 16 rows of D: d[4 j + i] is row g + 8 (i / 2), column 8 j + 2 t + i % 2, with g = lane / 4 and
// t = lane % 4. Columns 16 s … 16 s + 15, rounded pair by pair, are in this order the A operand of a product over these
// columns.
#pragma once

#include "device/copy.cuh"
#include "device/element.cuh"
#include "device/swizzle.cuh"

namespace osdn {

/// Says that registers and shared memory are ready for the products that follow.
inline void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
/// Closes the group of products issued since the last call.
inline void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
/// Waits until at most `pending` groups are under way.
template <int pending>
inline void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}
/// Keeps the compiler from moving uses of an accumulator over a wait, or its preparation behind a fence.
template <int N>
inline void pin(float (&d)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

/// Where a matrix of panels lies, and how a product walks over it: the 14 bits of address, the distance of panels and
/// that of groups of eight rows, each in 16 bytes, and the 128-byte swizzle.
template <int Rows>
inline unsigned long long panel_descriptor(const void* panel) {
  constexpr unsigned long long panels_apart = panel_bytes<Rows>() / 16;
  constexpr unsigned long long eight_rows = 8 * panel_row / 16;
  constexpr unsigned long long swizzle_128 = 1;
  const unsigned address = shared_address(panel);
  return (address & 0x3ffffU) >> 4 | panels_apart << 16 | eight_rows << 32 | swizzle_128 << 62;
}

/// A matrix of panels with the product's inner index along its rows ("K-major"): operand(s) begins at inner index 16 s.
template <int Rows>
struct RowOperand {
  unsigned long long first;
  explicit RowOperand(const void* panels) : first(panel_descriptor<Rows>(panels)) {}
  unsigned long long operator()(int s) const { return first + s / 4 * (panel_bytes<Rows>() / 16) + s % 4 * 2; }
};
/// The same with the inner index down its columns ("MN-major").
template <int Rows>
struct ColumnOperand {
  unsigned long long first;
  explicit ColumnOperand(const void* panels) : first(panel_descriptor<Rows>(panels)) {}
  unsigned long long operator()(int s) const { return first + s * (16 * panel_row / 16); }
};

#define OSDN_WGMMA_REGISTERS_64(TYPE)                                                                               \
  asm volatile(                                                                                                     \
      "{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"                                                                  \
      "wgmma.mma_async.sync.aligned.m64n64k16.f32." TYPE "." TYPE                                                   \
      " {"                                                                                                          \
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, "        \
      "%22, %23, %24, %25, %26, %27, %28, %29, %30, %31"                                                            \
      "}, {%32, %33, %34, %35}, %36, p, 1, 1, %38;\n}"                                                              \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), \
        "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]),      \
        "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),     \
        "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])                   \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(b_by_columns))

#define OSDN_WGMMA_SHARED_64(TYPE)                                                                                  \
  asm volatile(                                                                                                     \
      "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"                                                                  \
      "wgmma.mma_async.sync.aligned.m64n64k16.f32." TYPE "." TYPE                                                   \
      " {"                                                                                                          \
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, "        \
      "%22, %23, %24, %25, %26, %27, %28, %29, %30, %31"                                                            \
      "}, %32, %33, p, 1, 1, 0, %35;\n}"                                                                            \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), \
        "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]),      \
        "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),     \
        "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])                   \
      : "l"(a), "l"(b), "r"(accumulate), "n"(b_by_columns))

#define OSDN_WGMMA_REGISTERS_128(TYPE)                                                                              \
  asm volatile(                                                                                                     \
      "{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n"                                                                  \
      "wgmma.mma_async.sync.aligned.m64n128k16.f32." TYPE "." TYPE                                                  \
      " {"                                                                                                          \
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, "        \
      "%22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, "        \
      "%42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, "        \
      "%62, %63"                                                                                                    \
      "}, {%64, %65, %66, %67}, %68, p, 1, 1, %70;\n}"                                                              \
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), \
        "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]),      \
        "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),     \
        "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]), "+f"(d[32]),     \
        "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]),     \
        "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]),     \
        "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]),     \
        "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])                   \
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(b_by_columns))

/// d (+)= a·b over 16 inner indices, a in registers. `b_by_columns`: b is a ColumnOperand's. `accumulate` 0: d is what
/// the product is.
template <ElementType type, int b_by_columns = 0, int N>
inline void wgmma(float (&d)[N], const unsigned* a, unsigned long long b, int accumulate = 1) {
  static_assert(N == 32 || N == 64, "64 or 128 columns");
  if constexpr (N == 32 && type == ElementType::bf16) OSDN_WGMMA_REGISTERS_64("bf16");
  if constexpr (N == 32 && type == ElementType::fp16) OSDN_WGMMA_REGISTERS_64("f16");
  if constexpr (N == 64 && type == ElementType::bf16) OSDN_WGMMA_REGISTERS_128("bf16");
  if constexpr (N == 64 && type == ElementType::fp16) OSDN_WGMMA_REGISTERS_128("f16");
}

/// The same with a in shared memory.
template <ElementType type, int b_by_columns = 0, int N>
inline void wgmma(float (&d)[N], unsigned long long a, unsigned long long b, int accumulate = 1) {
  static_assert(N == 32, "64 columns");
  if constexpr (type == ElementType::bf16) OSDN_WGMMA_SHARED_64("bf16");
  if constexpr (type == ElementType::fp16) OSDN_WGMMA_SHARED_64("f16");
}

#undef OSDN_WGMMA_REGISTERS_64
#undef OSDN_WGMMA_REGISTERS_128
#undef OSDN_WGMMA_SHARED_64

}  // namespace osdn
