// What goes wrong around wgmma, planted: registers and shared memory of products in flight, fences that are missing,
// warps that do not agree.
#include "planted.hpp"

namespace emulator::test {
namespace {

constexpr auto kInFlight = Fault::Kind::in_flight;
constexpr auto kProxy = Fault::Kind::proxy;
constexpr auto kRace = Fault::Kind::race;
constexpr auto kDivergent = Fault::Kind::divergent_barrier;
constexpr auto kMisaligned = Fault::Kind::misaligned;
constexpr auto kUndefined = Fault::Kind::undefined;
constexpr const char* kArchitecture = "compute_90a";

// A (64 x 16) and B (16 x 8) of bf16, K-major and not swizzled: rows of 16 bytes, eight of them behind each other, then
// the next eight rows, then the other half of K.
constexpr const char* kPrologue = R"(
__device__ unsigned long long describe(const void* p, unsigned leading) {
  return (unsigned long long)((unsigned)__cvta_generic_to_shared(p) >> 4) | (unsigned long long)(leading >> 4) << 16 |
         8ull << 32;
}
__device__ void fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ void commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N> __device__ void wait() { asm volatile("wgmma.wait_group.sync.aligned %0;" :: "n"(N) : "memory"); }
__device__ void proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
__device__ void keep(float* d) {
  for (int i = 0; i < 4; ++i) asm volatile("" : "+f"(d[i]) :: "memory");
}
__device__ void multiply(float* d, unsigned long long a, unsigned long long b, int adds = 1) {
  asm volatile("{ .reg .pred p; setp.ne.b32 p, %6, 0; wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 "
    "{%0, %1, %2, %3}, %4, %5, p, 1, 1, 0, 0; }"
    : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(a), "l"(b), "r"(adds));
}
__shared__ __align__(1024) unsigned sa[512], sb[64], wide[4096];
#define FILL for (unsigned i = t; i < 512; i += n) sa[i] = in[i]; for (unsigned i = t; i < 64; i += n) sb[i] = in[i];
#define READY FILL proxy(); __syncthreads();
#define STORE keep(d); keep(e); for (int i = 0; i < 4; ++i) out[4 * t + i] = __float_as_uint(d[i] + e[i]);
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  const unsigned t = threadIdx.x, n = blockDim.x;
  const unsigned long long a = describe(sa, 1024), b = describe(sb, 128);
  float d[4] = {0, 0, 0, 0}, e[4] = {0, 0, 0, 0};
)";

/// The source is the kernel's body.
class Products : public PlantedBugs {};

TEST_P(Products, TheBugIsCaughtUnderEverySchedule) {
  prepare(std::string("#define BUG\n") + kPrologue + GetParam().source + "}\n");
  for (unsigned schedule = 0; schedule < kSchedules; ++schedule) {
    const auto fault = run_once(schedule);
    ASSERT_TRUE(fault) << "schedule " << schedule;
    EXPECT_TRUE(fault->kind == GetParam().kind || fault->kind == GetParam().also) << fault->text();
    for (const char* word : GetParam().words) EXPECT_NE(fault->text().find(word), std::string::npos) << fault->text();
  }
}

TEST_P(Products, ItsTwinPasses) {
  prepare(std::string(kPrologue) + GetParam().source + "}\n");
  for (unsigned schedule = 0; schedule < kSchedules; ++schedule) {
    const auto fault = run_once(schedule);
    ASSERT_FALSE(fault) << "schedule " << schedule << ": " << fault->text();
  }
}

Planted planted(const char* name, const char* source, Fault::Kind kind, std::vector<const char*> words = {},
                unsigned threads = 128, std::optional<Fault::Kind> also = {}) {
  return {name, source, kind, std::move(words), threads, 1, also, kArchitecture};
}

INSTANTIATE_TEST_SUITE_P(Proxies, Products,
                         ::testing::Values(planted("written_without_a_proxy_fence", R"(FILL 
#ifndef BUG
  proxy();
#endif
  __syncthreads(); fence(); multiply(d, a, b); commit(); wait<0>(); STORE)",
                                                   kProxy, {"fence.proxy.async", "a write"}),
                                           planted("only_one_thread_fences", R"(FILL 
#ifdef BUG
  if (t == 0)
#endif
  proxy();
  __syncthreads(); fence(); multiply(d, a, b); commit(); wait<0>(); STORE)",
                                                   kProxy),
                                           planted("the_writer_fences_behind_the_barrier", R"(
  if (t >= 128) for (unsigned i = t - 128; i < 512; i += 128) sa[i] = in[i];
  if (t >= 128 && t < 192) sb[t - 128] = in[t];
#ifndef BUG
  if (t >= 128) proxy();
#endif
  __syncthreads();
  if (t < 128) { fence(); multiply(d, a, b); commit(); wait<0>(); }
#ifdef BUG
  else proxy();
#endif
  STORE)",
                                                   kProxy, {}, 256),
                                           planted("the_fence_comes_before_the_writes", R"(
#ifdef BUG
  proxy();
#endif
FILL
#ifndef BUG
  proxy();
#endif
  __syncthreads(); fence(); multiply(d, a, b); commit(); wait<0>(); STORE)",
                                                   kProxy),
                                           planted("rewritten_without_a_second_fence", R"(READY 
  fence(); multiply(d, a, b); commit(); wait<0>(); __syncthreads();
  if (t < 64) sb[t] = in[t + 64];
#ifndef BUG
  proxy();
#endif
  __syncthreads(); fence(); multiply(e, a, b); commit(); wait<0>(); STORE)",
                                                   kProxy),
                                           planted("copied_asynchronously_without_a_proxy_fence", R"(
  for (unsigned i = t; i < 128; i += n)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::
      "r"((unsigned)__cvta_generic_to_shared(sa + 4 * i)), "l"(in + 4 * i) : "memory");
  if (t < 64) sb[t] = in[t];
  asm volatile("cp.async.wait_all;" ::: "memory");
