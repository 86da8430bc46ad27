// Races in shared memory, planted.
#include "planted.hpp"

namespace emulator::test {
namespace {

constexpr auto kRace = Fault::Kind::race;
constexpr auto kInFlight = Fault::Kind::in_flight;

class SharedRaces : public PlantedBugs {};

TEST_P(SharedRaces, TheBugIsCaughtUnderEverySchedule) {
  prepare(std::string("#define BUG\n") + GetParam().source);
  for (unsigned schedule = 0; schedule < kSchedules; ++schedule) {
    const auto fault = run_once(schedule);
    ASSERT_TRUE(fault) << "schedule " << schedule;
    EXPECT_TRUE(fault->kind == GetParam().kind || fault->kind == GetParam().also) << fault->text();
    EXPECT_GT(fault->line, 0) << fault->text();
    ASSERT_FALSE(fault->related.empty()) << fault->text();
    EXPECT_TRUE(fault->related[0].has_thread && fault->related[0].line > 0 && !fault->related[0].instruction.empty());
    for (const char* word : GetParam().words) {
      EXPECT_NE(fault->text().find(word), std::string::npos) << word << " in " << fault->text();
    }
  }
}

TEST_P(SharedRaces, ItsTwinPasses) {
  expect_twin_to_pass();
}

#define KERNEL "extern \"C\" __global__ void planted(unsigned* in, unsigned* out) { unsigned t = threadIdx.x;\n"
#define COPY                                                                                                        \
  "__device__ void copy(void* to, const void* from) {\n"                                                            \
  "  asm volatile(\"cp.async.cg.shared.global [%0], [%1], 16;\" :: \"r\"((unsigned)__cvta_generic_to_shared(to)), " \
  "\"l\"(from) : \"memory\"); }\n"                                                                                  \
  "__device__ void commit() { asm volatile(\"cp.async.commit_group;\" ::: \"memory\"); }\n"                         \
  "template <int n> __device__ void wait() { asm volatile(\"cp.async.wait_group %0;\" :: \"n\"(n) : \"memory\"); }\n"

INSTANTIATE_TEST_SUITE_P(Barriers, SharedRaces,
                         ::testing::Values(Planted{"missing_block_barrier",
                                                   KERNEL R"(__shared__ unsigned s[128]; s[t] = in[t];
#ifndef BUG
  __syncthreads();
#endif
  out[t] = s[t ^ 64]; })",
                                                   kRace,
                                                   {"shared memory at offset", "thread (", "no barrier"}},
                                           Planted{"missing_warp_barrier",
                                                   KERNEL R"(__shared__ unsigned s[32]; s[t] = in[t];
#ifndef BUG
  __syncwarp();
#endif
  out[t] = s[t ^ 1]; })",
                                                   kRace,
                                                   {"st.shared", "ld.shared"},
                                                   32},
                                           Planted{"warp_barrier_of_the_wrong_lanes",
                                                   KERNEL R"(__shared__ unsigned s[32]; s[t] = in[t];
#ifdef BUG
  __syncwarp(t < 16 ? 0x0000ffffu : 0xffff0000u);
#else
  __syncwarp();
#endif
  out[t] = s[t ^ 16]; })",
                                                   kRace,
                                                   {},
                                                   32},
                                           Planted{"a_shuffle_is_no_barrier",
                                                   KERNEL R"(__shared__ unsigned s[32]; s[t] = in[t];
  unsigned x = __shfl_xor_sync(~0u, t, 1);
#ifndef BUG
  __syncwarp();
#endif
  out[t] = s[x]; })",
                                                   kRace,
                                                   {},
                                                   32},
                                           Planted{"buffer_overwritten_too_soon",
                                                   KERNEL R"(__shared__ unsigned s[128]; unsigned sum = 0;
  for (int i = 0; i < 4; ++i) {
    s[t] = in[t + i]; __syncthreads(); sum += s[(t + 32) % 128];
#ifndef BUG
    __syncthreads();
#endif
  } out[t] = sum; })",
                                                   kRace,
                                                   {"a write", "a read"}},
                                           Planted{"barrier_of_other_warps",
                                                   KERNEL R"(__shared__ unsigned s[128]; s[t] = in[t];
#ifdef BUG
  asm volatile("bar.sync %0, 64;" :: "r"(1 + t / 64) : "memory");
#else
  asm volatile("bar.sync 1, 128;" ::: "memory");
#endif
  out[t] = s[t ^ 64]; })",
                                                   kRace,
                                                   {}},
                                           Planted{"producers_arrive_consumers_wait",
                                                   KERNEL R"(__shared__ unsigned s[64];
  if (t < 64) { s[t] = in[t]; asm volatile("bar.arrive 3, 128;" ::: "memory"); }
  else {
#ifdef BUG
    asm volatile("bar.sync 4, 64;" ::: "memory");
#else
    asm volatile("bar.sync 3, 128;" ::: "memory");
#endif
    out[t] = s[t - 64]; }
#ifdef BUG
  if (t >= 64) asm volatile("bar.sync 3, 128;" ::: "memory");
#endif
})",
                                                   kRace,
                                                   {}},
                                           Planted{"written_after_arriving",
                                                   KERNEL R"(__shared__ unsigned s[64];
  if (t < 64) {
#ifndef BUG
    s[t] = in[t];
#endif
    asm volatile("bar.arrive 3, 128;" ::: "memory");
#ifdef BUG
    s[t] = in[t];
#endif
  } else { asm volatile("bar.sync 3, 128;" ::: "memory"); out[t] = *(volatile unsigned*)&s[t - 64]; } })",
                                                   kRace,
                                                   {}},
                                           Planted{"a_reduction_barrier_orders",
                                                   KERNEL R"(__shared__ unsigned s[128]; s[t] = in[t];
  int yes = 1;
#ifndef BUG
  yes = __syncthreads_count(t & 1);
#endif
  out[t] = s[127 - t] + yes; })",
                                                   kRace,
                                                   {}},
                                           Planted{"order_passes_on_through_a_third_warp",
                                                   KERNEL R"(__shared__ unsigned s[32];
  if (t < 32) { s[t] = in[t]; asm volatile("bar.arrive 1, 64;" ::: "memory"); }
  else if (t < 64) { asm volatile("bar.sync 1, 64;" ::: "memory");
#ifdef BUG
    asm volatile("bar.sync 5, 32;" ::: "memory");
  } else if (t < 96) { asm volatile("bar.sync 6, 32;" ::: "memory");
#else
    asm volatile("bar.arrive 2, 64;" ::: "memory");
  } else if (t < 96) { asm volatile("bar.sync 2, 64;" ::: "memory");
#endif
    out[t] = s[t - 64]; } })",
                                                   kRace,
                                                   {}}));

