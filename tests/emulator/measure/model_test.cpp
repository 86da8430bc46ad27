// The timing model against what can be worked out without it: latencies of chains, rates of pipes, published peaks.
#include <functional>

#include "measured.hpp"

namespace emulator::test {
namespace {

constexpr double kClock = 1.41e9;  // of an A100

std::string numbered(const char* prefix, int number) {
  std::string text(prefix);
  return text.append(std::to_string(number));
}

class Model : public Measured {
 protected:
  Model() { strict_ = false; }  // other rooms' checks only cost time here

  const Modelled& modelled() { return statistics_.measurement.modelled; }
  /// Cycles that instructions and latencies take, without the launch.
  double cycles() { return modelled().multiprocessor_seconds * kClock; }

  static std::string repeat(int count, const std::function<std::string(int)>& line) {
    std::string text;
    for (int i = 0; i < count; ++i) text += line(i);
    return text;
  }

  void body(const std::string& instructions) {
    run(header() + ".visible .entry k(.param .u64 data, .param .u64 out) {\n.reg .f32 x, y, v<64>;\n.reg .pred p;\n" +
            ".reg .b32 i, n, r<64>;\n.reg .b64 at, to, w;\n.shared .align 128 .b8 room[16384];\n" + instructions +
            "\nret;\n}\n",
        "k", Arguments().add(data_).add(out_));
  }

