// libcu++: atomics of several scopes, barriers, pipelines, latches and semaphores.
#include <cooperative_groups.h>
#include <cuda/atomic>
#include <cuda/barrier>
#include <cuda/latch>
#include <cuda/pipeline>
#include <cuda/semaphore>
#include <cuda/std/array>
#include <cuda/std/bit>
#include <cuda/std/complex>
#include <cuda/std/tuple>

/// Counters of every width; the 64-bit maximum by compare and exchange.
extern "C" __global__ void counters(unsigned* shared_total, unsigned long long* largest, int* bits, double* sum) {
  __shared__ cuda::atomic<unsigned, cuda::thread_scope_block> count;
  if (threadIdx.x == 0) new (&count) cuda::atomic<unsigned, cuda::thread_scope_block>(0);
  __syncthreads();
  count.fetch_add(threadIdx.x, cuda::memory_order_relaxed);
  cuda::atomic_ref<unsigned long long, cuda::thread_scope_device> most(*largest);
  most.fetch_max((unsigned long long)threadIdx.x * 0x100000001ull, cuda::memory_order_acq_rel);
  cuda::atomic_ref<int> flags(*bits);
  flags.fetch_or(1 << (threadIdx.x % 32));
  cuda::atomic_ref<double, cuda::thread_scope_device> total(*sum);
  total.fetch_add(0.5 * threadIdx.x, cuda::memory_order_relaxed);
  cuda::atomic_thread_fence(cuda::memory_order_seq_cst, cuda::thread_scope_block);
  __syncthreads();
  if (threadIdx.x == 0) *shared_total = count.load();
}

/// Bytes and halves are atomic by way of the word around them.
extern "C" __global__ void small_atomics(unsigned char* bytes, unsigned short* halves) {
  cuda::atomic_ref<unsigned char, cuda::thread_scope_device> b(bytes[threadIdx.x % 4]);
  b.fetch_add(1);
  cuda::atomic_ref<unsigned short, cuda::thread_scope_device> h(halves[threadIdx.x % 2]);
  h.fetch_add(3);
  unsigned short old = h.load();
  while (!h.compare_exchange_weak(old, (unsigned short)(old ^ 0x8000))) {
  }
}

/// A producer and a consumer half of the block hand stretches over, by two barriers.
extern "C" __global__ void handover(const int* in, int* out, int rounds) {
  using Barrier = cuda::barrier<cuda::thread_scope_block>;
  __shared__ Barrier full, empty;
  __shared__ int staged[64];
  if (threadIdx.x == 0) {
    init(&full, 128);
    init(&empty, 128);
  }
  __syncthreads();
  const bool produces = threadIdx.x < 64;
  const int lane = threadIdx.x % 64;
  for (int r = 0; r < rounds; ++r) {
    if (produces) {
      if (r > 0) empty.arrive_and_wait();
      staged[lane] = in[r * 64 + lane];
      static_cast<void>(full.arrive());
    } else {
      full.arrive_and_wait();
      out[r * 64 + lane] = staged[63 - lane] + r;
      if (r + 1 < rounds) static_cast<void>(empty.arrive());
    }
  }
}

/// Asynchronous copies that a barrier waits for.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ < 900  // there it is a bulk copy
extern "C" __global__ void barrier_copies(const float4* in, float4* out, int count) {
  using Barrier = cuda::barrier<cuda::thread_scope_block>;
  extern __shared__ float4 staged4[];
  __shared__ Barrier barrier;
  if (threadIdx.x == 0) init(&barrier, blockDim.x);
  __syncthreads();
  for (int i = threadIdx.x; i < count; i += blockDim.x)
    cuda::memcpy_async(&staged4[i], &in[i], cuda::aligned_size_t<16>(sizeof(float4)), barrier);
  barrier.arrive_and_wait();
  for (int i = threadIdx.x; i < count; i += blockDim.x) out[i] = staged4[count - 1 - i];
}

#endif