INSTANTIATE_TEST_SUITE_P(Bytes, SharedRaces,
                         ::testing::Values(Planted{"writes_of_different_values",
                                                   KERNEL R"(__shared__ unsigned s;
#ifdef BUG
  s = t;
#else
  s = 7;
#endif
  __syncthreads(); out[t] = s; })",
                                                   kRace,
                                                   {"a write"}},
                                           Planted{"halves_of_a_word",
                                                   KERNEL R"(__shared__ unsigned short s[128]; s[t] = in[t];
#ifndef BUG
  __syncthreads();
#else
  __syncwarp();
#endif
  out[t] = ((unsigned*)s)[(t + 32) % 128 / 2]; })",
                                                   kRace,
                                                   {}},
                                           Planted{"bytes_of_a_word",
                                                   KERNEL R"(__shared__ unsigned char s[132];
#ifdef BUG
  s[t + 1] = 1; s[t] = t;
#else
  s[t] = t;
#endif
  __syncthreads(); out[t] = s[t]; })",
                                                   kRace,
                                                   {}},
                                           Planted{"a_wide_read_reaches_into_a_neighbour",
                                                   KERNEL R"(__shared__ __align__(16) unsigned s[512];
  s[4 * t] = t; s[4 * t + 1] = t; s[4 * t + 2] = t; s[4 * t + 3] = t;
#ifdef BUG
  __syncwarp(); uint4 v = ((uint4*)s)[(t + 32) % 128];
#else
  uint4 v = ((uint4*)s)[t];
#endif
  out[t] = v.x + v.w; })",
                                                   kRace,
                                                   {}},
                                           Planted{"matrix_rows",
                                                   KERNEL R"(__shared__ __align__(16) unsigned s[128]; unsigned d[4];
  for (int i = 0; i < 4; ++i) s[4 * t + i] = in[t];
#ifndef BUG
  __syncwarp();
#endif
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
    : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"((unsigned)__cvta_generic_to_shared(s + 4 * t)));
  out[t] = d[0] + d[3]; })",
                                                   kRace,
                                                   {"ldmatrix"},
                                                   32},
                                           Planted{"matrix_rows_transposed",
                                                   KERNEL R"(__shared__ __align__(16) unsigned s[128]; unsigned d[4];
  for (int i = 0; i < 4; ++i) s[4 * t + i] = in[t];
#ifndef BUG
  __syncwarp();
#endif
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
    : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"((unsigned)__cvta_generic_to_shared(s + 4 * t)));
  out[t] = d[0] + d[3]; })",
                                                   kRace,
                                                   {"ldmatrix"},
                                                   32}));

