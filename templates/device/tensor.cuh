// The tile algebra: 16×16 blocks held by a warp, their products on tensor cores, and their ways in from shared memory.
//
// A block's elements lie in the lanes as mma.sync lays out its accumulators: with g = lane / 4 and t = lane % 4, a lane
// holds rows g and g + 8, columns 2t and 2t + 1 of each half of 8 columns (PTX ISA 9.7.14.5). A rounded accumulator is
// therefore, register by register, the A operand of the next 16-bit product; and of a TF32 product too, if its inner
// index runs through the columns in the order 0 2 4 6 1 3 5 7, which the B operand's loads then follow.
#pragma once

#include "device/copy.cuh"
#include "device/element.cuh"
#include "device/warp.cuh"

namespace osdn {

/// A 16×16 block of fp32: x[half][i] is row g + 8 (i / 2), column 8 half + 2t + i % 2.
struct Block {
  float x[2][4];
};

inline Block zero_block() {
  return Block{{{0, 0, 0, 0}, {0, 0, 0, 0}}};
}

/// Calls f(row, column, element) for this lane's elements.
template <class F>
inline void for_each_element(Block& block, F f) {
  const int row = lane_id() / 4;
  const int column = 2 * (lane_id() % 4);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int i = 0; i < 4; ++i) f(row + 8 * (i / 2), 8 * half + column + i % 2, block.x[half][i]);
  }
}

/// Four 8×8 matrices of 16-bit elements; lanes 8m … 8m + 7 point at the rows of matrix m.
inline void load_matrices(unsigned (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

inline void load_matrices_transposed(unsigned (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
}

/// d += a·b for 16×16 (a) by 16×8 (b).
template <ElementType type>
inline void mma_16x8x16(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  if constexpr (type == ElementType::bf16) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

/// Operands and products of one arithmetic; this one for 16-bit elements. Shared matrices are row-major with `Stride`
/// elements a row, and `matrix` points at the first element of the block.
template <ElementType type, Fp32Math math>
struct Tensor {
  using Storage = typename Element<type>::Storage;

  struct A {
    unsigned r[4];
  };
  struct B {
    unsigned r[4];  // columns 0–7 in r[0], r[1], columns 8–15 in r[2], r[3]
  };

  /// A = the rounded block.
  static A round(const Block& block) {
    A a;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      a.r[i] = Element<type>::pack(block.x[i / 2][2 * (i % 2)], block.x[i / 2][2 * (i % 2) + 1]);
    }
    return a;
  }

  /// A[i][c] = matrix[i][c].
  template <int Stride>
  static A load_a(const Storage* matrix) {
    A a;
    load_matrices(a.r, matrix + (lane_id() % 16) * Stride + (lane_id() / 16) * 8);
    return a;
  }

  /// B[c][n] = matrix[n][c]: the product is with the matrix transposed.
  template <int Stride>
  static B load_b_transposed(const Storage* matrix) {
    B b;
    load_matrices(b.r, matrix + (lane_id() % 8 + (lane_id() / 16) * 8) * Stride + (lane_id() / 8 % 2) * 8);
    return b;
  }

  /// B[c][n] = matrix[c][n].
  template <int Stride>
  static B load_b(const Storage* matrix) {
    B b;
    load_matrices_transposed(b.r, matrix + (lane_id() % 16) * Stride + (lane_id() / 16) * 8);
    return b;
  }

  /// Block[i][j] = matrix[j][i].
  template <int Stride>
  static Block load_transposed(const Storage* matrix) {
    unsigned r[4];
    load_matrices_transposed(r, matrix + (lane_id() % 8 + (lane_id() / 16) * 8) * Stride + (lane_id() / 8 % 2) * 8);
    Block block;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      block.x[i / 2][2 * (i % 2)] = Element<type>::to_float(static_cast<unsigned short>(r[i] & 0xffffU));
      block.x[i / 2][2 * (i % 2) + 1] = Element<type>::to_float(static_cast<unsigned short>(r[i] >> 16));
    }
    return block;
  }

  /// d += a·b
  static void multiply_add(Block& d, const A& a, const B& b) {
    mma_16x8x16<type>(d.x[0], a.r, b.r[0], b.r[1]);
    mma_16x8x16<type>(d.x[1], a.r, b.r[2], b.r[3]);
  }
};

}  // namespace osdn
