// The invert role: T = (I + L)⁻¹ of each chunk beside the preparation of the next one, by the three warps that the copy
// leaves of its warpgroup. N = −L comes from the prepare role with its 16×16 blocks below the diagonal split into two
// bf16 numbers each and those on it in fp32 (layout.cuh). The diagonal's inverses D_i come first; then each warp takes
// a block column of T from top to bottom, transposed, so that an accumulator is the A operand of the next product:
//
//   T_jj = D_j      T_ijᵀ = (Σ_{j ≤ m < i} T_mjᵀ N_imᵀ) D_iᵀ
//
// Products are three of bf16 numbers, which keeps 16 bits: as many as leave with the rounded T and its remainder.
#pragma once

#include "device/bulk_copy.cuh"
#include "device/element.cuh"
#include "device/matrices.cuh"
#include "device/swizzle.cuh"
#include "device/tensor.cuh"
#include "device/warpgroup.cuh"
#include "hopper/chain.cuh"

namespace osdn {

template <class Traits>
struct HopperInversion {
  using Shared = HopperShared<Traits>;
  using Type = Element<Traits::type>;
  using Bf16 = Element<ElementType::bf16>;
  using Product = Tensor<ElementType::bf16, Fp32Math::tf32x3>;
  static constexpr int blocks = Traits::chunk / 16;
  static constexpr int stride = Shared::layout.system_stride * 2;  // in 16-bit elements

  /// Warps 1, 2 and 3 of their warpgroup.
  struct Group {
    static constexpr int warps = 3;
    static constexpr int threads = 32 * warps;
    static int thread() { return warpgroup_thread() - 32; }
    static int warp() { return thread() / 32; }
    static void sync() { asm volatile("bar.sync 2, 96;" ::: "memory"); }
  };

  /// An operand as the sum of two.
  template <class Operand>
  struct Split {
    Operand high;
    Operand low;
  };
  using A = Split<typename Product::A>;
  using B = Split<typename Product::B>;

  static A split(const Block& block) {
    const typename Product::A high = Product::round(block);
    return {high, Product::remainder(block, high)};
  }

  static void multiply_add(Block& d, const A& a, const B& b) {  // small terms first
    Product::multiply_add(d, a.low, b.high);
    Product::multiply_add(d, a.high, b.low);
    Product::multiply_add(d, a.high, b.high);
  }

  /// D of two blocks on the diagonal, each by half of the warp: a lane solves for one column, which it leaves in the
  /// block's place as a row of Dᵀ, split.
  static void invert_diagonal(const Shared& shared, int slot, int pair) {
    const int column = lane_id() % 16;
    float* const block =
        shared.system(slot) + (32 * pair + lane_id() / 16 * 16) * Shared::layout.system_stride + hopper_system_diagonal;
    float x[16];
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      float sum = i == column ? 1.0F : 0.0F;
#pragma unroll
      for (int j = 0; j < i; j += 4) {
        const float4 four = *reinterpret_cast<const float4*>(block + i * Shared::layout.system_stride + j);
        sum = fmaf(four.x, x[j], sum);
        if (j + 1 < i) sum = fmaf(four.y, x[j + 1], sum);
        if (j + 2 < i) sum = fmaf(four.z, x[j + 2], sum);
        if (j + 3 < i) sum = fmaf(four.w, x[j + 3], sum);
      }
      x[i] = sum;
    }
    unsigned high[8];
    unsigned low[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      high[i] = Bf16::pack(x[2 * i], x[2 * i + 1]);
      low[i] = Bf16::pack(x[2 * i] - low_half(high[i]), x[2 * i + 1] - high_half(high[i]));
    }
    __syncwarp();  // all lanes have read the block
    uint4* const row = reinterpret_cast<uint4*>(block + column * Shared::layout.system_stride);
    row[0] = uint4{high[0], high[1], high[2], high[3]};
    row[1] = uint4{high[4], high[5], high[6], high[7]};
    row[2] = uint4{low[0], low[1], low[2], low[3]};
    row[3] = uint4{low[4], low[5], low[6], low[7]};
  }

