// Races between the blocks of a launch, planted.
#include "planted.hpp"

namespace emulator::test {
namespace {

constexpr auto kRace = Fault::Kind::race;

class GlobalRaces : public PlantedBugs {};

TEST_P(GlobalRaces, TheBugIsCaughtUnderEverySchedule) {
  prepare(std::string("#define BUG\n") + GetParam().source);
  for (unsigned schedule = 0; schedule < kSchedules; ++schedule) {
    const auto fault = run_once(schedule);
    ASSERT_TRUE(fault) << "schedule " << schedule;
    EXPECT_EQ(fault->kind, GetParam().kind) << fault->text();
    EXPECT_NE(fault->text().find("another block"), std::string::npos) << fault->text();
    for (const char* word : GetParam().words) {
      EXPECT_NE(fault->text().find(word), std::string::npos) << word << " in " << fault->text();
    }
  }
}

TEST_P(GlobalRaces, ItsTwinPasses) {
  expect_twin_to_pass();
}

#define KERNEL \
  "extern \"C\" __global__ void planted(unsigned* in, unsigned* out) { unsigned t = threadIdx.x, b = blockIdx.x;\n"

INSTANTIATE_TEST_SUITE_P(Blocks, GlobalRaces,
                         ::testing::Values(Planted{"different_values",
                                                   KERNEL R"(
#ifdef BUG
  if (t == 0) out[0] = b;
#else
  if (t == 0) out[0] = 5;
#endif
})",
                                                   kRace,
                                                   {"a write", "by block ("},
                                                   64,
                                                   8},
                                           Planted{"a_neighbours_result",
                                                   KERNEL R"(out[b * 64 + t] = in[t];
#ifdef BUG
  out[1024 + b * 64 + t] = out[(b * 64 + t + 64) % 512];
#else
  out[1024 + b * 64 + t] = out[b * 64 + t];
#endif
})",
                                                   kRace,
                                                   {"by block ("},
                                                   64,
                                                   8},
                                           Planted{"counted_without_atomics",
                                                   KERNEL R"(
#ifdef BUG
  if (t == 0) out[0] += 1;
#else
  if (t == 0) atomicAdd(out, 1u);
#endif
})",
                                                   kRace,
                                                   {},
                                                   64,
                                                   8},
                                           Planted{"a_lock_let_go_before_the_fence",
                                                   KERNEL R"(
  if (t == 0) {
    for (unsigned i = 0; i < 4; ++i) {
      while (atomicCAS(out, 0u, 1u) != 0) {}
      __threadfence();
      out[1] += 1;
#ifndef BUG
      __threadfence();
#endif
      atomicExch(out, 0u);
    }
    // Ordered well, and with it all that came before: a block that runs alone up to here hides the mistake.
    while (atomicCAS(out, 0u, 1u) != 0) {}
    __threadfence();
    out[8 + b] = out[1];
    __threadfence();
    atomicExch(out, 0u);
  } })",
                                                   kRace,
                                                   {"by block ("},
                                                   64,
                                                   8},
                                           Planted{"set_to_zero_beside_atomics",
                                                   KERNEL R"(
#ifdef BUG
  if (b == 3 && t == 0) out[0] = 0;
#endif
  atomicAdd(out, 1u); })",
                                                   kRace,
                                                   {},
                                                   64,
                                                   8},
                                           Planted{"overlapping_tiles",
                                                   KERNEL R"(unsigned short* o = (unsigned short*)out;
#ifdef BUG
  unsigned tile = 63;
#else
  unsigned tile = 65;
#endif
  if (t < 64) o[b * tile + t] = b; })",
                                                   kRace,
                                                   {},
                                                   64,
                                                   8},
                                           Planted{"compare_and_swap_begins_with_a_plain_read",
                                                   KERNEL R"(unsigned old = out[0], seen;
#ifdef BUG
  out[0] = old + 1;
#else
  do { seen = old; old = atomicCAS(out, seen, seen + 3); } while (old != seen);
#endif
})",
                                                   kRace,
                                                   {},
                                                   32,
                                                   8},
                                           Planted{"atomics_of_a_block_only",
                                                   KERNEL R"(
#ifdef BUG
  if (t == 0) asm volatile("red.relaxed.cta.global.add.u32 [%0], 1;" :: "l"(out) : "memory");
#else
  if (t == 0) asm volatile("red.relaxed.gpu.global.add.u32 [%0], 1;" :: "l"(out) : "memory");
#endif
})",
                                                   kRace,
                                                   {},
                                                   32,
                                                   8}));

#define LAST_BLOCK(BEFORE, AFTER)                                                                  \
  KERNEL                                                                                           \
  "__shared__ bool last; out[16 + b * 64 + t] = in[b + t]; __syncthreads();\n"                     \
  "if (t == 0) {\n" BEFORE "\n last = atomicAdd(out, 1u) == gridDim.x - 1;\n" AFTER                \
  "\n}\n __syncthreads();\n"                                                                       \
  "if (last) { unsigned sum = 0; for (int i = 0; i < gridDim.x; ++i) sum += out[16 + i * 64 + t];" \
  " out[1024 + t] = sum; } }"

INSTANTIATE_TEST_SUITE_P(Order, GlobalRaces,
                         ::testing::Values(Planted{"the_last_block_sums_up_no_release",
                                                   LAST_BLOCK(R"(
#ifndef BUG
 __threadfence();
#endif
)",
                                                              "__threadfence();"),
                                                   kRace,
                                                   {},
                                                   64,
                                                   8},
                                           Planted{"the_last_block_sums_up_no_acquire",
                                                   LAST_BLOCK("__threadfence();", R"(
#ifndef BUG
 __threadfence();
#endif
)"),
                                                   kRace,
                                                   {},
                                                   64,
                                                   8},
                                           Planted{"the_fence_is_too_narrow",
                                                   LAST_BLOCK(R"(
#ifdef BUG
 __threadfence_block();
#else
 __threadfence();
#endif
)",
                                                              "__threadfence();"),
                                                   kRace,
                                                   {},
                                                   64,
                                                   8},
                                           Planted{"release_and_acquire",
                                                   KERNEL R"(__shared__ unsigned n;
  out[16 + b * 64 + t] = in[b + t]; __syncthreads();
  if (t == 0) {
#ifdef BUG
    asm volatile("atom.relaxed.gpu.global.add.u32 %0, [%1], 1;" : "=r"(n) : "l"(out) : "memory");
#else
    asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], 1;" : "=r"(n) : "l"(out) : "memory");
#endif
  }
  __syncthreads();
  if (n == gridDim.x - 1) { unsigned sum = 0; for (int i = 0; i < gridDim.x; ++i) sum += out[16 + i * 64 + t];
    out[1024 + t] = sum; } })",
                                                   kRace,
                                                   {},
                                                   64,
                                                   8}));

}  // namespace
}  // namespace emulator::test
