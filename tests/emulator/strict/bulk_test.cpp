// What goes wrong around bulk copies, planted: targets read and refilled too soon, sources reused too soon, fences and
// byte counts that are missing.
#include "planted.hpp"

namespace emulator::test {
namespace {

constexpr auto kInFlight = Fault::Kind::in_flight;
constexpr auto kProxy = Fault::Kind::proxy;
constexpr auto kRace = Fault::Kind::race;
constexpr auto kDeadlock = Fault::Kind::deadlock;
constexpr const char* kArchitecture = "compute_90";

constexpr const char* kPrologue = R"(
__device__ unsigned at(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
__device__ void init(unsigned long long* o, unsigned n) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" :: "r"(at(o)), "r"(n) : "memory");
}
__device__ void init_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
__device__ void expect(unsigned long long* o, unsigned bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" :: "r"(at(o)), "r"(bytes) : "memory");
}
__device__ void arrive(unsigned long long* o) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" :: "r"(at(o)) : "memory");
}
__device__ void wait(unsigned long long* o, unsigned parity) {
  unsigned done = 0;
  while (!done) asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
    : "=r"(done) : "r"(at(o)), "r"(parity) : "memory");
}
__device__ void load(void* to, const void* from, unsigned bytes, unsigned long long* o) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
    :: "r"(at(to)), "l"(from), "r"(bytes), "r"(at(o)) : "memory");
}
__device__ void store(void* to, const void* from, unsigned bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" :: "l"(to), "r"(at(from)), "r"(bytes) : "memory");
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}
__device__ void wait_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }
__device__ void wait_all() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }
__device__ void proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
__device__ unsigned flag;
extern "C" __global__ void planted(unsigned* in, unsigned* out) {
  __shared__ __align__(128) unsigned s[256];
  __shared__ unsigned long long full, empty, again;
  const unsigned t = threadIdx.x;
#define READY(n) if (t == 0) { init(&full, 1); init(&empty, n); init(&again, 1); init_fence(); } __syncthreads();
#define FILL s[t] = in[t]; s[t + 128] = in[t + 128];
)";

/// The source is the kernel's body.
class BulkCopiesOf : public PlantedBugs {};

TEST_P(BulkCopiesOf, TheBugIsCaughtUnderEverySchedule) {
  const Planted& planted = GetParam();
  prepare(std::string("#define BUG\n") + kPrologue + planted.source + "}\n");
  for (unsigned schedule = 0; schedule < kSchedules; ++schedule) {
    limit_ = 100'000'000;
    const auto fault = run_once(schedule);
    ASSERT_TRUE(fault) << "schedule " << schedule;
    // Whoever is too early by more finds the copy under way, by less that nothing orders it.
    const bool early = planted.also == kRace && fault->kind == kInFlight;
    EXPECT_TRUE(fault->kind == planted.kind || fault->kind == planted.also || early) << fault->text();
    if (fault->kind != planted.kind) continue;
    for (const char* word : planted.words) EXPECT_NE(fault->text().find(word), std::string::npos) << fault->text();
  }
}

TEST_P(BulkCopiesOf, ItsTwinPasses) {
  prepare(std::string(kPrologue) + GetParam().source + "}\n");
  for (unsigned schedule = 0; schedule < kSchedules; ++schedule) {
    const auto fault = run_once(schedule);
    ASSERT_FALSE(fault) << "schedule " << schedule << ": " << fault->text();
  }
}