INSTANTIATE_TEST_SUITE_P(Copies, SharedRaces,
                         ::testing::Values(Planted{"not_waited_for",
                                                   COPY KERNEL R"(__shared__ uint4 s[128];
  copy(&s[t], in + 4 * t); commit();
#ifndef BUG
  wait<0>();
#endif
  out[t] = s[t].x; })",
                                                   kInFlight,
                                                   {"cp.async", "has not waited"}},
                                           Planted{"waited_for_the_wrong_group",
                                                   COPY KERNEL R"(__shared__ uint4 s[128], r[128];
  copy(&s[t], in + 4 * t); commit(); copy(&r[t], in + 4 * t); commit();
#ifdef BUG
  wait<1>();
#else
  wait<0>();
#endif
  out[t] = r[t].x; })",
                                                   kInFlight,
                                                   {}},
                                           Planted{"waited_for_but_no_barrier",
                                                   COPY KERNEL R"(__shared__ uint4 s[128];
  copy(&s[t], in + 4 * t); commit(); wait<0>();
#ifndef BUG
  __syncthreads();
#endif
  out[t] = s[t ^ 32].x; })",
                                                   kRace,
                                                   {"cp.async"},
                                                   128,
                                                   1,
                                                   kInFlight},
                                           Planted{"barrier_before_the_wait",
                                                   COPY KERNEL R"(__shared__ uint4 s[128];
  copy(&s[t], in + 4 * t); commit();
#ifdef BUG
  __syncthreads(); wait<0>();
#else
  wait<0>(); __syncthreads();
#endif
  out[t] = s[t ^ 32].x; })",
                                                   kRace,
                                                   {},
                                                   128,
                                                   1,
                                                   kInFlight},
                                           Planted{"target_written_in_flight",
                                                   COPY KERNEL R"(__shared__ uint4 s[128];
  copy(&s[t], in + 4 * t); commit();
#ifndef BUG
  wait<0>();
#endif
  s[t].y = 1; wait<0>(); out[t] = s[t].y; })",
                                                   kInFlight,
                                                   {"target"}},
                                           Planted{"source_written_in_flight",
                                                   COPY KERNEL R"(__shared__ uint4 s[128];
  copy(&s[t], in + 4 * t); commit();
#ifndef BUG
  wait<0>();
#endif
  in[4 * t] = 1; wait<0>(); out[t] = s[t].y; })",
                                                   kInFlight,
                                                   {"source"}},
                                           Planted{"copied_over_what_others_read",
                                                   COPY KERNEL R"(__shared__ uint4 s[128]; s[t] = uint4{t, t, t, t};
  __syncthreads(); unsigned x = s[t ^ 64].x;
#ifndef BUG
  __syncthreads();
#endif
  copy(&s[t], in + 4 * t); commit(); wait<0>(); out[t] = s[t].x + x; })",
                                                   kRace,
                                                   {},
                                                   128,
                                                   1,
                                                   kInFlight}));

