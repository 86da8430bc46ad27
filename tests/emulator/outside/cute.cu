// A product of two matrices with the CuTe library's sm_80 atoms: tiles come by cp.async into swizzled shared memory, go
// to registers by ldmatrix (transposed where the layout asks for it), and are multiplied by mma.
#include <cute/tensor.hpp>

using namespace cute;

/// C = A B^T, A row by row; B with K along its rows or, transposed, along its columns.
template <class Element, class Accumulator, class Atom, bool kTransposedB>
__device__ void multiply(const Element* a, const Element* b, Accumulator* c, int m, int n, int k) {
  constexpr int kM = 64, kN = 64, kK = sizeof(Element) == 2 ? 64 : 32, kStages = 2;
  auto swizzle = [] {
    if constexpr (sizeof(Element) == 2) {
      return composition(Swizzle<3, 3, 3>{}, Layout<Shape<_8, Int<kK>>, Stride<Int<kK>, _1>>{});
    } else {
      return composition(Swizzle<3, 2, 3>{}, Layout<Shape<_8, Int<kK>>, Stride<Int<kK>, _1>>{});
    }
  }();
  auto layout_a = tile_to_shape(swizzle, Shape<Int<kM>, Int<kK>, Int<kStages>>{});
  auto layout_b = [&] {
    if constexpr (kTransposedB) {
      auto atom = composition(Swizzle<3, 3, 3>{}, Layout<Shape<Int<kN>, _8>, Stride<_1, Int<kN>>>{});
      return tile_to_shape(atom, Shape<Int<kN>, Int<kK>, Int<kStages>>{});
    } else {
      return tile_to_shape(swizzle, Shape<Int<kN>, Int<kK>, Int<kStages>>{});
    }
  }();
  __shared__ __align__(128) Element shared_a[cosize_v<decltype(layout_a)>];
  __shared__ __align__(128) Element shared_b[cosize_v<decltype(layout_b)>];
  auto whole_a = make_tensor(make_gmem_ptr(a), make_shape(m, k), make_stride(k, _1{}));
  auto whole_b = [&] {
    if constexpr (kTransposedB) return make_tensor(make_gmem_ptr(b), make_shape(n, k), make_stride(_1{}, n));
    else return make_tensor(make_gmem_ptr(b), make_shape(n, k), make_stride(k, _1{}));
  }();
  auto whole_c = make_tensor(make_gmem_ptr(c), make_shape(m, n), make_stride(n, _1{}));
  auto ga = local_tile(whole_a, Shape<Int<kM>, Int<kK>>{}, make_coord(blockIdx.x, _));
  auto gb = local_tile(whole_b, Shape<Int<kN>, Int<kK>>{}, make_coord(blockIdx.y, _));
  auto gc = local_tile(whole_c, Shape<Int<kM>, Int<kN>>{}, make_coord(blockIdx.x, blockIdx.y));
  auto sa = make_tensor(make_smem_ptr(shared_a), layout_a);
  auto sb = make_tensor(make_smem_ptr(shared_b), layout_b);

  using Copy = Copy_Atom<SM80_CP_ASYNC_CACHEALWAYS<uint128_t>, Element>;
  constexpr int kVector = 16 / sizeof(Element), kAcross = kK / kVector;
  auto copy_a = make_tiled_copy(Copy{}, Layout<Shape<Int<128 / kAcross>, Int<kAcross>>, Stride<Int<kAcross>, _1>>{},
                                Layout<Shape<_1, Int<kVector>>>{});
  auto copy_b = [&] {
    if constexpr (kTransposedB) {
      return make_tiled_copy(Copy{}, Layout<Shape<Int<kN / kVector>, Int<128 * kVector / kN>>>{},
                             Layout<Shape<Int<kVector>, _1>>{});
    } else {
      return copy_a;
    }
  }();
  auto thread_a = copy_a.get_slice(threadIdx.x);
  auto thread_b = copy_b.get_slice(threadIdx.x);
  auto from_a = thread_a.partition_S(ga);
  auto to_a = thread_a.partition_D(sa);
  auto from_b = thread_b.partition_S(gb);
  auto to_b = thread_b.partition_D(sb);

  auto mma = make_tiled_mma(Atom{}, Layout<Shape<_2, _2, _1>>{}, Tile<_32, _32, Underscore>{});
  auto thread_mma = mma.get_slice(threadIdx.x);
  auto accumulator = partition_fragment_C(mma, Shape<Int<kM>, Int<kN>>{});
  clear(accumulator);
  auto ra = thread_mma.partition_fragment_A(sa(_, _, 0));
  auto rb = thread_mma.partition_fragment_B(sb(_, _, 0));
  using LoadA = Copy_Atom<SM75_U32x4_LDSM_N, Element>;
  using LoadB = conditional_t<kTransposedB, Copy_Atom<SM75_U16x8_LDSM_T, Element>, Copy_Atom<SM75_U32x4_LDSM_N, Element>>;
  auto load_a = make_tiled_copy_A(LoadA{}, mma);
  auto load_b = make_tiled_copy_B(LoadB{}, mma);
  auto lane_a = load_a.get_slice(threadIdx.x);
  auto lane_b = load_b.get_slice(threadIdx.x);
  auto ssa = lane_a.partition_S(sa);
  auto sra = lane_a.retile_D(ra);
  auto ssb = lane_b.partition_S(sb);
  auto srb = lane_b.retile_D(rb);

  const int tiles = size<3>(from_a);
  auto fetch = [&](int tile) {
    if (tile < tiles) {
      copy(copy_a, from_a(_, _, _, tile), to_a(_, _, _, tile % kStages));
      copy(copy_b, from_b(_, _, _, tile), to_b(_, _, _, tile % kStages));
    }
    cp_async_fence();
  };
  fetch(0);
  for (int tile = 0; tile < tiles; ++tile) {
    fetch(tile + 1);
    cp_async_wait<1>();
    __syncthreads();
    const int stage = tile % kStages;
    copy(load_a, ssa(_, _, _, stage), sra);
    copy(load_b, ssb(_, _, _, stage), srb);
    gemm(mma, ra, rb, accumulator);
    __syncthreads();
  }
  auto out = thread_mma.partition_C(gc);
  for (int i = 0; i < size(accumulator); ++i) out(i) = accumulator(i);
}

