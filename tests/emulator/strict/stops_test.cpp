// What stops a launch on every device worth its name, planted: stray addresses, barriers that do not come together, and
// kernels that do not end.
#include "planted.hpp"

namespace emulator::test {
namespace {

using Kind = Fault::Kind;

class Stops : public PlantedBugs {};

TEST_P(Stops, TheBugIsCaughtUnderEverySchedule) {
  prepare(std::string("#define BUG\n") + GetParam().source);
  limit_ = 20'000;
  for (unsigned schedule = 0; schedule < kSchedules; ++schedule) {
    const auto fault = run_once(schedule);
    ASSERT_TRUE(fault) << "schedule " << schedule;
    EXPECT_TRUE(fault->kind == GetParam().kind || fault->kind == GetParam().also) << fault->text();
    EXPECT_EQ(fault->kernel, "planted");
    EXPECT_GT(fault->line, 0) << fault->text();
    for (const char* word : GetParam().words) {
      EXPECT_NE(fault->text().find(word), std::string::npos) << word << " in " << fault->text();
    }
  }
}

TEST_P(Stops, ItsTwinPasses) {
  limit_ = 20'000;
  expect_twin_to_pass();
}

#define KERNEL "extern \"C\" __global__ void planted(unsigned* in, unsigned* out) { unsigned t = threadIdx.x;\n"
#define WRONG(bug, twin) "\n#ifdef BUG\n" bug "\n#else\n" twin "\n#endif\n"

INSTANTIATE_TEST_SUITE_P(
    Addresses, Stops,
    ::testing::Values(
        Planted{"one_byte_behind",
                KERNEL "((unsigned char*)out)[" WRONG("16384", "16383") " - (t & 1)] = 1; }",
                Kind::out_of_bounds,
                {"0 bytes behind the end of the allocation of 16384 bytes"},
                32},
        Planted{"one_byte_before",
                KERNEL "out[t] = ((unsigned char*)in)[" WRONG("-1", "0") " + (int)(t / 31)]; }",
                Kind::out_of_bounds,
                {"1 bytes before the allocation"},
                32},
        Planted{"half_of_a_vector_behind",
                KERNEL
                "uint4 v = *(uint4*)((char*)in + 16384 - 16" WRONG("+ 16", "") "); out[t] = v.x + v.y + v.z + v.w; }",
                Kind::out_of_bounds,
                {"16 bytes"},
                32},
        Planted{"misaligned",
                KERNEL "out[t] = *(unsigned*)((char*)in + " WRONG("2", "4") "); }",
                Kind::misaligned,
                {"4 bytes"},
                32},
        Planted{"misaligned_vector",
                KERNEL "uint4 v = *(uint4*)((char*)in + " WRONG("8", "16") "); out[t] = v.x + v.y + v.z + v.w; }",
                Kind::misaligned,
                {"16 bytes"},
                32},
        Planted{"behind_shared_memory",
                KERNEL "__shared__ unsigned s[64]; s[t] = t; __syncthreads(); out[t] = s[t + " WRONG("1", "0") "]; }",
                Kind::out_of_bounds,
                {"shared memory, which has 256 bytes"},
                64},
        Planted{"behind_local_memory",
                KERNEL "unsigned a[8]; for (int i = 0; i < 8; ++i) a[i] = i * t;\n"
                       "unsigned k = in[t] " WRONG("+ 8", "& 7") "; out[t] = a[k]; }",
                Kind::out_of_bounds,
                {"local memory"},
                32},
        Planted{"a_null_pointer",
                KERNEL "unsigned* p = " WRONG("(unsigned*)(in[0] * 8ull)", "in") "; out[t] = *p; }",
                Kind::out_of_bounds,
                {"generic address 0x0", "thread (0, 0, 0)"},
                32},
        Planted{"an_atomic_behind",
                KERNEL "atomicAdd(out + 4095 + " WRONG("1", "0") ", 1u); }",
                Kind::out_of_bounds,
                {"behind the end"},
                32}));

INSTANTIATE_TEST_SUITE_P(
    Meetings, Stops,
    ::testing::Values(
        Planted{"a_barrier_for_some_lanes",
                KERNEL WRONG("if (t < 16) __syncthreads();", "__syncthreads();") "out[t] = 1; }",
                Kind::divergent_barrier,
                {"bar", "passed by", "thread (16, 0, 0)"},
                32},
        Planted{"a_barrier_for_some_warps",
                KERNEL WRONG("if (t < 64) __syncthreads();", "__syncthreads();") "out[t] = 1; }",
                Kind::divergent_barrier,
                {"bar", "passed by"},
                128},
        Planted{"a_barrier_in_a_loop_of_different_lengths",
                KERNEL "unsigned sum = 0; for (unsigned i = t" WRONG(
                    "", " / 128") "; i < 200; i += 128) {\n"
                                  "sum += in[i]; __syncthreads(); } out[t] = sum; }",
                Kind::divergent_barrier,
                {"bar", "passed by"},
                128},
        // Those who return early are not waited for (CUDA C++ programming guide, from Volta on).
        Planted{"early_return",
                KERNEL "if (t >= 40) { " WRONG("out[t] = in[5000];", "") "return; }\n"
                                                                         "__syncthreads(); out[t] = 1; }",
                Kind::out_of_bounds,
                {},
                64},
        Planted{"every_warp_at_a_barrier_of_its_own",
                KERNEL "if (t < 32) { out[t] = 1; __syncthreads(); out[t + 64] = 2; } else {\n" WRONG(
                    "if (t == 32)", "") "__syncthreads(); out[t] = 2; } out[t + 128] = 1; }",
                Kind::divergent_barrier,
                {"bar"},
                64},
        Planted{"a_barrier_that_one_warp_leaves_out",
                KERNEL "if (t < " WRONG("32", "64") ") asm volatile(\"bar.sync 2, 64;\" ::: \"memory\"); out[t] = 1; }",
                Kind::deadlock,
                {"bar"},
                64,
                1,
                Kind::divergent_barrier},
        Planted{"two_warps_wait_for_each_other",
                KERNEL "unsigned x = t < 32 ? 1 : " WRONG(
                    "2", "1") ";\n"
                              "asm volatile(\"bar.sync %0, 64;\" :: \"r\"(x) : \"memory\");\n"
                              "asm volatile(\"bar.sync %0, 64;\" :: \"r\"(3 - x) : \"memory\"); out[t] = 1; }",
                Kind::deadlock,
                {"bar"},
                64},
        Planted{"a_mask_names_lanes_that_are_gone",
                KERNEL "if (t >= 16) return; out[t] = __shfl_sync(" WRONG("0xffffffffu", "0x0000ffffu") ", t, 3); }",
                Kind::divergent_barrier,
                {"shfl"},
                32},
        Planted{"a_mask_names_lanes_elsewhere",
                KERNEL "if (t < 16) out[t] = __ballot_sync(" WRONG("0xffffffffu",
                                                                   "0x0000ffffu") ", t & 1);\n"
                                                                                  "else __syncwarp(0xffff0000u); }",
                Kind::divergent_barrier,
                {},
                32,
                1,
                Kind::deadlock},
        Planted{"a_mask_leaves_the_caller_out",
                KERNEL "out[t] = __shfl_sync(" WRONG("0x0000ffffu", "0xffffffffu") ", t, 3); }",
                Kind::divergent_barrier,
                {"not in its own member mask", "thread (16, 0, 0)"},
                32},
        Planted{
            "a_matrix_instruction_for_half_a_warp",
            KERNEL
            "__shared__ __align__(16) unsigned s[128]; for (int i = 0; i < 4; ++i) s[4 * t + i] = t;\n"
            "__syncwarp(); unsigned d = 0; if (" WRONG(
                "t < 16", "true") ")\n"
                                  "asm volatile(\"ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];\" : \"=r\"(d) : "
                                  "\"r\"((unsigned)__cvta_generic_to_shared(s + 4 * t))); out[t] = d; }",
            Kind::divergent_barrier,
            {"ldmatrix"},
            32,
            1,
            Kind::deadlock},
        Planted{"it_does_not_end",
                KERNEL
                "unsigned n = in[t]; while (n != " WRONG("~0u", "100u") ") { n = n == 100u ? 7u : n + 1; if (n > 200u) "
                                                                        "n = 0; } out[t] = n; }",
                Kind::instruction_limit,
                {"instruction budget"},
                32},
        Planted{"it_waits_for_what_nobody_does",
                KERNEL "__shared__ volatile unsigned flag; if (t == 0) flag = 0; __syncthreads();\n"
                       "if (t == 0) flag = " WRONG("0", "1") "; while (flag == 0) { } out[t] = 1; }",
                Kind::instruction_limit,
                {},
                64},
        Planted{"trap",
                KERNEL "if (in[t] == " WRONG("5", "100000") ") __trap(); out[t] = 1; }",
                Kind::trap,
                {"thread (5, 0, 0)"},
                32}));

/// Sizes are exact: allocations are not rounded up.
class Sizes : public Machine {};

TEST_F(Sizes, AnAllocationEndsAtItsLastByte) {
  const auto refused = load(
      ptx_of("extern \"C\" __global__ void peek(unsigned char* in, unsigned at, unsigned* out) { out[0] = in[at]; }"));
  ASSERT_FALSE(refused) << refused->text();
  for (const std::uint32_t size : {1u, 10u, 255u, 256u, 4095u, 4097u, 1000003u}) {
    const auto* bytes = buffer(std::vector<std::uint8_t>(size, 7));
    const auto* out = buffer(std::vector<std::uint32_t>(1, 0));
    EXPECT_FALSE(launch("peek", Arguments().add(bytes).add(size - 1).add(out))) << size;
    const auto fault = launch("peek", Arguments().add(bytes).add(size).add(out));
    ASSERT_TRUE(fault) << size;
    EXPECT_EQ(fault->kind, Kind::out_of_bounds);
    ASSERT_TRUE(memory_.release(reinterpret_cast<std::uint64_t>(bytes)));
    const auto gone = launch("peek", Arguments().add(bytes).add(std::uint32_t{0}).add(out));
    ASSERT_TRUE(gone) << size << " bytes, released";
    EXPECT_EQ(gone->kind, Kind::out_of_bounds);
  }
}

}  // namespace
}  // namespace emulator::test
