// CUB's scans, reductions and rearrangements of blocks and warps.
#include <cub/block/block_adjacent_difference.cuh>
#include <cub/block/block_discontinuity.cuh>
#include <cub/block/block_exchange.cuh>
#include <cub/block/block_histogram.cuh>
#include <cub/block/block_load.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/block/block_shuffle.cuh>
#include <cub/block/block_store.cuh>
#include <cub/warp/warp_exchange.cuh>
#include <cub/warp/warp_merge_sort.cuh>
#include <cub/warp/warp_reduce.cuh>
#include <cub/warp/warp_scan.cuh>

constexpr int kThreads = 96, kItems = 5;

template <cub::BlockScanAlgorithm kHow>
__device__ void scan_with(const int* in, int* out, int* total) {
  using Scan = cub::BlockScan<int, kThreads, kHow>;
  __shared__ typename Scan::TempStorage storage;
  int v[kItems], all;
  for (int i = 0; i < kItems; ++i) v[i] = in[threadIdx.x * kItems + i];
  Scan(storage).ExclusiveSum(v, v, all);
  for (int i = 0; i < kItems; ++i) out[threadIdx.x * kItems + i] = v[i];
  if (threadIdx.x == 0) *total = all;
}
extern "C" __global__ void scan_raking(const int* in, int* out, int* total) {
  scan_with<cub::BLOCK_SCAN_RAKING>(in, out, total);
}
extern "C" __global__ void scan_memoize(const int* in, int* out, int* total) {
  scan_with<cub::BLOCK_SCAN_RAKING_MEMOIZE>(in, out, total);
}
extern "C" __global__ void scan_warps(const int* in, int* out, int* total) {
  scan_with<cub::BLOCK_SCAN_WARP_SCANS>(in, out, total);
}

/// An operator that does not commute: the last one that is not zero wins.
struct Last {
  __device__ long long operator()(long long a, long long b) const { return b != 0 ? b : a; }
};
extern "C" __global__ void scan_last(const long long* in, long long* out) {
  using Scan = cub::BlockScan<long long, kThreads>;
  __shared__ typename Scan::TempStorage storage;
  long long v = in[threadIdx.x];
  Scan(storage).InclusiveScan(v, v, Last());
  out[threadIdx.x] = v;
}

struct Larger {
  __device__ double operator()(double a, double b) const { return a > b ? a : b; }
};
template <cub::BlockReduceAlgorithm kHow>
__device__ double reduce_with(double v, int count) {
  using Reduce = cub::BlockReduce<double, kThreads, kHow>;
  __shared__ typename Reduce::TempStorage storage;
  return Reduce(storage).Reduce(v, Larger(), count);
}
extern "C" __global__ void reduce_all(const double* in, double* out, int count) {
  const double v = in[threadIdx.x];
  const double a = reduce_with<cub::BLOCK_REDUCE_RAKING_COMMUTATIVE_ONLY>(v, count);
  const double b = reduce_with<cub::BLOCK_REDUCE_RAKING>(v, count);
  const double c = reduce_with<cub::BLOCK_REDUCE_WARP_REDUCTIONS>(v, count);
  if (threadIdx.x == 0) {
    out[0] = a;
    out[1] = b;
    out[2] = c;
  }
}

/// Logical warps of 8 lanes: sums of each, and inclusive scans.
extern "C" __global__ void small_warps(const unsigned* in, unsigned* sums, unsigned* scans) {
  using Reduce = cub::WarpReduce<unsigned, 8>;
  using Scan = cub::WarpScan<unsigned, 8>;
  __shared__ typename Reduce::TempStorage for_reduce[kThreads / 8];
  __shared__ typename Scan::TempStorage for_scan[kThreads / 8];
  const int warp = threadIdx.x / 8;
  const unsigned v = in[threadIdx.x];
  const unsigned sum = Reduce(for_reduce[warp]).Sum(v);
  if (threadIdx.x % 8 == 0) sums[warp] = sum;
  unsigned scanned;
  Scan(for_scan[warp]).InclusiveSum(v, scanned);
  scans[threadIdx.x] = scanned;
}

/// Sums of the segments that begin where a head is set.
extern "C" __global__ void segments(const int* in, const int* heads, int* out) {
  using Reduce = cub::WarpReduce<int>;
  __shared__ typename Reduce::TempStorage storage[kThreads / 32];
  out[threadIdx.x] = Reduce(storage[threadIdx.x / 32]).HeadSegmentedSum(in[threadIdx.x], heads[threadIdx.x]);
}

