// A scan over the whole grid in one pass: CUB's decoupled look-back, each block waits for those before it.
#include <cub/agent/single_pass_scan_operators.cuh>
#include <cub/block/block_scan.cuh>

constexpr int kThreads = 128, kItems = 4;
using State = cub::ScanTileState<int>;
using Wide = cub::ScanTileState<double>;

template <class T>
struct Sum {
  __device__ T operator()(T a, T b) const { return a + b; }
};

extern "C" __global__ void prepare(State state, Wide wide, int tiles) {
  state.InitializeStatus(tiles);
  wide.InitializeStatus(tiles);
}

template <class T, class S>
__device__ void scan_tiles(const T* in, T* out, S state, int count) {
  using Scan = cub::BlockScan<T, kThreads>;
  using Prefix = cub::TilePrefixCallbackOp<T, Sum<T>, S>;
  __shared__ union {
    typename Scan::TempStorage scan;
    typename Prefix::TempStorage prefix;
  } storage;
  const int tile = blockIdx.x, first = (tile * kThreads + threadIdx.x) * kItems;
  T v[kItems];
  for (int i = 0; i < kItems; ++i) v[i] = first + i < count ? in[first + i] : T(0);
  if (tile == 0) {
    T total;
    Scan(storage.scan).InclusiveSum(v, v, total);
    if (threadIdx.x == 0) state.SetInclusive(0, total);
  } else {
    __shared__ typename Prefix::TempStorage prefix_storage;
    Prefix prefix(state, prefix_storage, Sum<T>());
    Scan(storage.scan).InclusiveScan(v, v, Sum<T>(), prefix);
  }
  for (int i = 0; i < kItems; ++i) {
    if (first + i < count) out[first + i] = v[i];
  }
}
extern "C" __global__ void scan_int(const int* in, int* out, State state, int count) {
  scan_tiles(in, out, state, count);
}
extern "C" __global__ void scan_double(const double* in, double* out, Wide state, int count) {
  scan_tiles(in, out, state, count);
}
extern "C" __device__ const unsigned state_bytes = sizeof(State);
extern "C" __device__ const unsigned wide_bytes = sizeof(Wide);
/// Bytes that a state needs for `tiles` tiles, and the state itself over them: the host knows neither.
extern "C" __global__ void describe(void* for_state, void* for_wide, size_t bytes, int tiles, State* state, Wide* wide) {
  state->Init(tiles, for_state, bytes);
  wide->Init(tiles, for_wide, bytes);
}
