// The tile algebra for fp32 elements: TF32 products, one or three to a product.
#pragma once

#include "device/tensor.cuh"

namespace osdn {

inline unsigned round_to_tf32(float x) {
  unsigned y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
}

/// d += a·b for 16×8 (a) by 8×8 (b).
inline void mma_16x8x8(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Towards zero, in one instruction where rounding takes eight; a NaN stays one.
inline unsigned truncate_to_tf32(float x) {
  return __float_as_uint(x) & 0xffffe000U;
}

/// N registers of an operand as TF32 numbers: rounded, or split into two whose sum has 21 bits.
template <Fp32Math math, int N>
struct Tf32Registers {
  unsigned high[N];
  unsigned low[N];  // tf32x3 only

  explicit Tf32Registers(const float (&x)[N]) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if constexpr (math == Fp32Math::tf32x3) {
        high[i] = truncate_to_tf32(x[i]);
        low[i] = truncate_to_tf32(x[i] - __uint_as_float(high[i]));
      } else {
        high[i] = round_to_tf32(x[i]);
      }
    }
  }
};

/// Operands stay fp32 until a product uses them: an accumulator that is also an operand then needs no second set of
/// registers.
template <Fp32Math math>
struct Tensor<ElementType::fp32, math> {
  using Storage = float;

  // Each slice holds 8 inner indices, in the order 0 2 4 6 1 3 5 7, in the registers that mma.sync names.
  struct A {
    float slice[2][4];
  };
  struct B {
    float slice[2][2][2];  // [half of the columns][slice]
  };

  static A round(const Block& block) {
    A a;
#pragma unroll
    for (int slice = 0; slice < 2; ++slice) {
      a.slice[slice][0] = block.x[slice][0];
      a.slice[slice][1] = block.x[slice][2];
      a.slice[slice][2] = block.x[slice][1];
      a.slice[slice][3] = block.x[slice][3];
    }
    return a;
  }

  /// B[c][n] = block[n][c], from registers: an accumulator's lanes already hold what a B operand's lanes need.
  static B transposed_b(const Block& block) {
    B b;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int slice = 0; slice < 2; ++slice) {
        b.slice[half][slice][0] = block.x[slice][2 * half];
        b.slice[half][slice][1] = block.x[slice][2 * half + 1];
      }
    }
    return b;
  }

  template <int Stride>
  struct ReadA {
    const float* lane;
    explicit ReadA(const float* matrix) : lane(matrix + lane_row() * Stride + lane_column()) {}
    A operator()(int i, int j) const {
      Block block;
      for_each_element(block,
                       [&](int row, int column, float& x) { x = lane[(16 * i + row) * Stride + 16 * j + column]; });
      return round(block);
    }
  };

  template <int Stride>
  struct ReadTransposedB {
    const float* lane;
    explicit ReadTransposedB(const float* matrix) : lane(matrix + lane_row() * Stride + lane_column()) {}
    B operator()(int i, int j) const {
      B b;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
#pragma unroll
        for (int slice = 0; slice < 2; ++slice) {
          const float2 pair =
              *reinterpret_cast<const float2*>(lane + (16 * i + 8 * half) * Stride + 16 * j + 8 * slice);
          b.slice[half][slice][0] = pair.x;
          b.slice[half][slice][1] = pair.y;
        }
      }
      return b;
    }
  };

  template <int Stride>
  struct ReadB {
    const float* lane;
    explicit ReadB(const float* matrix) : lane(matrix + lane_column() * Stride + lane_row()) {}
    B operator()(int i, int j) const {
      B b;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
#pragma unroll
        for (int slice = 0; slice < 2; ++slice) {
#pragma unroll
          for (int n = 0; n < 2; ++n) {
            b.slice[half][slice][n] = lane[(16 * i + 8 * slice + n) * Stride + 16 * j + 8 * half];
          }
        }
      }
      return b;
    }
  };

  template <int Stride>
  struct ReadTransposed {
    const float* lane;
    explicit ReadTransposed(const float* matrix) : lane(matrix + lane_column() * Stride + lane_row()) {}
    Block operator()(int i, int j) const {
      Block block;
      for_each_element(block,
                       [&](int row, int column, float& x) { x = lane[(16 * i + column) * Stride + 16 * j + row]; });
      return block;
    }
  };

  static void multiply_add(Block& d, const A& a, const B& b) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int slice = 0; slice < 2; ++slice) {
        const Tf32Registers<math, 4> x(a.slice[slice]);
        const Tf32Registers<math, 2> y(b.slice[half][slice]);
        if constexpr (math == Fp32Math::tf32x3) {  // small terms first
          mma_16x8x8(d.x[half], x.low, y.high);
          mma_16x8x8(d.x[half], x.high, y.low);
        }
        mma_16x8x8(d.x[half], x.high, y.high);
      }
    }
  }

  /// d += a·b, b the block (i, j) of a reader.
  template <class Reader>
  static void multiply_add(Block& d, const A& a, const Reader& b, int i, int j) {
    multiply_add(d, a, b(i, j));
  }
};

/// Close to true fp32 products, whatever the problem's element type is.
using Fp32Tensor = Tensor<ElementType::fp32, Fp32Math::tf32x3>;

}  // namespace osdn