  std::uint64_t data_ = 0, out_ = 0;
};

TEST_F(Model, AChainTakesItsLatencies) {
  const auto chain = [&](int length) {
    body("mov.f32 x, 0f3F800000;\n" + repeat(length, [](int) { return "fma.rn.f32 x, x, x, x;\n"; }));
    return cycles();
  };
  EXPECT_NEAR(chain(1000) - chain(500), 500 * 4, 1) << "4 cycles from one fp32 result to the next";
  const auto special = [&](int length) {
    body("mov.f32 x, 0f3F800000;\n" + repeat(length, [](int) { return "ex2.approx.ftz.f32 x, x;\n"; }));
    return cycles();
  };
  EXPECT_NEAR(special(300) - special(100), 200 * 20, 1);
}

TEST_F(Model, PipesAreSharedByTheWarpsOfAScheduler) {
  const auto independent = [&](unsigned warps) {
    block_ = {warps * 32, 1, 1};
    body("mov.f32 x, 0f3F800000;\n" +
         repeat(960, [](int i) { return numbered("fma.rn.f32 v", i % 60).append(", x, x, x;\n"); }));
    return cycles();
  };
  // 16 fp32 lanes per scheduler of compute capability 8.0: two cycles for a warp.
  EXPECT_NEAR(independent(4), 960 * 2, 40);
  EXPECT_NEAR(independent(8), 960 * 4, 40);
  EXPECT_NEAR(independent(16), 960 * 8, 60);
  profile_.major = 9;  // 32 lanes
  EXPECT_NEAR(independent(8), 960 * 2, 40);
}

/// `count` products, eight independent chains.
std::string products(int count) {
  std::string text = "mov.b32 r0, 0;\n";
  for (int i = 0; i < 32; ++i) text += numbered("mov.f32 v", i).append(", 0f00000000;\n");
  for (int i = 0; i < count; ++i) {
    const auto v = [&](int k) { return numbered("v", i % 8 * 4 + k); };
    std::string d = "{";
    d.append(v(0)).append(", ").append(v(1)).append(", ").append(v(2)).append(", ").append(v(3)).append("}");
    text += "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 " + d + ", {r0, r0, r0, r0}, {r0, r0}, " + d + ";\n";
  }
  return text;
}

TEST_F(Model, TensorProductsReachThePublishedPeakAndNoMore) {
  // NVIDIA's A100 data sheet: 312 TFLOP/s of dense bf16 products at 1.41 GHz on 108 multiprocessors.
  block_ = {256, 1, 1};
  grid_ = {108, 1, 1};
  body(products(512));
  const double flops = static_cast<double>(total().tensor_flops) / modelled().multiprocessor_seconds;
  EXPECT_LT(flops, 312.5e12);
  EXPECT_GT(flops, 0.95 * 312e12);
  EXPECT_EQ(modelled().bound_by, "tensor cores");
  EXPECT_GT(modelled().matrix_use, 0.95);
  // One warp with one chain: 33 cycles for each product (Sun et al., "Dissecting Tensor Cores via Microbenchmarks").
  block_ = {32, 1, 1};
  grid_ = {1, 1, 1};
  body("mov.b32 r0, 0;\nmov.f32 x, 0f00000000;\n" + repeat(200, [](int) {
         return "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {x, v0, v1, v2}, {r0, r0, r0, r0}, {r0, r0}, "
                "{x, x, x, x};\n";
       }));
  EXPECT_NEAR(cycles() / 200, 33, 1);
}

/// `count` groups of one product m64nNk16 each, by two warpgroups.
std::string warpgroup_products(int n, int count, const char* type, int k) {
  std::string text =
      ".version 8.4\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 data, .param .u64 out) {\n";
  text += ".reg .f32 d<128>;\n.reg .b64 a, b;\n.shared .align 1024 .b8 room[32768];\n";
  // No swizzle: eight rows of 16 bytes behind each other; the next eight, and the other half of K, behind those.
  text += "mov.b64 a, " + std::to_string(256ull << 16 | 8ull << 32) + ";\nmov.b64 b, a;\n";
  text += "wgmma.fence.sync.aligned;\n";
  std::string d = "{";
  for (int i = 0; i < n / 2; ++i) d += numbered(i == 0 ? "d" : ", d", i);
  for (int i = 0; i < count; ++i) {
    text += "wgmma.mma_async.sync.aligned.m64n" + std::to_string(n) + "k" + std::to_string(k) + ".f32." + type + "." +
            type + " " + d + "}, a, b, " + (i == 0 ? "0" : "1") + ", 1, 1" + (k == 16 ? ", 0, 0" : "") + ";\n";
    text += "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 1;\n";
  }
  return text + "wgmma.wait_group.sync.aligned 0;\nret;\n}\n";
}

TEST_F(Model, ProductsOfWarpgroupsReachThePublishedPeakAndNoMore) {
  // NVIDIA's H100 SXM data sheet: 989.4 TFLOP/s of dense bf16 products, half of that for tf32, on 132 multiprocessors
  // at 1.83 GHz: 4,096 a cycle and multiprocessor.
  profile_.major = 9;
  profile_.multiprocessors = 132;
  profile_.clock_khz = 1830000;
  block_ = {256, 1, 1};
  grid_ = {132, 1, 1};
  for (const bool tf32 : {false, true}) {
    run(warpgroup_products(128, 256, tf32 ? "tf32" : "bf16", tf32 ? 8 : 16), "k", Arguments().add(data_).add(out_));
    const double peak = tf32 ? 494.7e12 : 989.4e12;
    const double flops = static_cast<double>(total().tensor_flops) / modelled().multiprocessor_seconds;
    EXPECT_LT(flops, 1.001 * peak);
    EXPECT_GT(flops, 0.95 * peak);
    EXPECT_EQ(modelled().bound_by, "tensor cores");
    const std::uint64_t products = 132ull * 2 * 256;
    EXPECT_EQ(total().tensor_flops, products * 2 * 64 * 128 * (tf32 ? 8 : 16));
    EXPECT_EQ(total().shared_load_bytes, products * (64 + 128) * 32) << "A and B once for each product";
  }
  // Narrow products wait for A: 3,072 bytes at 128 a cycle for 16 cycles of work.
  run(warpgroup_products(32, 256, "bf16", 16), "k", Arguments().add(data_).add(out_));
  EXPECT_EQ(modelled().bound_by, "shared memory");
}

TEST_F(Model, LargeCopiesMoveAtTheMemorysSpeed) {
  const std::size_t bytes = std::size_t{48} << 20;
  data_ = memory_.allocate(bytes);
  out_ = memory_.allocate(bytes);
  std::memset(reinterpret_cast<void*>(data_), 0, bytes);
  block_ = {256, 1, 1};
  grid_ = {static_cast<unsigned>(bytes / 16 / 256), 1, 1};
  body(
      "mov.u32 i, %ctaid.x;\nmov.u32 n, %tid.x;\nmad.lo.u32 i, i, 256, n;\nmul.wide.u32 w, i, 16;\n"
      "ld.param.u64 at, [data];\nadd.u64 at, at, w;\nld.param.u64 to, [out];\nadd.u64 to, to, w;\n"
      "ld.global.v4.u32 {r0, r1, r2, r3}, [at];\nst.global.v4.u32 [to], {r0, r1, r2, r3};\n");
  EXPECT_EQ(modelled().memory_bytes, 2 * bytes);
  EXPECT_EQ(modelled().bound_by, "memory bandwidth");
  const double bandwidth = 2.0 * static_cast<double>(bytes) / modelled().seconds;
  EXPECT_NEAR(bandwidth, 0.88 * 2.039e12, 0.04 * 2.039e12) << "90 % of the data sheet, less the launch";
}

TEST_F(Model, BankConflictsTakeTheirPasses) {
  const auto column = [&](int pitch) {
    block_ = {256, 1, 1};
    body(numbered("mov.u64 at, room;\nmov.u32 i, %tid.x;\nand.b32 i, i, 31;\nmul.wide.u32 w, i, ", pitch) +
         ";\nadd.u64 at, at, w;\n" + repeat(200, [](int i) {
           return numbered("st.shared.u32 [at], i;\nld.shared.u32 r", i % 60).append(", [at];\n");
         }));
    return cycles();
  };
  const double smooth = column(132), rough = column(128);
  EXPECT_NEAR(smooth, 400 * 8, 200) << "8 warps, a pass for each access";
  EXPECT_NEAR(rough, 400 * 8 * 32, 400 * 8) << "32 passes";
}

TEST_F(Model, LoadsThatAnAssemblerWouldHoistWaitTogether) {
  std::vector<std::uint32_t> zeros(4096);
  data_ = reinterpret_cast<std::uint64_t>(buffer(zeros));
  const auto loads = [&](const char* between) {
    body("ld.param.u64 at, [data];\nmov.u32 n, 0;\n" + repeat(16, [&](int i) {
           return numbered("ld.global.u32 r", i).append(numbered(", [at+", 128 * i)).append("];\nadd.u32 n, n, ") +
                  numbered("r", i).append(";\n").append(between);
         }));
    return cycles();
  };
  EXPECT_LT(loads(""), 466 + 16 * 5 + 100) << "one latency for all of them";
  EXPECT_GT(loads("bar.warp.sync -1;\n"), 16 * 466) << "nothing moves across a barrier";
  EXPECT_GT(loads("st.global.u32 [at+8192], n;\n"), 16 * 466) << "nor across a store that may be to the same place";
}

TEST_F(Model, NeighbouringLoadsFromSharedMemoryAreOneWideLoad) {
  const auto loads = [&](int stride, int shift) {
    block_ = {256, 1, 1};
    body(numbered("mov.u64 at, room;\nmov.u32 i, %tid.x;\nand.b32 i, i, 31;\nmul.wide.u32 w, i, ", stride) +
         numbered(";\nadd.u64 at, at, w;\nst.shared.u32 [at], i;\nadd.u64 at, at, ", shift) + ";\n" +
         repeat(128, [&](int i) {
           return numbered("ld.shared.u32 r", i % 60).append(numbered(", [at+", 4 * i)).append("];\n");
         }));
    return cycles();
  };
  // 16 bytes of each of 8 lanes at a time: 32 loads of 4 passes, for each of 8 warps; alone, 128 loads of 4 passes.
  EXPECT_NEAR(loads(16, 0), 8 * 32 * 4, 150);
  EXPECT_NEAR(loads(16, 4), 8 * 128 * 4, 300) << "not aligned";
  EXPECT_EQ(total().shared_requests, 8u * 129) << "counted as the PTX says";
}

TEST_F(Model, WavesAndResidencyFollowTheLimits) {
  const auto grid = [&](unsigned blocks) {
    grid_ = {blocks, 1, 1};
    body("mov.f32 x, 0f3F800000;\n" + repeat(300, [](int) { return "fma.rn.f32 x, x, x, x;\n"; }));
    return cycles();
  };
  block_ = {1024, 1, 1};
  const double one = grid(108);
  EXPECT_EQ(modelled().blocks_per_multiprocessor, 2u);
  EXPECT_EQ(modelled().limited_by, "threads");
  EXPECT_NEAR(modelled().waves, 0.5, 1e-9);
  const double two = grid(216);
  EXPECT_GT(two, 1.3 * one) << "32 schedulers' worth of warps share pipes";
  EXPECT_NEAR(grid(432), 2 * two, 0.01 * two);
  dynamic_shared_ = 100 * 1024;
  grid(216);
  EXPECT_EQ(modelled().blocks_per_multiprocessor, 1u);
  EXPECT_EQ(modelled().limited_by, "shared memory");
  EXPECT_NEAR(modelled().waves, 2, 1e-9);
}

TEST_F(Model, KnownRegistersLimitResidency) {
  registers_ = 255;
  block_ = {256, 1, 1};
  grid_ = {1, 1, 1};
  body("mov.u32 i, 0;\n");
  EXPECT_EQ(modelled().registers, 255u);
  EXPECT_FALSE(modelled().registers_estimated);
  EXPECT_EQ(modelled().blocks_per_multiprocessor, 1u) << "8 warps of 256 · 32 registers fill 65,536";
  EXPECT_EQ(modelled().limited_by, "registers");
}

// The beginning of a long block stands for all of it: here one warp's millions of instructions, while another has
// waited for it from the start, at a barrier that the recording does not reach.
TEST_F(Model, ABlockTooLongToKeepIsScaled) {
  block_ = {64, 1, 1};
  const auto loop = [&](int turns) {
    body("mov.u32 n, 0;\nmov.u32 i, %tid.x;\nsetp.lt.u32 p, i, 32;\n@p bra.uni meet;\nagain:\nadd.u32 n, n, 1;\n" +
         numbered("setp.lt.u32 p, n, ", turns) + ";\n@p bra again;\nmeet:\nbar.sync 0;\n");
    return cycles();
  };
  const double short_one = loop(100'000);
  EXPECT_NEAR(loop(2'000'000) / short_one, 20, 0.1);
}

TEST_F(Model, TimeIsTheSameOnEveryHost) {
  profile_.multiprocessors = 2;  // 16 blocks each: who comes last depends on the order
  block_ = {128, 1, 1};
  grid_ = {37, 1, 1};
  const std::string text =
      "mov.u32 i, %ctaid.x;\nmov.u32 n, 0;\nmov.f32 x, 0f3F800000;\nagain:\nfma.rn.f32 x, x, x, x;\nbar.sync 0;\n"
      "add.u32 n, n, 1;\nsetp.le.u32 p, n, i;\n@p bra again;\n";
  body(text);
  const Measurement first = statistics_.measurement;
  EXPECT_GT(first.modelled.seconds, 0);
  for (const int threads : {1, 3, 5}) {
    host_threads_ = threads;
    body(text);
    EXPECT_EQ(statistics_.measurement, first) << threads << " host threads";
  }
  std::uint64_t by_instruction = 0;
  for (const auto& [place, instruction] : first.instructions) by_instruction += instruction.counters.modelled_cycles;
  EXPECT_EQ(by_instruction, total().modelled_cycles);
}

}  // namespace
}  // namespace emulator::test
