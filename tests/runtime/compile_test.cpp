// One source through a real NVRTC.
#include "runtime/compile.hpp"

#include <gtest/gtest.h>

#include <set>

#include "runtime/compiler.hpp"
#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

constexpr const char* spilling = R"(#include "tile.cuh"
extern "C" __global__ void __launch_bounds__(256, 4) spilling(float* p, int n) {
  __shared__ float s[256];
  float a[tile];
  for (int i = 0; i < tile; ++i) a[i] = p[i * n + threadIdx.x];
  for (int r = 0; r < 5; ++r) {
#pragma unroll
    for (int i = 0; i < tile; ++i) a[i] = twice(a[i]) * a[(i * 7 + 1) % tile] + a[(i + 3) % tile];
  }
  s[threadIdx.x] = a[0];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < tile; ++i) p[i * n + threadIdx.x] = a[i] + s[threadIdx.x ^ 1];
}
)";

generator::KernelPlan some_kernel() {
  generator::KernelPlan kernel;
  kernel.entry = "spilling";
  kernel.phase = "test";
  kernel.source = spilling;
  // A function without __device__: the default of every template.
  kernel.headers = {{"tile.cuh", "constexpr int tile = 200;\ninline float twice(float x) { return x + x; }\n"}};
  return kernel;
}

/// Every NVRTC of this machine; the tests of this file need at least one, as the library does.
std::vector<std::shared_ptr<const Nvrtc>> all_nvrtcs() {
  std::vector<std::shared_ptr<const Nvrtc>> all;
  std::set<int> versions;
  for (const NvrtcFound& found : find_nvrtc(default_nvrtc_search({}), 0).found) {
    if (!found.problem.empty() || !versions.insert(found.version).second) continue;
    all.push_back(open_nvrtc(found.path).value_or_throw());
  }
  EXPECT_FALSE(all.empty()) << "no NVRTC found: the library cannot compile on this machine";
  return all;
}

TEST(Compile, GivesPtxMachineCodeAndResources) {
  const auto nvrtcs = all_nvrtcs();
  for (const auto& nvrtc : nvrtcs) {
    SCOPED_TRACE(nvrtc->library);
    const CompiledKernel kernel = compile(*nvrtc, compile_input(some_kernel(), "sm_80")).value_or_throw();
    EXPECT_NE(kernel.ptx.find(".entry spilling"), std::string::npos);
    EXPECT_NE(kernel.ptx.find(".target sm_80"), std::string::npos);
    EXPECT_EQ(kernel.ptx.find('\0'), std::string::npos);
    EXPECT_EQ(kernel.cubin.substr(0, 4),
              "\x7f"
              "ELF");
    EXPECT_EQ(kernel.arch, "sm_80");
    EXPECT_EQ(kernel.nvrtc_version, nvrtc->version);
    EXPECT_EQ(kernel.resources.registers, 64);  // __launch_bounds__(256, 4) of 65,536
    EXPECT_GT(kernel.resources.spill_store_bytes, 0U);
    EXPECT_GT(kernel.resources.spill_load_bytes, 0U);
    EXPECT_GT(kernel.resources.stack_bytes, 0U);
    EXPECT_EQ(kernel.resources.static_shared_bytes, 1024U);
    EXPECT_GT(kernel.compile_ms, 0);
  }
}

TEST(Compile, EveryNvrtcCompilesThePlansKernels) {
  const auto architecture = generator::find_architecture("sm_80").value_or_throw();
  const Config config = generator::default_config({}, architecture).value_or_throw();
  const generator::Plan plan = generator::plan({}, config, architecture).value_or_throw();
  ASSERT_EQ(plan.kernels.size(), 2U);
  for (const auto& nvrtc : all_nvrtcs()) {
    for (const generator::KernelPlan& kernel : plan.kernels) {
      SCOPED_TRACE(nvrtc->library + ", " + kernel.entry);
      const auto compiled = compile(*nvrtc, compile_input(kernel, "sm_80"));
      ASSERT_TRUE(compiled) << compiled.error().message << "\n" << compiled.error().context;
      EXPECT_NE(compiled->ptx.find(".entry " + kernel.entry), std::string::npos);
      EXPECT_GT(compiled->resources.registers, 0);
      RecordProperty(kernel.phase + " registers", compiled->resources.registers);
    }
  }
}