const Planted kPlanted[] = {
    {"read_by_a_thread_that_has_only_met_the_issuer",
     R"(READY(1)
  if (t == 0) { expect(&full, 512); load(s, in, 512, &full); }
  __syncthreads();
#ifndef BUG
  wait(&full, 0);
#else
  if (t == 0) wait(&full, 0);
#endif
  out[t] = s[t]; )",
     kInFlight,
     {"copy in flight"},
     128,
     1,
     kRace,
     kArchitecture},
    {"refilled_while_others_read",
     R"(READY(96)
  if (t == 0) {
    expect(&full, 512);
    load(s, in, 512, &full);
    wait(&full, 0);
#ifndef BUG
    wait(&empty, 0);
#endif
    expect(&again, 512);
    load(s, in + 128, 512, &again);
    wait(&again, 0);
  } else if (t >= 32) {
    wait(&full, 0);
    unsigned x = s[t];
    arrive(&empty);
    wait(&again, 0);
    out[t] = x + s[t];
  } )",
     kRace,
     {"async"},
     128,
     1,
     kInFlight,
     kArchitecture},
    {"refilled_before_it_was_full",
     R"(READY(1)
  if (t == 0) {
    expect(&full, 512); load(s, in, 512, &full);
#ifndef BUG
    wait(&full, 0);
#endif
    expect(&empty, 512); load(s, in + 128, 512, &empty);
  }
  wait(&full, 0); wait(&empty, 0); )",
     kInFlight,
     {"target of a copy in flight"},
     128,
     1,
     kRace,
     kArchitecture},
    {"source_changed_before_it_was_read",
     R"(FILL proxy(); __syncthreads();
  if (t == 0) {
    store(out, s, 512);
#ifndef BUG
    wait_read();
#endif
    s[0] = 1;
    wait_read();
  } )",
     kRace,
     {"asynchronous operation"},
     128,
     1,
     {},
     kArchitecture},
    {"source_changed_by_others_behind_a_barrier",
     R"(FILL proxy(); __syncthreads();
  if (t == 0) {
    store(out, s, 512);
#ifndef BUG
    wait_read();
#endif
  }
  __syncthreads();
  s[t] = 1;
  if (t == 0) wait_read(); )",
     kRace,
     {"asynchronous operation"},
     128,
     1,
     {},
     kArchitecture},
    {"source_filled_again_by_a_copy",
     R"(READY(1) FILL proxy(); __syncthreads();
  if (t == 0) {
    store(out, s, 512);
#ifndef BUG
    wait_read();
#endif
    expect(&full, 512); load(s, in, 512, &full); wait(&full, 0); wait_read();
  } )",
     kRace,
     {"async proxy"},
     128,
     1,
     {},
     kArchitecture},
    {"written_without_a_proxy_fence",
     R"(FILL
#ifndef BUG
  proxy();
#endif
  __syncthreads();
  if (t == 0) { store(out, s, 512); wait_read(); } )",
     kProxy,
     {"fence.proxy.async"},
     128,
     1,
     {},
     kArchitecture},
    {"stored_before_others_have_written",
     R"(FILL proxy();
#ifndef BUG
  __syncthreads();
#endif
  if (t == 0) { store(out, s, 512); wait_read(); } )",
     kRace,
     {"shared memory at offset"},
     128,
     1,
     Fault::Kind::undefined,
     kArchitecture},
    {"nobody_expects_the_bytes",
     R"(READY(1)
  if (t == 0) {
    load(s, in, 512, &full);
#ifdef BUG
    arrive(&full);
#else
    expect(&full, 512);
#endif
  }
  wait(&full, 0);
#ifdef BUG
  if (t == 0) for (int i = 0; i < 64; ++i) wait(&full, 1);
#endif
  out[t] = s[t]; )",
     kDeadlock,
     {"mbarrier", "bytes fewer than have come"},
     32,
     1,
     kRace,
     kArchitecture},
    {"more_bytes_than_come",
     R"(READY(1)
  if (t == 0) {
#ifdef BUG
    expect(&full, 1024);
#else
    expect(&full, 512);
#endif
    load(s, in, 512, &full);
  }
  wait(&full, 0); out[t] = s[t]; )",
     kDeadlock,
     {"mbarrier", "0 arrivals and 512 bytes"},
     128,
     1,
     {},
     kArchitecture},
    {"an_object_that_copies_cannot_see",
     R"(
  if (t == 0) {
    init(&full, 1);
#ifndef BUG
    init_fence();
#endif
  }
  __syncthreads();
  if (t == 32) { expect(&full, 512); load(s, in, 512, &full); }
  wait(&full, 0); out[t] = s[t]; )",
     kProxy,
     {"fence.mbarrier_init"},
     128,
     1,
     {},
     kArchitecture},
    {"an_object_fenced_by_proxy",
     R"(
  if (t == 0) {
    init(&full, 1);
#ifndef BUG
    proxy();
#endif
  }
  __syncthreads();
  if (t == 0) { expect(&full, 512); load(s, in, 512, &full); }
  wait(&full, 0); out[t] = s[t]; )",
     kProxy,
     {"fence.mbarrier_init"},
     128,
     1,
     {},
     kArchitecture},
    {"the_block_ends_before_the_source_is_read",
     R"(FILL proxy(); __syncthreads();
  if (t == 0) {
    store(out, s, 512);
#ifndef BUG
    wait_read();
#endif
  } )",
     kInFlight,
     {"the block ends", "wait_group.read"},
     128,
     1,
     {},
     kArchitecture},
    {"the_block_ends_before_a_load_has_come",
     R"(READY(1)
  if (t == 0) {
    expect(&full, 512); load(s, in, 512, &full);
#ifndef BUG
    wait(&full, 0);
#endif
  } )",
     kInFlight,
     {"the block ends", "mbarrier"},
     128,
     1,
     {},
     kArchitecture},
    {"blocks_store_to_one_place",
     R"(FILL proxy(); __syncthreads();
#ifdef BUG
  unsigned* to = out;
#else
  unsigned* to = out + 128 * blockIdx.x;
#endif
  if (t == 0) { store(to, s, 512); wait_read(); } )",
     kRace,
     {"global memory"},
     128,
     2,
     {},
     kArchitecture},
    {"a_block_reads_what_another_stores",
     R"(FILL proxy(); __syncthreads();
#ifdef BUG
  unsigned* from = out + 64;
#else
  unsigned* from = in;
#endif
  if (blockIdx.x == 0) { if (t == 0) { store(out, s, 512); wait_read(); } }
  else out[512 + t] = from[t % 64]; )",
     kRace,
     {"global memory"},
     128,
     2,
     {},
     kArchitecture},
    {"a_flag_before_the_store_has_ended",
     R"(FILL proxy(); __syncthreads();
  if (t != 0) return;
  if (blockIdx.x == 0) {
    store(out, s, 512);
#ifdef BUG
    wait_read();
#else
    wait_all();
#endif
    __threadfence(); atomicExch(&in[1024], 7u);
  } else {
    while (atomicAdd(&in[1024], 0u) != 7u) {}
    __threadfence(); out[512] = out[5];
  } )",
     kRace,
     {"global memory"},
     128,
     2,
     {},
     kArchitecture},
};

INSTANTIATE_TEST_SUITE_P(Planted, BulkCopiesOf, ::testing::ValuesIn(kPlanted),
                         [](const auto& planted) { return std::string(planted.param.name); });

}  // namespace
}  // namespace emulator::test