/// A pipeline of the block with two stages.
extern "C" __global__ void pipelined(const int* in, int* out, int batches) {
  constexpr int kStages = 2;
  __shared__ int staged[kStages][128];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, kStages> state;
  auto group = cooperative_groups::this_thread_block();
  auto pipeline = cuda::make_pipeline(group, &state);
  const int fetch_first = batches < kStages ? batches : kStages;
  for (int b = 0; b < fetch_first; ++b) {
    pipeline.producer_acquire();
    cuda::memcpy_async(group, staged[b % kStages], in + b * 128, sizeof(int) * 128, pipeline);
    pipeline.producer_commit();
  }
  int sum = 0;
  for (int b = 0; b < batches; ++b) {
    pipeline.consumer_wait();
    sum += staged[b % kStages][(threadIdx.x + b) % 128];
    pipeline.consumer_release();
    if (b + kStages < batches) {
      pipeline.producer_acquire();
      cuda::memcpy_async(group, staged[b % kStages], in + (b + kStages) * 128, sizeof(int) * 128, pipeline);
      pipeline.producer_commit();
    }
  }
  out[threadIdx.x] = sum;
}

/// One warp produces, the others consume: roles in one pipeline.
extern "C" __global__ void partitioned(const int* in, int* out, int batches) {
  constexpr int kStages = 3;
  __shared__ int staged[kStages][64];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, kStages> state;
  auto group = cooperative_groups::this_thread_block();
  const bool produces = threadIdx.x < 32;
  auto pipeline = cuda::make_pipeline(
      group, &state, produces ? cuda::pipeline_role::producer : cuda::pipeline_role::consumer);
  if (produces) {
    for (int b = 0; b < batches; ++b) {
      pipeline.producer_acquire();
      for (int i = threadIdx.x; i < 64; i += 32)
        cuda::memcpy_async(&staged[b % kStages][i], in + b * 64 + i, sizeof(int), pipeline);
      pipeline.producer_commit();
    }
  } else {
    for (int b = 0; b < batches; ++b) {
      pipeline.consumer_wait();
      out[b * 64 + threadIdx.x - 32] = staged[b % kStages][63 - (threadIdx.x - 32)];
      pipeline.consumer_release();
    }
  }
}

/// A pipeline of one thread.
extern "C" __global__ void own_pipeline(const double2* in, double2* out) {
  __shared__ double2 staged[128];
  auto pipeline = cuda::make_pipeline();
  pipeline.producer_acquire();
  cuda::memcpy_async(&staged[threadIdx.x], &in[threadIdx.x], sizeof(double2), pipeline);
  pipeline.producer_commit();
  pipeline.consumer_wait();
  double2 v = staged[threadIdx.x];
  pipeline.consumer_release();
  out[threadIdx.x] = double2{v.y, v.x};
}

/// A latch, a semaphore that lets two in at a time, and a spin lock. Their constructors do not run by themselves.
extern "C" __global__ void locks(int* counter, int* inside_most) {
  using Latch = cuda::latch<cuda::thread_scope_block>;
  using Door = cuda::counting_semaphore<cuda::thread_scope_block, 2>;
  using Flag = cuda::atomic<int, cuda::thread_scope_block>;
  __shared__ __align__(16) unsigned char for_latch[sizeof(Latch)], for_door[sizeof(Door)], for_flags[2 * sizeof(Flag)];
  Latch& started = *reinterpret_cast<Latch*>(for_latch);
  Door& door = *reinterpret_cast<Door*>(for_door);
  Flag* flags = reinterpret_cast<Flag*>(for_flags);
  if (threadIdx.x == 0) {
    new (&started) Latch(blockDim.x);
    new (&door) Door(2);
    new (&flags[0]) Flag(0);
    new (&flags[1]) Flag(0);
  }
  __syncthreads();
  started.arrive_and_wait();
  door.acquire();
  const int now = ++flags[0];
  atomicMax(inside_most, now);
  --flags[0];
  door.release();
  while (flags[1].exchange(1, cuda::memory_order_acquire) != 0) {
  }
  *counter = *counter + 1;
  flags[1].store(0, cuda::memory_order_release);
}

/// Library types in device code.
extern "C" __global__ void values(const double* in, double* out, unsigned* bits) {
  const cuda::std::complex<double> z(in[2 * threadIdx.x], in[2 * threadIdx.x + 1]);
  const auto w = z * z + cuda::std::complex<double>(0.25, -1.0);
  out[3 * threadIdx.x] = w.real();
  out[3 * threadIdx.x + 1] = w.imag();
  out[3 * threadIdx.x + 2] = cuda::std::abs(z);
  const auto u = cuda::std::bit_cast<unsigned long long>(in[threadIdx.x]);
  bits[threadIdx.x] = (unsigned)(cuda::std::popcount(u) * 10000 + cuda::std::countl_zero(u | 1) * 100 +
                                 cuda::std::countr_zero(u | (1ull << 63)));
}
