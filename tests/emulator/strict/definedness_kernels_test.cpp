// The mistakes that people make in CUDA C++, and what only looks like one.
#include "planted.hpp"

namespace emulator::test {
namespace {

class UndefinedKernels : public PlantedBugs {};

TEST_P(UndefinedKernels, TheBugIsCaughtAndItsTwinPasses) {
  const Planted& planted = GetParam();
  for (const bool bug : {true, false}) {
    prepare((bug ? "#define BUG 1\n" : "") + std::string(planted.source));
    for (std::uint64_t schedule = 1; schedule <= kSchedules; ++schedule) {
      const auto fault = run_once(schedule);
      if (!bug) {
        ASSERT_FALSE(fault) << fault->text();
        continue;
      }
      ASSERT_TRUE(fault) << "missed under schedule " << schedule;
      ASSERT_TRUE(fault->kind == planted.kind || fault->kind == planted.also) << fault->text();
      EXPECT_EQ(fault->kernel, "planted");
      EXPECT_GT(fault->line, 0);
      EXPECT_FALSE(fault->related.empty());
      for (const char* word : planted.words) {
        EXPECT_NE(fault->text().find(word), std::string::npos) << word << " in " << fault->text();
      }
    }
  }
}

constexpr auto kUndefined = Fault::Kind::undefined;

const Planted kPlanted[] = {
    {"OneElementTooFewInitialised",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ unsigned sum[128];
#ifdef BUG
  if (threadIdx.x < 127)
#endif
    sum[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  for (int step = 64; step > 0; step /= 2) {
    if (threadIdx.x < step) sum[threadIdx.x] += sum[threadIdx.x + step];
    __syncthreads();
  }
  if (threadIdx.x == 0) out[0] = sum[0];
})",
     kUndefined,
     {"shared memory at offset 0x1fc that nobody wrote", "reaches global memory"}},
    {"AHistogramThatIsNotCleared",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ unsigned bins[16];
#ifdef BUG
  if (threadIdx.x < 15) bins[threadIdx.x] = 0;
#else
  if (threadIdx.x < 16) bins[threadIdx.x] = 0;
#endif
  __syncthreads();
  atomicAdd(&bins[in[threadIdx.x] % 16], 1);
  __syncthreads();
  if (threadIdx.x < 16) out[threadIdx.x] = bins[threadIdx.x];
})",
     kUndefined,
     {"shared memory at offset 0x3c that nobody wrote"}},
    {"ASharedFlagDecides",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ volatile unsigned flag;
#ifndef BUG
  if (threadIdx.x == 0) flag = 0;
  __syncthreads();
#endif
  if (in[threadIdx.x] == 77) flag = 1;
  __syncthreads();
  if (flag) out[threadIdx.x] = 1;
})",
     kUndefined,
     {"decides a branch"},
     64},
    {"AnIndexFromAnArrayThatIsHalfFilled",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ unsigned char order[256];
#ifdef BUG
  order[2 * threadIdx.x] = in[threadIdx.x] & 127;
#else
  order[threadIdx.x] = in[threadIdx.x] & 127;
#endif
  __syncthreads();
  out[threadIdx.x] = in[order[threadIdx.x]];
})",
     kUndefined,
     {"forms an address"}},
    {"ALocalArrayWithAHole",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  unsigned list[16];
  unsigned count = 0;
#ifdef BUG
  for (unsigned i = 0; i < 15; ++i)
#else
  for (unsigned i = 0; i < 16; ++i)
#endif
    list[(i + in[0]) % 16] = in[i];
  for (unsigned i = 0; i < 16; ++i) count += list[(i * 5 + in[threadIdx.x]) % 16];
  out[threadIdx.x] = count;
})",
     kUndefined,
     {"local memory"}},
    {"ARaggedTailOfATile",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ float tile[32][33];
  const int rows = 29;
  for (int i = threadIdx.x; i < 32 * 32; i += blockDim.x) {
    const int r = i / 32, c = i % 32;
    if (r < rows) tile[r][c] = in[i];
#ifndef BUG
    else tile[r][c] = 0;
#endif
  }
  __syncthreads();
  if (threadIdx.x < 32) {
    float sum = 0;
    for (int r = 0; r < 32; ++r) sum += tile[r][threadIdx.x];
    out[threadIdx.x] = sum;
  }
})",
     kUndefined,
     {"that nobody wrote"}},
    {"AnAccumulatorThatIsNeverZeroed",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  unsigned d0, d1, d2, d3;
  asm volatile("{.reg .f32 c;\n"
#ifndef BUG
      "mov.f32 c, 0f00000000;\n"
#endif
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %4, %4, %4}, {%4, %4}, {c, c, c, c};}"
      : "=r"(d0), "=r"(d1), "=r"(d2), "=r"(d3) : "r"(in[threadIdx.x]));
  out[threadIdx.x] = d0 + d1 + d2 + d3;
})",
     kUndefined,
     {"c was never written"}},
    {"PaddingThatIsStoredByWholeWords",
     R"(
struct Pair { char key; int value; };
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ Pair all[128];
  all[threadIdx.x].key = in[threadIdx.x];
  all[threadIdx.x].value = in[threadIdx.x + 1];
  __syncthreads();
  Pair* to = (Pair*)out + threadIdx.x;
#ifdef BUG
  *to = all[127 - threadIdx.x];
#else
  to->key = all[127 - threadIdx.x].key;
  to->value = all[127 - threadIdx.x].value;
#endif
})",
     kUndefined,
     {"padding of a structure", "that nobody wrote"}},
    {"AReductionThatReachesBeyondTheWarpsEnd",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  unsigned v = in[threadIdx.x];
#ifdef BUG
  for (int step = 16; step > 0; step /= 2) v += __shfl_down_sync(0xFFFFFF, v, step);
  if (threadIdx.x < 24) out[threadIdx.x] = v;
#else
  for (int step = 16; step > 0; step /= 2) {
    const unsigned other = __shfl_down_sync(0xFFFFFF, v, step);
    if (threadIdx.x + step < 24) v += other;
  }
  out[threadIdx.x] = v;
#endif
})",
     kUndefined,
     {"a lane that takes no part"},
     24},
};