  static float low_half(unsigned pair) {
    return Bf16::to_float(static_cast<unsigned short>(pair & 0xffffU));
  }
  static float high_half(unsigned pair) {
    return Bf16::to_float(static_cast<unsigned short>(pair >> 16));
  }

  /// Writes block (i, j) of T as the state's operand, rounded, and what the rounding lost; given transposed.
  static void store(const Shared& shared, int slot, int i, int j, const A& x) {
    const int lane = lane_id();
    const unsigned to =
        static_cast<unsigned>(panel_chunk(lane % 8 + lane / 16 * 8, 2 * j + lane / 8 % 2) + 16 * i * panel_row);
    const unsigned inverse = shared_address(shared.inverse(slot)) + to;
    const unsigned remainder = shared_address(shared.remainder(slot)) + to;
    if constexpr (Shared::bf16) {
      store_matrices_transposed(inverse, x.high.r);
      store_matrices_transposed(remainder, x.low.r);
    } else if constexpr (Shared::has_remainder) {  // a bf16 number within fp16's range is one of fp16
      unsigned pairs[4];
#pragma unroll
      for (int n = 0; n < 4; ++n) pairs[n] = Type::pack(low_half(x.high.r[n]), high_half(x.high.r[n]));
      store_matrices_transposed(inverse, pairs);
#pragma unroll
      for (int n = 0; n < 4; ++n) pairs[n] = Type::pack(low_half(x.low.r[n]), high_half(x.low.r[n]));
      store_matrices_transposed(remainder, pairs);
    } else {
      unsigned rounded[4];
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        rounded[n] =
            Type::pack(low_half(x.high.r[n]) + low_half(x.low.r[n]), high_half(x.high.r[n]) + high_half(x.low.r[n]));
      }
      store_matrices_transposed(inverse, rounded);
    }
  }

  /// Block column `first` of T.
  template <int first>
  static void solve_column(const Shared& shared, int slot) {
    const auto* const system = reinterpret_cast<const unsigned short*>(shared.system(slot));
    const typename Product::template ReadA<stride> start(system);
    const typename Product::template ReadTransposedB<stride> coefficients(system);
    const typename Product::template ReadB<stride> diagonal(system);
    constexpr int d = hopper_system_diagonal / 8;  // counted in blocks of 16 columns of 16 bits
    A x[blocks];
    x[first] = {start(first, d), start(first, d + 1)};
    store(shared, slot, first, first, x[first]);
#pragma unroll
    for (int i = first + 1; i < blocks; ++i) {
      Block sum = zero_block();
#pragma unroll
      for (int m = first; m < i; ++m) {
        multiply_add(sum, x[m], {coefficients(i, m), coefficients(i, m + hopper_system_low / 8)});
      }
      Block solved = zero_block();
      multiply_add(solved, split(sum), {diagonal(i, d), diagonal(i, d + 1)});
      x[i] = split(solved);
      store(shared, slot, i, first, x[i]);
    }
  }

  /// The first warp has the longest column, the others the diagonal's inverses before theirs.
  static void invert(const Shared& shared, int slot) {
    const int warp = Group::warp();
    if (warp > 0) invert_diagonal(shared, slot, warp - 1);
    Group::sync();
    if (warp == 0) {
      solve_column<0>(shared, slot);
    } else if (warp == 1) {
      solve_column<1>(shared, slot);
    } else {
      solve_column<2>(shared, slot);
      solve_column<3>(shared, slot);
    }
  }

  static void run(const ForwardParameters& p) {
    const Shared shared;
    typename Shared::Prepared slot;
    for (int i = 0; i < hopper_prepared; ++i) {  // what lies above the diagonal stays so
      clear_panel<Group>(shared.inverse(i));
      if constexpr (Shared::has_remainder) clear_panel<Group>(shared.remainder(i));
    }
    Group::sync();
    for_each_chain<Traits>(p, [&](unsigned number) {
      int left = Chain<Traits>(p, number).tokens;
#pragma unroll 1
      for (; left > 0; left -= Traits::chunk) {
        shared.posed(slot.place()).wait(slot.parity());
        invert(shared, slot.place());
        fence_async_proxy();
        Group::sync();
        if (Group::thread() == 0) shared.ready(slot.place()).arrive();
        slot.next();
      }
    });
  }
};

}  // namespace osdn