extern "C" __global__ void half_single(const half_t* a, const half_t* b, float* c, int m, int n, int k) {
  multiply<half_t, float, MMA_Atom<SM80_16x8x16_F32F16F16F32_TN>, false>(a, b, c, m, n, k);
}
extern "C" __global__ void half_transposed(const half_t* a, const half_t* b, float* c, int m, int n, int k) {
  multiply<half_t, float, MMA_Atom<SM80_16x8x16_F32F16F16F32_TN>, true>(a, b, c, m, n, k);
}
extern "C" __global__ void half_half(const half_t* a, const half_t* b, half_t* c, int m, int n, int k) {
  multiply<half_t, half_t, MMA_Atom<SM80_16x8x16_F16F16F16F16_TN>, false>(a, b, c, m, n, k);
}
extern "C" __global__ void bf16_single(const bfloat16_t* a, const bfloat16_t* b, float* c, int m, int n, int k) {
  multiply<bfloat16_t, float, MMA_Atom<SM80_16x8x16_F32BF16BF16F32_TN>, true>(a, b, c, m, n, k);
}
extern "C" __global__ void tf32_single(const tfloat32_t* a, const tfloat32_t* b, float* c, int m, int n, int k) {
  multiply<tfloat32_t, float, MMA_Atom<SM80_16x8x8_F32TF32TF32F32_TN>, false>(a, b, c, m, n, k);
}