INSTANTIATE_TEST_SUITE_P(Mistakes, UndefinedKernels, ::testing::ValuesIn(kPlanted),
                         [](const auto& one) { return std::string(one.param.name); });

// --- what a careless check would call a mistake

class Innocent : public PlantedBugs {};

TEST_P(Innocent, Passes) {
  prepare(GetParam().source);
  for (std::uint64_t schedule = 1; schedule <= kSchedules; ++schedule) {
    const auto fault = run_once(schedule);
    ASSERT_FALSE(fault) << fault->text();
  }
}

const Planted kInnocent[] = {
    {"BitFieldsInSharedMemory",
     R"(
struct Fields { unsigned a : 3, b : 7, c : 1, d : 12; };
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ Fields all[128];
  Fields& mine = all[threadIdx.x];
  mine.b = in[threadIdx.x];
  mine.c = 1;
  __syncthreads();
  if (mine.c) out[threadIdx.x] = mine.b;
})",
     kUndefined,
     {}},
    {"ACompactionThatLeavesTheRestUntouched",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ unsigned kept[128], count;
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  if (in[threadIdx.x] % 3 == 0) kept[atomicAdd(&count, 1)] = in[threadIdx.x];
  __syncthreads();
  unsigned v = kept[threadIdx.x];
  for (int i = 0; i < 5; ++i) v = v * 3 + 1;
  out[threadIdx.x] = threadIdx.x < count ? v : 0;
})",
     kUndefined,
     {}},
    {"AWarpReductionOfAPartlyFilledWarp",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  unsigned v = in[threadIdx.x];
  for (int step = 16; step > 0; step /= 2) v += __shfl_xor_sync(0xFFFFu, v, step % 16);
  if (threadIdx.x == 0) out[0] = v;
})",
     kUndefined,
     {},
     16},
    {"PaddingThatTravels",
     R"(
struct alignas(16) Padded { unsigned key; double value; };
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ Padded all[128];
  Padded mine;
  mine.key = in[threadIdx.x];
  mine.value = in[threadIdx.x] * 0.5;
  all[threadIdx.x] = mine;
  __syncthreads();
  const Padded other = all[127 - threadIdx.x];
  out[threadIdx.x] = other.key + (unsigned)other.value;
})",
     kUndefined,
     {}},
    {"AVariableSetOnOneSideAndUsedOnThatSide",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  unsigned value;
  float scale;
  const bool odd = in[threadIdx.x] & 1;
  if (odd) { value = in[threadIdx.x + 1]; scale = 2.f; }
  __syncwarp();
  for (int i = 0; i < (int)(in[threadIdx.x] % 5); ++i) if (odd) value = value * 3 + i;
  if (odd) out[threadIdx.x] = value * scale;
})",
     kUndefined,
     {}},
    {"MemoryFromMalloc",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  unsigned* own = (unsigned*)malloc(16);
  if (own == nullptr) return;
  own[0] = in[threadIdx.x];
  own[1] = 2;
  out[threadIdx.x] = own[0] * own[1];
  if (in[0] == 12345) printf("%u\n", own[0]);
  free(own);
})",
     kUndefined,
     {}},
    {"ASortingNetworkOverPoison",
     R"(
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ unsigned keys[256];
  keys[threadIdx.x] = in[threadIdx.x];
  keys[threadIdx.x + 128] = threadIdx.x < 100 ? in[threadIdx.x + 128] : ~0u;
  __syncthreads();
  for (unsigned k = 2; k <= 256; k *= 2)
    for (unsigned j = k / 2; j > 0; j /= 2) {
      const unsigned i = 2 * threadIdx.x - (threadIdx.x & (j - 1)), o = i + j;
      const bool up = (i & k) == 0;
      const unsigned a = keys[i], b = keys[o];
      if ((a > b) == up) { keys[i] = b; keys[o] = a; }
      __syncthreads();
    }
  out[threadIdx.x] = keys[threadIdx.x];
})",
     kUndefined,
     {}},
    {"RecursionWithLocalArrays",
     R"(
__device__ __noinline__ unsigned walk(unsigned depth, unsigned seed) {
  unsigned list[4];
  for (unsigned i = 0; i <= depth % 4; ++i) list[i] = seed + i;
  if (depth == 0) return list[0];
  return list[depth % 4] + walk(depth - 1, seed * 3 + 1);
}
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  out[threadIdx.x] = walk(in[threadIdx.x] % 7, threadIdx.x);
})",
     kUndefined,
     {}},
};

INSTANTIATE_TEST_SUITE_P(Programs, Innocent, ::testing::ValuesIn(kInnocent),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace emulator::test