TEST(Compile, GivesPtxOnlyWhenAskedForAVirtualArchitecture) {
  for (const auto& nvrtc : all_nvrtcs()) {
    const CompiledKernel kernel = compile(*nvrtc, compile_input(some_kernel(), "compute_80")).value_or_throw();
    EXPECT_NE(kernel.ptx.find(".entry spilling"), std::string::npos);
    EXPECT_TRUE(kernel.cubin.empty());
    EXPECT_EQ(kernel.resources, Resources{});
  }
}

TEST(Compile, AnErrorCarriesAllThatIsNeededToUnderstandIt) {
  const auto nvrtcs = all_nvrtcs();
  ASSERT_FALSE(nvrtcs.empty());
  generator::KernelPlan kernel = some_kernel();
  kernel.source = "extern \"C\" __global__ void spilling() {\n  undeclared = 1;\n}\n";
  const auto failed = compile(*nvrtcs[0], compile_input(kernel, "sm_80"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::compile_failed);
  EXPECT_NE(failed.error().message.find("spilling"), std::string::npos);
  EXPECT_NE(failed.error().message.find("sm_80"), std::string::npos);
  const std::string& context = failed.error().context;
  EXPECT_NE(context.find("identifier \"undeclared\" is undefined"), std::string::npos) << context;
  EXPECT_NE(context.find("    2 |   undeclared = 1;"), std::string::npos) << context;
  EXPECT_NE(context.find("--std=c++20"), std::string::npos);
}

TEST(Compile, UnknownArchitecturesAreRefusedWithTheKnownOnes) {
  const auto nvrtc = open_nvrtc(OSDN_FAKE_NVRTC).value_or_throw();  // knows 80, 86, 90
  EXPECT_EQ(machine_arch(*nvrtc, "sm_80").value_or_throw(), "sm_80");
  EXPECT_EQ(machine_arch(*nvrtc, "sm_89").value_or_throw(), "sm_86");  // same major: its code runs there
  EXPECT_EQ(machine_arch(*nvrtc, "sm_90a").value_or_throw(), "sm_90a");
  for (const char* unknown : {"sm_100", "sm_75", "sm_121", "sm_103a"}) {
    const auto refused = machine_arch(*nvrtc, unknown);
    ASSERT_FALSE(refused) << unknown;
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
    EXPECT_NE(refused.error().message.find("80, 86, 90"), std::string::npos) << refused.error().message;
  }
  EXPECT_EQ(machine_arch(*nvrtc, "volta").error().code, ErrorCode::invalid_argument);
}

TEST(Resources, AreReadFromTheLogsOfAllVersions) {
  const Resources expected_resources{64, 4072, 4236, 2496, 1024};
  EXPECT_EQ(
      parse_resources("ptxas info    : 0 bytes gmem\n"
                      "ptxas info    : Compiling entry function 'kern' for 'sm_80'\n"
                      "ptxas info    : Function properties for kern\n"
                      "ptxas         .     2496 bytes stack frame, 4072 bytes spill stores, 4236 bytes spill loads\n"
                      "ptxas info    : Used 64 registers, 2496 bytes cumulative stack size, 1024 bytes smem, 364 "
                      "bytes cmem[0]\n"),
      expected_resources);  // 12.4
  EXPECT_EQ(
      parse_resources("ptxas info    : 0 bytes gmem\n"
                      "ptxas info    : Compiling entry function 'kern' for 'sm_80'\n"
                      "ptxas info    : Function properties for kern\n"
                      "    2496 bytes stack frame, 4072 bytes spill stores, 4236 bytes spill loads\n"
                      "ptxas info    : Used 64 registers, used 1 barriers, 2496 bytes cumulative stack size, 1024 "
                      "bytes smem, 364 bytes cmem[0]\n"
                      "ptxas info    : Compile time = 132.570 ms\n"),
      expected_resources);  // 12.9 to 13.5
  EXPECT_EQ(parse_resources(""), Resources{});
}

}  // namespace
}  // namespace osdn::runtime::testing
