// A matrix product with CuTe as Hopper kernels are written: one thread of a fifth warp keeps two stages of tiles coming
// by TMA, a warpgroup multiplies them by wgmma, and mbarriers say which stages are full and which are free. nvcc makes the
// kernel; a host compiler makes a library of the same file that encodes its parameters with CuTe's own code.
#include <cute/tensor.hpp>
#include <cutlass/arch/barrier.h>

using namespace cute;

using Element = bfloat16_t;
constexpr int kRows = 64, kColumns = 64, kDepth = 64, kStages = 2;
using Stages = decltype(tile_to_shape(GMMA::Layout_K_SW128_Atom<Element>{},
                                      make_shape(Int<kRows>{}, Int<kDepth>{}, Int<kStages>{})));
using Stage = decltype(tile_to_shape(GMMA::Layout_K_SW128_Atom<Element>{}, make_shape(Int<kRows>{}, Int<kDepth>{})));

inline auto loads(void* at, int rows, int depth) {
  return make_tma_copy(SM90_TMA_LOAD{},
                       make_tensor(make_gmem_ptr(static_cast<Element*>(at)),
                                   make_layout(make_shape(rows, depth), make_stride(int64_t(depth), Int<1>{}))),
                       Stage{});
}
using Loads = decltype(loads(nullptr, 0, 0));

#if defined(__CUDACC__)

extern "C" __global__ void __launch_bounds__(160)
    product(__grid_constant__ const Loads load_a, __grid_constant__ const Loads load_b, float* out, int rows, int columns,
            int depth) {
  __shared__ alignas(1024) Element a[cosize_v<Stages>];
  __shared__ alignas(1024) Element b[cosize_v<Stages>];
  __shared__ alignas(8) uint64_t full[kStages], free[kStages];
  auto tiles_a = make_tensor(make_smem_ptr(a), Stages{});
  auto tiles_b = make_tensor(make_smem_ptr(b), Stages{});
  const int steps = depth / kDepth;
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) {
      initialize_barrier(full[i], 1);
      initialize_barrier(free[i], 128);
    }
    cutlass::arch::fence_barrier_init();
  }
  __syncthreads();
  if (threadIdx.x >= 128) {
    if (threadIdx.x != 128) return;
    const auto box = make_shape(Int<kRows>{}, Int<kDepth>{});
    const auto source_a = local_tile(load_a.get_tma_tensor(make_shape(rows, depth)), box, make_coord(blockIdx.x, _));
    const auto source_b = local_tile(load_b.get_tma_tensor(make_shape(columns, depth)), box, make_coord(blockIdx.y, _));
    const auto slice_a = load_a.get_slice(0), slice_b = load_b.get_slice(0);
    for (int k = 0; k < steps; ++k) {
      const int stage = k % kStages;
      wait_barrier(free[stage], (k / kStages & 1) ^ 1);
      set_barrier_transaction_bytes(full[stage], 2 * sizeof(Element) * kRows * kDepth);
      copy(load_a.with(full[stage]), slice_a.partition_S(source_a(_, _, k)), slice_a.partition_D(tiles_a(_, _, stage)));
      copy(load_b.with(full[stage]), slice_b.partition_S(source_b(_, _, k)), slice_b.partition_D(tiles_b(_, _, stage)));
    }
    return;
  }
  auto multiply = make_tiled_mma(SM90_64x64x16_F32BF16BF16_SS<GMMA::Major::K, GMMA::Major::K>{});
  auto mine = multiply.get_thread_slice(threadIdx.x);
  auto fragments_a = mine.make_fragment_A(mine.partition_A(tiles_a));
  auto fragments_b = mine.make_fragment_B(mine.partition_B(tiles_b));
  auto result = local_tile(make_tensor(make_gmem_ptr(out), make_layout(make_shape(rows, columns),
                                                                       make_stride(columns, Int<1>{}))),
                           make_shape(Int<kRows>{}, Int<kColumns>{}), make_coord(blockIdx.x, blockIdx.y));
  auto target = mine.partition_C(result);
  auto sums = mine.make_fragment_C(target);
  clear(sums);
  for (int k = 0; k < steps; ++k) {
    const int stage = k % kStages;
    wait_barrier(full[stage], k / kStages & 1);
    warpgroup_fence_operand(sums);
    warpgroup_arrive();
    gemm(multiply, fragments_a(_, _, _, stage), fragments_b(_, _, _, stage), sums);
    warpgroup_commit_batch();
    warpgroup_wait<0>();
    warpgroup_fence_operand(sums);
    arrive_barrier(free[stage]);
  }
  copy(sums, target);
}

#else

extern "C" cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDA_VERSION;
  return cudaSuccess;
}

extern "C" void product(void* a, void* b, float* out, int rows, int columns, int depth, void* packed) {
  struct {
    Loads a, b;
    float* out;
    int rows, columns, depth;
  } parameters{loads(a, rows, depth), loads(b, columns, depth), out, rows, columns, depth};
  static_assert(sizeof(parameters) <= 1024);
  memcpy(packed, &parameters, sizeof(parameters));
}

#endif
