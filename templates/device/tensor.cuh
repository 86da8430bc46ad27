// The tile algebra: 16×16 blocks held by a warp, their products on tensor cores, and their ways in from shared memory.
//
// A block's elements lie in the lanes as mma.sync lays out its accumulators: with g = lane / 4 and t = lane % 4, a lane
// holds rows g and g + 8, columns 2t and 2t + 1 of each half of 8 columns (PTX ISA 9.7.14.5). A rounded accumulator is
// therefore, register by register, the A operand of the next 16-bit product; and of a TF32 product too, if its inner
// index runs through the columns in the order 0 2 4 6 1 3 5 7, which the B operand's loads then follow.
#pragma once

#include "device/copy.cuh"
#include "device/element.cuh"
#include "device/matrices.cuh"
#include "device/warp.cuh"

namespace osdn {

/// A 16×16 block of fp32: x[half][i] is row g + 8 (i / 2), column 8 half + 2t + i % 2.
struct Block {
  float x[2][4];
};

inline Block zero_block() {
  return Block{{{0, 0, 0, 0}, {0, 0, 0, 0}}};
}

/// Row and column of this lane's first element of a block.
inline int lane_row() {
  return lane_id() / 4;
}
inline int lane_column() {
  return 2 * (lane_id() % 4);
}

/// Calls f(row, column, element) for this lane's elements, row and column counted from lane_row() and lane_column():
/// constants after unrolling, so that an address made once per matrix serves all of them.
template <class F>
inline void for_each_element(Block& block, F f) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int i = 0; i < 4; ++i) f(8 * (i / 2), 8 * half + i % 2, block.x[half][i]);
  }
}

/// The same by pairs of neighbours in a row: f(row, column of the first, pair).
template <class F>
inline void for_each_pair(const Block& block, F f) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int i = 0; i < 4; i += 2) f(8 * (i / 2), 8 * half, &block.x[half][i]);
  }
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

// One statement for ldmatrix and both products of a 16×16 block: what the compiler sees less of takes it less time, and
// the assembler schedules the three as it likes.
#define OSDN_LOAD_AND_MULTIPLY(TRANSPOSED, TYPE)                                                              \
  asm volatile(                                                                                               \
      "{\n .reg .b32 b<4>;\n"                                                                                 \
      " ldmatrix.sync.aligned.m8n8.x4" TRANSPOSED                                                             \
      ".shared.b16 {b0, b1, b2, b3}, [%12];\n"                                                                \
      " mma.sync.aligned.m16n8k16.row.col.f32." TYPE "." TYPE                                                 \
      ".f32 {%0, %1, %2, %3}, {%8, %9, %10, %11}, {b0, b1}, {%0, %1, %2, %3};\n"                              \
      " mma.sync.aligned.m16n8k16.row.col.f32." TYPE "." TYPE                                                 \
      ".f32 {%4, %5, %6, %7}, {%8, %9, %10, %11}, {b2, b3}, {%4, %5, %6, %7};\n}"                             \
      : "+f"(d.x[0][0]), "+f"(d.x[0][1]), "+f"(d.x[0][2]), "+f"(d.x[0][3]), "+f"(d.x[1][0]), "+f"(d.x[1][1]), \
        "+f"(d.x[1][2]), "+f"(d.x[1][3])                                                                      \
      : "r"(a.r[0]), "r"(a.r[1]), "r"(a.r[2]), "r"(a.r[3]), "r"(b.at(i, j))                                   \
      : "memory")

