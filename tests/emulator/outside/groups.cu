// Cooperative groups: tiles, coalesced and labelled groups, reductions, scans, asynchronous copies.
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>

namespace cg = cooperative_groups;

/// Sums over tiles of 4 and 32 lanes, and of the whole block by way of its tiles.
extern "C" __global__ void tiles(const int* in, int* small, int* large, int* scanned) {
  const cg::thread_block block = cg::this_thread_block();
  const auto four = cg::tiled_partition<4>(block);
  const auto warp = cg::tiled_partition<32>(block);
  const int at = block.thread_rank(), v = in[at];
  small[at] = cg::reduce(four, v, cg::plus<int>());
  large[at] = cg::reduce(warp, v, cg::greater<int>());
  scanned[at] = cg::inclusive_scan(warp, v);
}

/// Lanes that take one branch form a group; one of them reserves room for all.
extern "C" __global__ void compact(const int* in, int* out, int* count) {
  const int v = in[blockIdx.x * blockDim.x + threadIdx.x];
  if (v % 3 == 0) {
    const cg::coalesced_group together = cg::coalesced_threads();
    int first = 0;
    if (together.thread_rank() == 0) first = atomicAdd(count, (int)together.size());
    first = together.shfl(first, 0);
    out[first + together.thread_rank()] = v;
  }
}

/// Groups by value: sums and sizes of those with the same label.
extern "C" __global__ void labels(const int* label, const int* in, int* sums, int* sizes) {
  const auto warp = cg::tiled_partition<32>(cg::this_thread_block());
  const int at = threadIdx.x;
  const auto same = cg::labeled_partition(warp, label[at]);
  sums[at] = cg::reduce(same, in[at], cg::plus<int>());
  sizes[at] = (int)same.size();
  const auto half = cg::binary_partition(warp, (label[at] & 1) != 0);
  sizes[at] += 1000 * (int)half.size();
}

/// A copy by the whole block, waited for; doubles and a shuffle of a structure.
struct Triple {
  double a;
  int b;
  short c;
};
extern "C" __global__ void copies(const double* in, double* out, Triple* triples, int count) {
  extern __shared__ __align__(16) double staged[];
  const cg::thread_block block = cg::this_thread_block();
  cg::memcpy_async(block, staged, in, sizeof(double) * count);
  cg::wait(block);
  for (int i = block.thread_rank(); i < count; i += block.size()) out[i] = staged[count - 1 - i];
  const auto warp = cg::tiled_partition<32>(block);
  Triple mine{in[threadIdx.x], (int)threadIdx.x * 3, (short)-threadIdx.x};
  triples[threadIdx.x] = warp.shfl_down(mine, 5);
}

/// Barriers of the block by arrive and wait, and a tile larger than a warp.
extern "C" __global__ void large_tiles(const unsigned* in, unsigned* out) {
  __shared__ cg::block_tile_memory<256> memory;
  const auto block = cg::this_thread_block(memory);
  const auto tile = cg::tiled_partition<64>(block);
  const unsigned v = in[block.thread_rank()];
  const unsigned sum = cg::reduce(tile, v, cg::plus<unsigned>());
  auto token = block.barrier_arrive();
  block.barrier_wait(std::move(token));
  out[block.thread_rank()] = sum + tile.shfl(v, 63);
}

extern "C" __global__ void votes(const int* in, unsigned* out) {
  const auto tile = cg::tiled_partition<16>(cg::this_thread_block());
  const int v = in[threadIdx.x];
  unsigned r = tile.ballot(v > 0);
  r |= (unsigned)tile.any(v == 7) << 16 | (unsigned)tile.all(v > -100) << 17;
  r |= (unsigned)__popc(tile.match_any(v & 3)) << 18;
  out[threadIdx.x] = r;
}

/// A barrier of the whole grid, for a cooperative launch.
extern "C" __global__ void grid_sum(const int* in, int* partial, int* out, int count) {
  const cg::grid_group grid = cg::this_grid();
  int sum = 0;
  for (int i = (int)grid.thread_rank(); i < count; i += (int)grid.size()) sum += in[i];
  partial[grid.thread_rank()] = sum;
  grid.sync();
  if (grid.thread_rank() == 0) {
    int total = 0;
    for (int i = 0; i < (int)grid.size(); ++i) total += partial[i];
    *out = total;
  }
}
