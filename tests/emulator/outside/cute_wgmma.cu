// Matrix products by CuTe's sm_90 atoms, as others write them: tiles of A and B in the layouts that wgmma knows, in
// steps along K. C = A B^T, where A is m x k and B is n x k, both with k running fastest.
#include <cutlass/numeric_types.h>

#include <cute/tensor.hpp>

using namespace cute;

template <class Tiled, class LayoutA, class LayoutB, bool kRegistersA, class T, class C>
__device__ void multiply(const T* a, const T* b, C* c, int n, int k) {
  constexpr int kM = decltype(size<0>(LayoutA{}))::value, kN = decltype(size<0>(LayoutB{}))::value;
  constexpr int kK = decltype(size<1>(LayoutA{}))::value;
  __shared__ alignas(1024) T stored_a[cosize_v<LayoutA>], stored_b[cosize_v<LayoutB>];
  const auto sa = make_tensor(make_smem_ptr(stored_a), LayoutA{});
  const auto sb = make_tensor(make_smem_ptr(stored_b), LayoutB{});
  const auto gc = make_tensor(make_gmem_ptr(c + blockIdx.x * kM * n + blockIdx.y * kN),
                              make_layout(Shape<Int<kM>, Int<kN>>{}, make_stride(n, Int<1>{})));
  const Tiled tiled;
  const auto mine = tiled.get_slice(threadIdx.x);
  const auto part_a = mine.partition_A(sa);
  const auto part_b = mine.partition_B(sb);
  const auto part_c = mine.partition_C(gc);
  auto fragment_a = mine.make_fragment_A(part_a);
  auto fragment_b = mine.make_fragment_B(part_b);
  auto sums = mine.make_fragment_C(part_c);
  clear(sums);
  for (int first = 0; first < k; first += kK) {
    for (int i = threadIdx.x; i < kM * kK; i += blockDim.x) {
      sa(i / kK, i % kK) = a[(blockIdx.x * kM + i / kK) * k + first + i % kK];
    }
    for (int i = threadIdx.x; i < kN * kK; i += blockDim.x) {
      sb(i / kK, i % kK) = b[(blockIdx.y * kN + i / kK) * k + first + i % kK];
    }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    if constexpr (kRegistersA) copy(part_a, fragment_a);
    warpgroup_fence_operand(sums);
    warpgroup_arrive();
    gemm(tiled, fragment_a, fragment_b, sums);
    warpgroup_commit_batch();
    warpgroup_wait<0>();
    warpgroup_fence_operand(sums);
    __syncthreads();
  }
  CUTE_UNROLL
  for (int i = 0; i < size(sums); ++i) part_c(i) = sums(i);
}

template <class Atom, int kRows, int kColumns>
using Stored = decltype(tile_to_shape(Atom{}, Shape<Int<kRows>, Int<kColumns>>{}));
template <class Atom, class Warpgroups = Layout<Shape<_1, _1, _1>>>
using Tiled = decltype(make_tiled_mma(Atom{}, Warpgroups{}));

constexpr auto kMajor = GMMA::Major::K;
constexpr auto kTransposed = GMMA::Major::MN;

#define KERNEL(name, element, sum, tiled, layout_a, layout_b, registers)                      \
  extern "C" __global__ void name(const element* a, const element* b, sum* c, int n, int k) { \
    multiply<tiled, layout_a, layout_b, registers>(a, b, c, n, k);                            \
  }

using F16 = half_t;
using Bf16 = bfloat16_t;
using Tf32 = tfloat32_t;
using SixtyFour = Tiled<SM90_64x64x16_F32F16F16_SS<kMajor, kMajor>>;
using A128 = Stored<GMMA::Layout_K_SW128_Atom<F16>, 64, 64>;
KERNEL(halves, F16, float, SixtyFour, A128, A128, false)

using Transposed = Tiled<SM90_64x64x16_F32BF16BF16_SS<kTransposed, kTransposed>>;
using T64 = Stored<GMMA::Layout_MN_SW64_Atom<Bf16>, 64, 64>;
using T128 = Stored<GMMA::Layout_MN_SW128_Atom<Bf16>, 64, 64>;
KERNEL(transposed, Bf16, float, Transposed, T64, T128, false)

// Two warpgroups, one above the other.
using Mixed = Tiled<SM90_64x128x16_F32BF16BF16_SS<kMajor, kTransposed>, Layout<Shape<_2, _1, _1>>>;
using A32 = Stored<GMMA::Layout_K_SW32_Atom<Bf16>, 128, 32>;
using B32 = Stored<GMMA::Layout_MN_SW32_Atom<Bf16>, 128, 32>;
KERNEL(mixed, Bf16, float, Mixed, A32, B32, false)

using Plain = Tiled<SM90_64x32x16_F16F16F16_SS<kMajor, kTransposed>>;
using APlain = Stored<GMMA::Layout_K_INTER_Atom<F16>, 64, 32>;
using BPlain = Stored<GMMA::Layout_MN_INTER_Atom<F16>, 32, 32>;
KERNEL(plain, F16, F16, Plain, APlain, BPlain, false)

using Registers = Tiled<SM90_64x128x16_F32BF16BF16_RS<kMajor, kTransposed>>;
using ARegisters = Stored<GMMA::Layout_K_SW64_Atom<Bf16>, 64, 32>;
using BRegisters = Stored<GMMA::Layout_MN_SW128_Atom<Bf16>, 128, 32>;
KERNEL(registers, Bf16, float, Registers, ARegisters, BRegisters, true)

using Single = Tiled<SM90_64x64x8_F32TF32TF32_SS_TN<>>;
using Single128 = Stored<GMMA::Layout_K_SW128_Atom<Tf32>, 64, 32>;
KERNEL(single, Tf32, float, Single, Single128, Single128, false)
