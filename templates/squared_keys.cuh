// Squared keys k ⊙ k as operands of tensor cores: sums of bf16 numbers. The square of a bf16 number has 16 significant
// bits, so two hold it exactly; three hold the square of an fp32 number to 24 bits. An in-kernel norm is a factor of
// the row and is applied to what the products give.
#pragma once

#include "device/tensor.cuh"

namespace osdn {

/// A 16×16 block in the registers of an A operand: pair j is row g + 8 (j % 2), columns 2t + 8 (j / 2) and the next.
/// The same registers are the B operand of a product with the block transposed: pairs 0 and 2, or 1 and 3 (PTX ISA,
/// mma.m16n8k16).
template <ElementType type>
struct SquaredKeys {
  static constexpr int parts = 2;
  struct Fragment {
    unsigned pair[4];
  };
  unsigned part[parts][4];

  SquaredKeys() = default;
  explicit SquaredKeys(const Fragment& keys) {
    if constexpr (type == ElementType::bf16) {
      // k² − 0, and what its rounding lost: the products are exact before they are rounded. One piece, since each
      // that there is takes the compiler's time.
      asm("{\n .reg .b32 n;\n"
          " fma.rn.bf16x2 %0, %8, %8, %12;\n neg.bf16x2 n, %0;\n fma.rn.bf16x2 %4, %8, %8, n;\n"
          " fma.rn.bf16x2 %1, %9, %9, %12;\n neg.bf16x2 n, %1;\n fma.rn.bf16x2 %5, %9, %9, n;\n"
          " fma.rn.bf16x2 %2, %10, %10, %12;\n neg.bf16x2 n, %2;\n fma.rn.bf16x2 %6, %10, %10, n;\n"
          " fma.rn.bf16x2 %3, %11, %11, %12;\n neg.bf16x2 n, %3;\n fma.rn.bf16x2 %7, %11, %11, n;\n}"
          : "=&r"(part[0][0]), "=&r"(part[0][1]), "=&r"(part[0][2]), "=&r"(part[0][3]), "=&r"(part[1][0]),
            "=&r"(part[1][1]), "=&r"(part[1][2]), "=&r"(part[1][3])
          : "r"(keys.pair[0]), "r"(keys.pair[1]), "r"(keys.pair[2]), "r"(keys.pair[3]), "r"(0x80008000U));
      return;
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float low = Element<type>::to_float(static_cast<unsigned short>(keys.pair[j] & 0xffffU));
      const float high = Element<type>::to_float(static_cast<unsigned short>(keys.pair[j] >> 16));
      split<parts>(low * low, high * high, [&](int i, unsigned x) { part[i][j] = x; });
    }
  }

  /// Calls take(i, pair) with the bf16 numbers whose sums are x and y, the largest first.
  template <int count, class Take>
  static void split(float x, float y, Take take) {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const unsigned pair = Element<ElementType::bf16>::pack(x, y);
      take(i, pair);
      x -= __uint_as_float(pair << 16);
      y -= __uint_as_float(pair & 0xffff0000U);
    }
  }
};

template <>
struct SquaredKeys<ElementType::fp32> {
  static constexpr int parts = 3;
  struct Fragment {
    float2 pair[4];
  };
  unsigned part[parts][4];

  SquaredKeys() = default;
  explicit SquaredKeys(const Fragment& keys) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      SquaredKeys<ElementType::bf16>::split<parts>(keys.pair[j].x * keys.pair[j].x, keys.pair[j].y * keys.pair[j].y,
                                                   [&](int i, unsigned x) { part[i][j] = x; });
    }
  }
};

/// d += S bᵀ for a 16×16 block of squared keys and eight columns of bf16 numbers, small terms first.
template <ElementType type>
inline void multiply_columns(float (&d)[4], const SquaredKeys<type>& s, unsigned b0, unsigned b1) {
#pragma unroll
  for (int i = SquaredKeys<type>::parts - 1; i >= 0; --i) mma_16x8x16<ElementType::bf16>(d, s.part[i], b0, b1);
}

/// d += S_a S_bᵀ: all products but those below the last part's rounding.
template <ElementType type>
inline void multiply_squares(Block& d, const SquaredKeys<type>& a, const SquaredKeys<type>& b) {
  constexpr int parts = SquaredKeys<type>::parts;
#pragma unroll
  for (int order = parts - 1; order >= 0; --order) {
#pragma unroll
    for (int i = 0; i <= order; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        mma_16x8x16<ElementType::bf16>(d.x[half], a.part[i], b.part[order - i][half], b.part[order - i][half + 2]);
      }
    }
  }
}

/// A chunk's keys as they lie in shared memory, row-major with `Stride` elements a row; rows behind the end hold zeros.
template <ElementType type, int Stride>
struct PaddedKeys {
  using Storage = typename Element<type>::Storage;
  using Fragment = typename SquaredKeys<type>::Fragment;
  const Storage* keys;

  float element(int row, int feature) const { return Element<type>::to_float(keys[row * Stride + feature]); }

  /// Rows from 16 i, features from 16 f.
  Fragment block(int i, int f) const {
    Fragment out;
    if constexpr (sizeof(Storage) == 2) {
      const Storage* lane = keys + (lane_id() % 16) * Stride + (lane_id() / 16) * 8;
      load_matrices(out.pair, shared_address(lane + 16 * i * Stride + 16 * f));
    } else {
      const float* lane = keys + lane_row() * Stride + lane_column();
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        out.pair[j] = *reinterpret_cast<const float2*>(lane + (16 * i + 8 * (j % 2)) * Stride + 16 * f + 8 * (j / 2));
      }
    }
    return out;
  }

  /// The same block transposed: features are its rows.
  Fragment transposed(int i, int f) const {
    Fragment out;
    if constexpr (sizeof(Storage) == 2) {
      const Storage* lane = keys + (lane_id() % 8 + (lane_id() / 16) * 8) * Stride + (lane_id() / 8 % 2) * 8;
      load_matrices_transposed(out.pair, shared_address(lane + 16 * i * Stride + 16 * f));
    } else {
      const float* lane = keys + lane_column() * Stride + lane_row();
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float* first = lane + (16 * i + 8 * (j / 2)) * Stride + 16 * f + 8 * (j % 2);
        out.pair[j] = float2{first[0], first[Stride]};
      }
    }
    return out;
  }
};

}  // namespace osdn
