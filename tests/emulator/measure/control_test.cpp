// Divergence and barriers, counted on paper; and that measuring changes nothing.
#include <numeric>

#include "measured.hpp"

namespace emulator::test {
namespace {

using Control = Measured;

TEST_F(Control, BothSidesOfABranchAreShort) {
  const std::string text = header() + R"(
.visible .entry k(.param .u32 bound) {
.reg .pred p;
.reg .b32 i, n, x;
mov.u32 i, %tid.x;
ld.param.u32 n, [bound];
mov.u32 x, 0;
setp.lt.u32 p, i, n;
@p bra less;
add.u32 x, x, 1;
add.u32 x, x, 2;
bra join;
less:
sub.u32 x, x, 1;
join:
mul.lo.u32 x, x, 3;
ret;
}
)";
  for (const bool strict : {false, true}) {
    strict_ = strict;
    run(text, "k", Arguments().add(10u));
    EXPECT_EQ(of("@p bra").split_branches, 1u);
    EXPECT_EQ(total().split_branches, 1u);
    EXPECT_EQ(of("add.u32").divergent_instructions, 2u);
    EXPECT_EQ(of("add.u32").thread_instructions, 2u * 22);
    EXPECT_EQ(of("sub.u32").divergent_instructions, 1u);
    EXPECT_EQ(of("sub.u32").thread_instructions, 10u);
    EXPECT_EQ(of("bra join").divergent_instructions, 1u);
    EXPECT_EQ(of("mul.lo").divergent_instructions, 0u) << "the paths have joined";
    EXPECT_EQ(of("mul.lo").warp_instructions, 1u);
    EXPECT_EQ(total().divergent_instructions, 4u);
  }
  // A branch that all lanes take, or none, splits nothing.
  for (const std::uint32_t bound : {0u, 32u}) {
    run(text, "k", Arguments().add(bound));
    EXPECT_EQ(total().split_branches, 0u);
    EXPECT_EQ(total().divergent_instructions, 0u);
  }
  // A predicate is no divergence; neither are lanes that the block does not have.
  block_ = {20, 1, 1};
  run(text, "k", Arguments().add(20u));
  EXPECT_EQ(total().divergent_instructions, 0u);
}

TEST_F(Control, EarlyExitsLeaveAWarpWhole) {
  run(header() + R"(
.visible .entry k() {
.reg .pred p;
.reg .b32 i;
mov.u32 i, %tid.x;
setp.lt.u32 p, i, 7;
@p exit;
add.u32 i, i, 1;
ret;
}
)",
      "k", Arguments());
  EXPECT_EQ(total().divergent_instructions, 0u) << "who is left runs together";
  EXPECT_EQ(of("add.u32").thread_instructions, 25u);
}

TEST_F(Control, BarrierWaitsAreOfWarps) {
  block_ = {100, 1, 1};  // 4 warps
  grid_ = {3, 1, 1};
  run(header() + R"(
.visible .entry k() {
.reg .pred p;
.reg .b32 i;
mov.u32 i, 0;
again:
bar.sync 0;
add.u32 i, i, 1;
setp.lt.u32 p, i, 5;
@p bra again;
mov.u32 i, %tid.x;
setp.lt.u32 p, i, 64;
@p bar.arrive 1, 128;
@!p bar.sync 1, 128;
ret;
}
)",
      "k", Arguments());
  EXPECT_EQ(of("bar.sync 0").barrier_waits, 3u * 4 * 5);
  EXPECT_EQ(of("@p bar.arrive").barrier_waits, 0u) << "arriving is not waiting";
  EXPECT_EQ(total().barrier_waits, of("bar.sync 0").barrier_waits + of("@!p bar.sync").barrier_waits);
}

/// Loads, stores, shuffles, divergence, atomics and barriers.
const char* const kBusy = R"(
extern "C" __global__ void k(float* out, const float* in, unsigned* sum, int n) {
  __shared__ float room[256];
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  float x = i < n ? in[i] : 0.f;
  for (int step = 0; step < 5; ++step) {
    room[threadIdx.x] = x;
    __syncthreads();
    x += room[(threadIdx.x * 33) % 256];
    __syncthreads();
    if (threadIdx.x % 3 == 0) x = x * 0.5f + 1.f;
    else {
      const unsigned here = __activemask();
      x += __shfl_sync(here, x, __ffs(here) - 1);
    }
  }
  if (i < n) { out[i] = x; atomicAdd(sum, (unsigned)i); }
}
)";

TEST_F(Control, MeasuringChangesNoBitAndRepeats) {
  const int n = 1000;
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 1.f);
  float* in = buffer(values);
  const std::string ptx = ptx_of(kBusy);
  block_ = {256, 1, 1};
  grid_ = {4, 1, 1};
  const auto go = [&](bool measure, int threads, bool strict) {
    measure_ = measure;
    host_threads_ = threads;
    strict_ = strict;
    float* out = poisoned<float>(n);
    std::uint32_t* sum = buffer(std::vector<std::uint32_t>{0});
    run(ptx, "k", Arguments().add(out).add(in).add(sum).add(n));
    std::vector<std::uint32_t> bits(n);
    std::memcpy(bits.data(), out, n * sizeof(float));
    bits.push_back(*sum);
    return bits;
  };
  const auto plain = go(false, 1, false);
  const Statistics without = statistics_;
  EXPECT_FALSE(without.measurement.measured);
  EXPECT_TRUE(without.measurement.instructions.empty());
  const auto measured = go(true, 1, false);
  const Statistics with = statistics_;
  EXPECT_EQ(plain, measured);
  EXPECT_EQ(without.warp_instructions, with.warp_instructions);
  EXPECT_EQ(without.thread_instructions, with.thread_instructions);
  EXPECT_EQ(without.global_load_bytes, with.global_load_bytes);
  EXPECT_EQ(with.measurement.total.thread_instructions, with.thread_instructions);
  EXPECT_EQ(with.measurement.total.barrier_waits, 4u * 8 * 10);
  for (const int threads : {2, 4}) {
    for (const bool strict : {false, true}) {
      EXPECT_EQ(go(true, threads, strict), plain);
      EXPECT_EQ(statistics_.measurement, with.measurement) << threads << " host threads, strict " << strict;
    }
  }
}

}  // namespace
}  // namespace emulator::test
