// CUB's block-wide sorts.
#include <cub/block/block_merge_sort.cuh>
#include <cub/block/block_radix_sort.cuh>

constexpr int kThreads = 128, kItems = 7;

/// Each block sorts its stretch of pairs by some bits of the key.
extern "C" __global__ void radix_pairs(unsigned* keys, unsigned* values, int begin_bit, int end_bit) {
  using Sort = cub::BlockRadixSort<unsigned, kThreads, kItems, unsigned>;
  __shared__ typename Sort::TempStorage storage;
  unsigned k[kItems], v[kItems];
  const int first = blockIdx.x * kThreads * kItems + threadIdx.x * kItems;
  for (int i = 0; i < kItems; ++i) {
    k[i] = keys[first + i];
    v[i] = values[first + i];
  }
  Sort(storage).Sort(k, v, begin_bit, end_bit);
  for (int i = 0; i < kItems; ++i) {
    keys[first + i] = k[i];
    values[first + i] = v[i];
  }
}

/// Descending, of floating-point keys, left in striped order.
extern "C" __global__ void radix_descending(const double* in, double* out) {
  using Sort = cub::BlockRadixSort<double, kThreads, 4>;
  extern __shared__ __align__(16) unsigned char dynamic[];
  auto& storage = *reinterpret_cast<typename Sort::TempStorage*>(dynamic);
  double k[4];
  for (int i = 0; i < 4; ++i) k[i] = in[threadIdx.x * 4 + i];
  Sort(storage).SortDescendingBlockedToStriped(k);
  for (int i = 0; i < 4; ++i) out[i * kThreads + threadIdx.x] = k[i];
}

/// What the host must give radix_descending.
extern "C" __device__ const unsigned radix_descending_bytes =
    sizeof(typename cub::BlockRadixSort<double, kThreads, 4>::TempStorage);

struct Pair {
  long long key;
  int index;
};
struct ByKey {
  __device__ bool operator()(const Pair& a, const Pair& b) const { return a.key < b.key; }
};

/// Stable, with a comparison of one's own, and fewer items than fit.
extern "C" __global__ void merge_pairs(const long long* keys, int* order, int count) {
  using Sort = cub::BlockMergeSort<Pair, kThreads, 5>;
  __shared__ typename Sort::TempStorage storage;
  Pair items[5];
  for (int i = 0; i < 5; ++i) {
    const int at = threadIdx.x * 5 + i;
    items[i].key = at < count ? keys[at] : 0;
    items[i].index = at;
  }
  Sort(storage).StableSort(items, ByKey(), count, Pair{0x7FFFFFFFFFFFFFFF, -1});
  for (int i = 0; i < 5; ++i) {
    if (threadIdx.x * 5 + i < count) order[threadIdx.x * 5 + i] = items[i].index;
  }
}
