// CuTe's TMA copies as others use them: a tile of a matrix comes to shared memory in a swizzled layout, threads double it
// there through that layout, and it goes back, stored or added. nvcc makes the kernels of this file; a host compiler
// makes a library of the same file that encodes their parameters with CuTe's own code.
#include <cute/tensor.hpp>
#include <cutlass/arch/barrier.h>

using namespace cute;

/// A box of 64 rows, each as wide as the swizzle of the atom.
template <class T, class Atom>
struct Swizzled {
  using Element = T;
  using Box = decltype(make_shape(Int<64>{}, size<1>(Atom{})));
  using Layout = decltype(tile_to_shape(Atom{}, Box{}));
};

template <class Op, class Swizzled>
auto copies(Op op, Swizzled, void* at, int rows, int columns, int pitch) {
  const auto matrix = make_tensor(make_gmem_ptr(static_cast<typename Swizzled::Element*>(at)),
                                  make_layout(make_shape(rows, columns), make_stride(int64_t(pitch), Int<1>{})));
  return make_tma_copy(op, matrix, typename Swizzled::Layout{});
}
template <class Op, class Swizzled>
using Copies = decltype(copies(Op{}, Swizzled{}, nullptr, 0, 0, 0));

#if defined(__CUDACC__)

/// Blocks take a tile each: x counts tiles of rows, y those of columns.
template <class Swizzled, class Load, class Store>
__device__ void double_tile(Load const& load, Store const& store, int rows, int columns) {
  using Layout = typename Swizzled::Layout;
  using T = typename Swizzled::Element;
  __shared__ alignas(1024) T staged[cosize_v<Layout>];
  __shared__ alignas(8) uint64_t full;
  auto tile = make_tensor(make_smem_ptr(staged), Layout{});
  const auto where = make_coord(blockIdx.x, blockIdx.y);
  const auto source = local_tile(load.get_tma_tensor(make_shape(rows, columns)), typename Swizzled::Box{}, where);
  const auto target = local_tile(store.get_tma_tensor(make_shape(rows, columns)), typename Swizzled::Box{}, where);
  if (threadIdx.x == 0) {
    prefetch_tma_descriptor(load.get_tma_descriptor());
    initialize_barrier(full, 1);
    cutlass::arch::fence_barrier_init();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    set_barrier_transaction_bytes(full, sizeof(T) * size(Layout{}));
    const auto slice = load.get_slice(0);
    copy(load.with(full), slice.partition_S(source), slice.partition_D(tile));
  }
  wait_barrier(full, 0);
  for (int i = threadIdx.x; i < size(tile); i += blockDim.x) tile(i) = static_cast<T>(float(tile(i)) * 2.0f);
  tma_store_fence();
  __syncthreads();
  if (threadIdx.x == 0) {
    const auto slice = store.get_slice(0);
    copy(store, slice.partition_S(tile), slice.partition_D(target));
    tma_store_arrive();
    tma_store_wait<0>();
  }
}

#define KERNEL(name, Op, ...)                                                                              \
  extern "C" __global__ void name(__grid_constant__ const Copies<SM90_TMA_LOAD, __VA_ARGS__> load,         \
                                  __grid_constant__ const Copies<Op, __VA_ARGS__> store, int rows, int columns) { \
    double_tile<__VA_ARGS__>(load, store, rows, columns);                                                  \
  }

#else

/// CuTe asks the runtime library, which is not there.
extern "C" cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDA_VERSION;
  return cudaSuccess;
}

#define KERNEL(name, Op, ...)                                                                             \
  extern "C" void name(void* from, void* to, int rows, int columns, int pitch, void* out) {               \
    struct {                                                                                              \
      Copies<SM90_TMA_LOAD, __VA_ARGS__> load;                                                            \
      Copies<Op, __VA_ARGS__> store;                                                                      \
      int rows, columns;                                                                                  \
    } packed{copies(SM90_TMA_LOAD{}, __VA_ARGS__{}, from, rows, columns, pitch),                          \
             copies(Op{}, __VA_ARGS__{}, to, rows, columns, pitch), rows, columns};                       \
    static_assert(sizeof(packed) <= 1024);                                                                \
    memcpy(out, &packed, sizeof(packed));                                                                 \
  }

#endif

KERNEL(halves_128, SM90_TMA_STORE, Swizzled<half_t, GMMA::Layout_K_SW128_Atom<half_t>>)
KERNEL(bf16_64, SM90_TMA_STORE, Swizzled<bfloat16_t, GMMA::Layout_K_SW64_Atom<bfloat16_t>>)
KERNEL(floats_32, SM90_TMA_STORE, Swizzled<float, GMMA::Layout_K_SW32_Atom<float>>)
KERNEL(floats_plain, SM90_TMA_STORE, Swizzled<float, GMMA::Layout_K_INTER_Atom<float>>)
KERNEL(floats_added, SM90_TMA_REDUCE_ADD, Swizzled<float, GMMA::Layout_K_SW128_Atom<float>>)