#ifdef BUG
  if (t >= 64)
#endif
  proxy();
  __syncthreads(); fence(); multiply(d, a, b); commit(); wait<0>(); STORE)",
                                                   kProxy),
                                           planted("a_fence_of_global_memory_alone", R"(FILL 
#ifdef BUG
  asm volatile("fence.proxy.async.global;" ::: "memory");
#else
  asm volatile("fence.proxy.async;" ::: "memory");
#endif
  __syncthreads(); fence(); multiply(d, a, b); commit(); wait<0>(); STORE)",
                                                   kProxy)));

INSTANTIATE_TEST_SUITE_P(SharedMemory, Products,
                         ::testing::Values(planted("no_barrier_behind_the_writes", R"(FILL proxy();
#ifndef BUG
  __syncthreads();
#endif
  fence(); multiply(d, a, b); commit(); wait<0>(); STORE)",
                                                   kRace, {"shared memory at offset"}, 128, kUndefined),
                                           planted("an_operand_is_overwritten_in_flight", R"(READY 
  fence(); multiply(d, a, b); commit();
#ifdef BUG
  if (t < 64) sb[t] = 7;
  wait<0>();
#else
  wait<0>();
  if (t < 64) sb[t] = 7;
#endif
 STORE)",
                                                   kRace, {"of an asynchronous operation"}),
                                           planted("another_warpgroup_overwrites_before_the_barrier", R"(READY 
  if (t < 128) { fence(); multiply(d, a, b); commit(); wait<0>(); }
#ifndef BUG
  __syncthreads();
#endif
  if (t == 200) sb[5] = 7; STORE)",
                                                   kRace, {}, 256),
                                           planted("the_barrier_comes_before_the_wait", R"(READY 
  if (t < 128) { fence(); multiply(d, a, b); commit(); }
#ifndef BUG
  if (t < 128) wait<0>();
#endif
  __syncthreads();
  if (t == 200) sb[5] = 7;
#ifdef BUG
  if (t < 128) wait<0>();
#endif
 STORE)",
                                                   kRace, {}, 256),
                                           planted("the_wait_covers_too_few_groups", R"(READY 
  fence(); multiply(d, a, b); commit(); multiply(e, a, b); commit();
#ifdef BUG
  wait<1>();
#else
  wait<0>();
#endif
  __syncthreads(); if (t == 9) sb[5] = 7; wait<0>(); STORE)",
                                                   kRace),
                                           planted("half_of_an_operand_was_never_written", R"(
  for (unsigned i = t; i < 512; i += n) sa[i] = in[i];
#ifdef BUG
  if (t < 32) sb[t] = in[t];
#else
  if (t < 64) sb[t] = in[t];
#endif
  proxy(); __syncthreads(); fence(); multiply(d, a, b); commit(); wait<0>(); STORE)",
                                                   kUndefined, {"which is undefined, reaches global memory"}),
                                           planted("a_pattern_off_its_boundary", R"(
  for (unsigned i = t; i < 4096; i += n) wide[i] = in[i % 512];
#ifdef BUG
  const unsigned char* at = (unsigned char*)wide + 128;
#else
  const unsigned char* at = (unsigned char*)wide + 32;
#endif
  const unsigned long long w = (unsigned long long)((unsigned)__cvta_generic_to_shared(at) >> 4) | 64ull << 32 | 1ull << 62;
 READY 
  fence(); multiply(d, w, b); commit(); wait<0>(); STORE)",
                                                   kMisaligned, {"descriptor"}),
                                           planted("a_matrix_that_leaves_its_row", R"(
  for (unsigned i = t; i < 4096; i += n) wide[i] = in[i % 512];
#ifdef BUG
  const unsigned char* at = (unsigned char*)wide + 112;
#else
  const unsigned char* at = (unsigned char*)wide + 96;
#endif
  const unsigned long long w = (unsigned long long)((unsigned)__cvta_generic_to_shared(at) >> 4) | 64ull << 32 | 1ull << 62;
 READY 
  fence(); multiply(d, w, b); commit(); wait<0>(); STORE)",
                                                   kMisaligned, {"descriptor"})));