INSTANTIATE_TEST_SUITE_P(
    Atomics, SharedRaces,
    ::testing::Values(Planted{"sum_read_without_a_barrier",
                              KERNEL R"(__shared__ unsigned s; if (t == 0) s = 0; __syncthreads();
  atomicAdd(&s, 1u);
#ifndef BUG
  __syncthreads();
#endif
  out[t] = s; })",
                              kRace,
                              {"atom"}},
                      Planted{"initialised_without_a_barrier",
                              KERNEL R"(__shared__ unsigned s; if (t == 0) s = 0;
#ifndef BUG
  __syncthreads();
#endif
  atomicAdd(&s, 1u); __syncthreads(); out[t] = s; })",
                              kRace,
                              {}},
                      Planted{"compare_and_swap_loop",
                              KERNEL R"(__shared__ unsigned s; if (t == 0) s = 0; __syncthreads();
  unsigned old = s, seen;
#ifdef BUG
  s = old + 1;
#else
  do { seen = old; old = atomicCAS(&s, seen, seen * 3 + 1); } while (old != seen);
#endif
  __syncthreads(); out[t] = s; })",
                              kRace,
                              {}},
                      Planted{"lock",
                              KERNEL R"(__shared__ unsigned lock, s; if (t == 0) { lock = 0; s = 0; } __syncthreads();
  if (t % 32 == 0) { while (atomicCAS(&lock, 0u, 1u) != 0) { }
#ifndef BUG
    __threadfence_block();
#endif
    s += t;
#ifndef BUG
    __threadfence_block();
#endif
    atomicExch(&lock, 0u); }
  __syncthreads(); out[t] = s; })",
                              kRace,
                              {}},
                      Planted{"flag",
                              KERNEL R"(__shared__ unsigned s[32]; __shared__ volatile unsigned flag;
  if (t == 0) flag = 0; __syncthreads();
  if (t == 0) { s[0] = in[5];
#ifndef BUG
    __threadfence_block();
#endif
    flag = 1; }
  if (t == 64) { while (flag == 0) { } __threadfence_block(); out[0] = s[0]; } })",
                              kRace,
                              {}},
                      Planted{"data_written_after_the_fence",
                              KERNEL R"(__shared__ unsigned s[32]; __shared__ volatile unsigned flag;
  if (t == 0) flag = 0; __syncthreads();
  if (t == 0) {
#ifdef BUG
    __threadfence_block(); s[0] = in[5];
#else
    s[0] = in[5]; __threadfence_block();
#endif
    flag = 1; }
  if (t == 64) { while (flag == 0) { } __threadfence_block(); out[0] = s[0]; } })",
                              kRace,
                              {}},
                      Planted{"one_lane_acquires_for_its_warp",
                              KERNEL R"(__shared__ unsigned s[32]; __shared__ volatile unsigned flag;
  if (t == 0) flag = 0; __syncthreads();
  if (t < 32) { s[t] = in[t]; __syncwarp(); if (t == 0) { __threadfence_block(); flag = 1; } }
  else if (t < 64) { if (t == 32) { while (flag == 0) { } __threadfence_block(); }
#ifndef BUG
    __syncwarp();
#endif
    out[t] = s[t - 32]; } })",
                              kRace,
                              {}}));

}  // namespace
}  // namespace emulator::test