/// Blocked to striped and back, loads and stores in several ways.
extern "C" __global__ void exchange(const int* in, int* striped, int* out, int count) {
  using Load = cub::BlockLoad<int, kThreads, 4, cub::BLOCK_LOAD_WARP_TRANSPOSE>;
  using Exchange = cub::BlockExchange<int, kThreads, 4>;
  using Store = cub::BlockStore<int, kThreads, 4, cub::BLOCK_STORE_TRANSPOSE>;
  using Wide = cub::BlockStore<int, kThreads, 4, cub::BLOCK_STORE_VECTORIZE>;
  __shared__ union {
    typename Load::TempStorage load;
    typename Exchange::TempStorage exchange;
    typename Store::TempStorage store;
    typename Wide::TempStorage wide;
  } storage;
  int v[4], s[4];
  Load(storage.load).Load(in, v, count, -1);
  __syncthreads();
  Exchange(storage.exchange).BlockedToStriped(v, s);
  __syncthreads();
  Wide(storage.wide).Store(striped, s);
  __syncthreads();
  Exchange(storage.exchange).StripedToBlocked(s, v);
  __syncthreads();
  Store(storage.store).Store(out, v, count);
}

extern "C" __global__ void histogram(const unsigned char* in, unsigned* sorted, unsigned* atomic) {
  using Sorted = cub::BlockHistogram<unsigned char, kThreads, 4, 256, cub::BLOCK_HISTO_SORT>;
  using Atomic = cub::BlockHistogram<unsigned char, kThreads, 4, 256, cub::BLOCK_HISTO_ATOMIC>;
  __shared__ union {
    typename Sorted::TempStorage sorted;
    typename Atomic::TempStorage atomic;
  } storage;
  __shared__ unsigned bins[256];
  unsigned char v[4];
  for (int i = 0; i < 4; ++i) v[i] = in[threadIdx.x * 4 + i];
  Atomic(storage.atomic).Histogram(v, bins);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += kThreads) atomic[i] = bins[i];
  __syncthreads();
  Sorted(storage.sorted).Histogram(v, bins);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += kThreads) sorted[i] = bins[i];
}

struct Minus {
  __device__ int operator()(int a, int b) const { return a - b; }
};
struct Unequal {
  __device__ bool operator()(int a, int b) const { return a != b; }
};
extern "C" __global__ void neighbours(const int* in, int* differences, int* heads, int* rotated) {
  using Difference = cub::BlockAdjacentDifference<int, kThreads>;
  using Discontinuity = cub::BlockDiscontinuity<int, kThreads>;
  using Shuffle = cub::BlockShuffle<int, kThreads>;
  __shared__ typename Difference::TempStorage for_difference;
  __shared__ typename Discontinuity::TempStorage for_heads;
  __shared__ typename Shuffle::TempStorage for_shuffle;
  int v[2], d[2], h[2];
  for (int i = 0; i < 2; ++i) v[i] = in[threadIdx.x * 2 + i];
  Difference(for_difference).SubtractLeft(v, d, Minus());
  Discontinuity(for_heads).FlagHeads(h, v, Unequal());
  for (int i = 0; i < 2; ++i) {
    differences[threadIdx.x * 2 + i] = d[i];
    heads[threadIdx.x * 2 + i] = h[i];
  }
  int next;
  Shuffle(for_shuffle).Rotate(v[0], next, 3);
  rotated[threadIdx.x] = next;
}

struct Less {
  __device__ bool operator()(float a, float b) const { return a < b; }
};
extern "C" __global__ void warp_sort(const float* in, float* out) {
  using Sort = cub::WarpMergeSort<float, 3, 16>;
  using Exchange = cub::WarpExchange<float, 3, 16>;
  __shared__ typename Sort::TempStorage for_sort[kThreads / 16];
  __shared__ typename Exchange::TempStorage for_exchange[kThreads / 16];
  const int warp = threadIdx.x / 16, lane = threadIdx.x % 16;
  float v[3];
  for (int i = 0; i < 3; ++i) v[i] = in[warp * 48 + i * 16 + lane];
  Exchange(for_exchange[warp]).StripedToBlocked(v, v);
  Sort(for_sort[warp]).Sort(v, Less());
  for (int i = 0; i < 3; ++i) out[warp * 48 + lane * 3 + i] = v[i];
}
