// Races that mbarrier objects in shared memory should have prevented, planted.
#include "planted.hpp"

namespace emulator::test {
namespace {

constexpr auto kRace = Fault::Kind::race;

class ObjectRaces : public PlantedBugs {};

TEST_P(ObjectRaces, TheBugIsCaughtUnderEverySchedule) {
  prepare(std::string("#define BUG\n") + GetParam().source);
  for (unsigned schedule = 0; schedule < kSchedules; ++schedule) {
    const auto fault = run_once(schedule);
    ASSERT_TRUE(fault) << "schedule " << schedule;
    EXPECT_TRUE(fault->kind == GetParam().kind || fault->kind == GetParam().also) << fault->text();
    EXPECT_EQ(fault->related.empty(), fault->kind != kRace) << fault->text();
  }
}

TEST_P(ObjectRaces, ItsTwinPasses) {
  expect_twin_to_pass();
}

#define KERNEL "extern \"C\" __global__ void planted(unsigned* in, unsigned* out) { unsigned t = threadIdx.x;\n"
#define OBJECT                                                                                                         \
  "__device__ void init(unsigned long long* o, unsigned n) { asm volatile(\"mbarrier.init.shared.b64 [%0], %1;\" :: "  \
  "\"r\"((unsigned)__cvta_generic_to_shared(o)), \"r\"(n) : \"memory\"); }\n"                                          \
  "__device__ void arrive(unsigned long long* o) { asm volatile(\"{ .reg .b64 s; mbarrier.arrive.shared.b64 s, [%0]; " \
  "}\" :: \"r\"((unsigned)__cvta_generic_to_shared(o)) : \"memory\"); }\n"                                             \
  "__device__ void wait(unsigned long long* o, unsigned parity) { unsigned done = 0; while (!done) asm volatile(\"{ "  \
  ".reg .pred p; mbarrier.test_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }\" : \"=r\"(done) : "        \
  "\"r\"((unsigned)__cvta_generic_to_shared(o)), \"r\"(parity) : \"memory\"); }\n"

INSTANTIATE_TEST_SUITE_P(Phases, ObjectRaces,
                         ::testing::Values(Planted{"used_before_it_is_there",
                                                   OBJECT KERNEL R"(__shared__ unsigned long long full;
  if (t == 0) init(&full, 128);
#ifndef BUG
  __syncthreads();
#endif
  arrive(&full); wait(&full, 0); out[t] = in[t]; })",
                                                   kRace,
                                                   {},
                                                   128,
                                                   1,
                                                   Fault::Kind::mbarrier},
                                           Planted{"consumers_wait_for_the_producers_phase",
                                                   OBJECT KERNEL R"(__shared__ unsigned long long full;
  __shared__ unsigned s[64]; if (t == 0) init(&full, 64); __syncthreads();
  if (t < 64) { s[t] = in[t]; arrive(&full); }
  else {
#ifndef BUG
    wait(&full, 0);
#endif
    out[t] = s[t - 64]; } })",
                                                   kRace,
                                                   {"shared memory at offset"}},
                                           // Two lanes share each word of a transposed row; one of them has released
                                           // something of its own since they last met.
                                           Planted{"matrix_read_by_a_lane_that_arrived_alone",
                                                   OBJECT KERNEL R"(__shared__ unsigned long long full;
  __shared__ __align__(16) unsigned s[128]; unsigned d[4];
  for (int i = 0; i < 4; ++i) s[4 * t + i] = in[t];
  if (t == 0) init(&full, 1);
  __syncthreads();
  if (t == 0) arrive(&full);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
    : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
    : "r"((unsigned)__cvta_generic_to_shared(s + 4 * t)) : "memory");
#ifndef BUG
  __syncwarp();
#endif
  s[4 * (t ^ 8)] = d[0] + t;
  out[t] = d[0] + d[3]; })",
                                                   kRace,
                                                   {"ldmatrix"},
                                                   32},
                                           // try_wait may fail for no reason, so lanes come out of the loop one by
                                           // one; those ahead wait at the matrix for those behind, who then know.
                                           Planted{"matrix_waited_for_lane_by_lane",
                                                   OBJECT KERNEL R"(__shared__ unsigned long long full;
  __shared__ __align__(16) unsigned s[128]; unsigned d[4];
  if (t == 0) init(&full, 32);
  __syncthreads();
  if (t < 32) {
    for (int i = 0; i < 4; ++i) s[4 * t + i] = in[t];
    arrive(&full);
    out[t] = 0;
  } else {
    unsigned knows = 1;
#ifdef BUG
    knows = t != 35;
#endif
    asm volatile("{ .reg .pred p, q; setp.eq.u32 q, %6, 0; @q bra there;"
      "mbarrier.try_wait.parity.shared.b64 p, [%5], 0; @!p bra again;"
      "there: ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4]; bra out;"
      "again: mbarrier.try_wait.parity.shared.b64 p, [%5], 0; @!p bra again; bra there; out: }"
      : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
      : "r"((unsigned)__cvta_generic_to_shared(s + 4 * (t - 32))), "r"((unsigned)__cvta_generic_to_shared(&full)),
        "r"(knows) : "memory");
    out[t] = d[0] + d[3];
  } })",
                                                   kRace,
                                                   {"ldmatrix"},
                                                   64,
                                                   1,
                                                   std::nullopt,
                                                   "compute_90"},
                                           Planted{"written_after_the_arrival",
                                                   OBJECT KERNEL R"(__shared__ unsigned long long full;
  __shared__ unsigned s[64]; if (t == 0) init(&full, 64); __syncthreads();
  if (t < 64) {
#ifdef BUG
    arrive(&full); s[t] = in[t];
#else
    s[t] = in[t]; arrive(&full);
#endif
  } else { wait(&full, 0); out[t] = s[t - 64]; } })",
                                                   kRace,
                                                   {}},
                                           Planted{"one_lane_arrives_for_its_warp",
                                                   OBJECT KERNEL R"(__shared__ unsigned long long full;
  __shared__ unsigned s[32]; if (t == 0) init(&full, 1); __syncthreads();
  if (t < 32) { s[t] = in[t];
#ifndef BUG
    __syncwarp();
#endif
    if (t == 0) arrive(&full); }
  else { wait(&full, 0); out[t] = s[t % 32]; } })",
                                                   kRace,
                                                   {}},
                                           Planted{"the_buffer_is_filled_again_too_soon",
                                                   OBJECT KERNEL R"(__shared__ unsigned long long full[1], empty[1];
  __shared__ unsigned s[32]; if (t == 0) { init(full, 32); init(empty, 32); } __syncthreads();
  unsigned sum = 0;
  for (unsigned i = 0; i < 4; ++i) {
    if (t < 32) {
#ifndef BUG
      wait(empty, (i & 1) ^ 1);
#endif
      s[t] = in[t + i]; arrive(full); }
    else if (t < 64) { wait(full, i & 1); sum += s[63 - t];
#ifdef BUG
      if (i == 3)
#endif
      arrive(empty); } }
  out[t] = sum; })",
                                                   kRace,
                                                   {},
                                                   128,
                                                   1,
                                                   Fault::Kind::deadlock}));

}  // namespace
}  // namespace emulator::test