/// Operands and products of one arithmetic; this one for 16-bit elements.
///
/// Readers bring 16×16 blocks of a row-major shared matrix (`Stride` elements a row) into registers: reader(i, j) reads
/// the block at row 16 i, column 16 j. A reader keeps the lane's address, so blocks at constant places cost no address
/// arithmetic.
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

  /// A = what the rounding of the block into `rounded` lost, rounded in turn.
  static A remainder(const Block& block, const A& rounded) {
    Block lost;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float* x = &block.x[i / 2][2 * (i % 2)];
      lost.x[i / 2][2 * (i % 2)] = x[0] - Element<type>::to_float(static_cast<unsigned short>(rounded.r[i] & 0xffffU));
      lost.x[i / 2][2 * (i % 2) + 1] = x[1] - Element<type>::to_float(static_cast<unsigned short>(rounded.r[i] >> 16));
    }
    return round(lost);
  }

  /// a[r][c] = matrix[16 i + r][16 j + c]
  template <int Stride>
  struct ReadA {
    unsigned address;
    explicit ReadA(const Storage* matrix)
        : address(shared_address(matrix + (lane_id() % 16) * Stride + (lane_id() / 16) * 8)) {}
    A operator()(int i, int j) const {
      A a;
      load_matrices(a.r, address + 2 * (16 * i * Stride + 16 * j));
      return a;
    }
  };

  /// b[c][n] = matrix[16 i + n][16 j + c]: the product is with the matrix transposed.
  template <int Stride>
  struct ReadTransposedB {
    unsigned address;
    explicit ReadTransposedB(const Storage* matrix)
        : address(shared_address(matrix + (lane_id() % 8 + (lane_id() / 16) * 8) * Stride + (lane_id() / 8 % 2) * 8)) {}
    static constexpr bool transposes = false;
    unsigned at(int i, int j) const { return address + 2 * (16 * i * Stride + 16 * j); }
    B operator()(int i, int j) const {
      B b;
      load_matrices(b.r, at(i, j));
      return b;
    }
  };

  /// b[c][n] = matrix[16 i + c][16 j + n]
  template <int Stride>
  struct ReadB {
    unsigned address;
    explicit ReadB(const Storage* matrix)
        : address(shared_address(matrix + (lane_id() % 16) * Stride + (lane_id() / 16) * 8)) {}
    static constexpr bool transposes = true;
    unsigned at(int i, int j) const { return address + 2 * (16 * i * Stride + 16 * j); }
    B operator()(int i, int j) const {
      B b;
      load_matrices_transposed(b.r, at(i, j));
      return b;
    }
  };

  /// block[r][c] = matrix[16 i + c][16 j + r]
  template <int Stride>
  struct ReadTransposed {
    unsigned address;
    explicit ReadTransposed(const Storage* matrix)
        : address(shared_address(matrix + (lane_id() % 8 + (lane_id() / 16) * 8) * Stride + (lane_id() / 8 % 2) * 8)) {}
    Block operator()(int i, int j) const {
      unsigned r[4];
      load_matrices_transposed(r, address + 2 * (16 * i * Stride + 16 * j));
      Block block;
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        block.x[n / 2][2 * (n % 2)] = Element<type>::to_float(static_cast<unsigned short>(r[n] & 0xffffU));
        block.x[n / 2][2 * (n % 2) + 1] = Element<type>::to_float(static_cast<unsigned short>(r[n] >> 16));
      }
      return block;
    }
  };

  /// d += a·b
  static void multiply_add(Block& d, const A& a, const B& b) {
    mma_16x8x16<type>(d.x[0], a.r, b.r[0], b.r[1]);
    mma_16x8x16<type>(d.x[1], a.r, b.r[2], b.r[3]);
  }

  /// d += a·b, b the block (i, j) of a reader that no other product needs.
  template <class Reader>
  static void multiply_add(Block& d, const A& a, const Reader& b, int i, int j) {
    if constexpr (type == ElementType::bf16) {
      if constexpr (Reader::transposes) {
        OSDN_LOAD_AND_MULTIPLY(".trans", "bf16");
      } else {
        OSDN_LOAD_AND_MULTIPLY("", "bf16");
      }
    } else {
      if constexpr (Reader::transposes) {
        OSDN_LOAD_AND_MULTIPLY(".trans", "f16");
      } else {
        OSDN_LOAD_AND_MULTIPLY("", "f16");
      }
    }
  }
};

#undef OSDN_LOAD_AND_MULTIPLY

}  // namespace osdn