INSTANTIATE_TEST_SUITE_P(Registers, Products,
                         ::testing::Values(planted("accumulators_are_read_in_flight", R"(READY 
  fence(); multiply(d, a, b); commit();
#ifdef BUG
  out[t] = __float_as_uint(d[1]);
#endif
  wait<0>(); STORE)",
                                                   kInFlight, {"an accumulator", "wgmma.wait_group"}),
                                           planted("the_second_group_is_read_too_early", R"(READY 
  fence(); multiply(d, a, b); commit(); multiply(e, a, b); commit(); wait<1>();
#ifdef BUG
  out[t] = __float_as_uint(e[0]);
#else
  out[t] = __float_as_uint(d[0]);
#endif
  wait<0>(); STORE)",
                                                   kInFlight, {"an accumulator"}),
                                           planted("uncommitted_products_are_waited_for", R"(READY 
  fence(); multiply(d, a, b);
#ifndef BUG
  commit();
#endif
  wait<0>(); STORE)",
                                                   kInFlight, {"an accumulator"}),
                                           planted("accumulators_are_scaled_without_a_fence", R"(READY 
  fence(); multiply(d, a, b); commit(); wait<0>();
  for (int i = 0; i < 4; ++i) d[i] *= 0.5f;
#ifndef BUG
  keep(d); fence();
#endif
  multiply(d, a, b); commit(); wait<0>(); STORE)",
                                                   kInFlight, {"something wrote", "wgmma.fence"}),
                                           planted("no_fence_at_all", R"(READY 
#ifndef BUG
  fence();
#endif
  multiply(d, a, b); commit(); wait<0>(); STORE)",
                                                   kInFlight, {"wgmma.fence"}),
                                           planted("a_fragment_changes_in_flight", R"(READY 
  unsigned v = in[t];
  asm volatile("{ .reg .b32 x, y; mov.b32 x, %5; add.u32 x, x, 1; wgmma.fence.sync.aligned;\n"
    "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, {x, x, x, x}, %4, 1, 1, 1, 0;\n"
    "wgmma.commit_group.sync.aligned;\n"
#ifdef BUG
    "add.u32 x, x, 1; wgmma.wait_group.sync.aligned 0; }"
#else
    "wgmma.wait_group.sync.aligned 0; add.u32 x, x, 1; }"
#endif
    : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(b), "r"(v) : "memory"); STORE)",
                                                   kInFlight, {"fragment of A"}),
                                           planted("a_fragment_is_made_behind_the_fence", R"(READY 
  unsigned v = in[t];
  asm volatile("{ .reg .b32 x;\n"
#ifdef BUG
    "wgmma.fence.sync.aligned; add.u32 x, %5, 1;\n"
#else
    "add.u32 x, %5, 1; wgmma.fence.sync.aligned;\n"
#endif
    "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, {x, x, x, x}, %4, 1, 1, 1, 0;\n"
    "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; }"
    : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(b), "r"(v) : "memory"); STORE)",
                                                   kInFlight, {"something wrote"}),
                                           planted("another_shape_accumulates_without_a_fence", R"(READY 
  asm volatile("{ wgmma.fence.sync.aligned;\n"
    "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, %4, %5, 1, 1, 1, 0, 0;\n"
#ifdef BUG
    "wgmma.mma_async.sync.aligned.m64n8k8.f32.tf32.tf32 {%0, %1, %2, %3}, %4, %5, 1, 1, 1;\n"
#else
    "wgmma.fence.sync.aligned;\n"
    "wgmma.mma_async.sync.aligned.m64n8k8.f32.tf32.tf32 {%0, %1, %2, %3}, %4, %5, 1, 1, 1;\n"
    "wgmma.mma_async.sync.aligned.m64n8k8.f32.tf32.tf32 {%0, %1, %2, %3}, %4, %5, 1, 1, 1;\n"
#endif
    "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; }"
    : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "l"(a), "l"(b) : "memory"); STORE)",
                                                   kInFlight, {"another shape"})));

INSTANTIATE_TEST_SUITE_P(Warps, Products,
                         ::testing::Values(planted("one_warp_stays_away", R"(READY 
#ifdef BUG
  if (t < 96)
#endif
  { fence(); multiply(d, a, b); commit(); wait<0>(); } STORE)",
                                                   kDivergent, {"warpgroup"}),
                                           planted("warps_describe_different_matrices", R"(READY 
#ifdef BUG
  const unsigned long long c = describe(sa + t / 32 * 4, 1024);
#else
  const unsigned long long c = a;
#endif
  fence(); multiply(d, c, b); commit(); wait<0>(); STORE)",
                                                   kDivergent, {"different descriptors"}),
                                           planted("warps_execute_different_products", R"(READY 
  fence();
#ifdef BUG
  if (t < 64) multiply(d, a, b); else multiply(d, a, b, 0);
#else
  multiply(d, a, b, 0);
#endif
  commit(); wait<0>(); STORE)",
                                                   kDivergent)));

}  // namespace
}  // namespace emulator::test
