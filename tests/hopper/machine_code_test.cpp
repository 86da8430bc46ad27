// What NVRTC makes of the Hopper kernel for sm_90a: the instructions meant, nothing in local memory, and no product
// that the assembler had to serialise.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "generator/plan.hpp"
#include "runtime/compile.hpp"
#include "runtime/nvrtc.hpp"
#include "tests/temporary_directory.hpp"

namespace osdn::tests {
namespace {

struct KernelCase {
  const char* problem;
  const char* config;
  int products;   // m64nNk16 ones in the code
  int roles = 3;  // that change their registers
  const char* schedule = "";
};

void PrintTo(const KernelCase& c, std::ostream* out) {
  *out << c.problem << " | " << c.schedule << c.config;
}

runtime::CompiledKernel compiled(const KernelCase& c, const std::string& phase = {}, const char* arch = "sm_90") {
  static const auto nvrtc = [] {
    const auto search = runtime::find_nvrtc(runtime::default_nvrtc_search({}), 0);
    return runtime::open_nvrtc(search.found.at(0).path).value_or_throw();
  }();
  const auto plan = generator::plan(parse_problem(c.problem).value_or_throw(),
                                    parse_config(std::string(c.schedule) + c.config).value_or_throw(),
                                    generator::find_architecture(arch).value_or_throw())
                        .value_or_throw();
  const auto named = std::find_if(plan.kernels.begin(), plan.kernels.end(),
                                  [&](const generator::KernelPlan& kernel) { return kernel.phase == phase; });
  const generator::KernelPlan& kernel = named != plan.kernels.end() ? *named : plan.kernels.back();
  return runtime::compile(*nvrtc, runtime::compile_input(kernel, arch)).value_or_throw();
}

int count(const std::string& text, const std::string& word) {
  int found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

/// The disassembly, where a disassembler is: OSDN_NVDISASM, or nvdisasm on the PATH; else empty.
std::string disassembly(const std::string& cubin) {
  const test::TemporaryDirectory directory;
  const std::string file = directory / "kernel.cubin";
  std::ofstream(file, std::ios::binary) << cubin;
  const char* const named = std::getenv("OSDN_NVDISASM");
  const std::string command = std::string(named != nullptr ? named : "nvdisasm") + " -c '" + file + "' 2>/dev/null";
  std::string text;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  std::array<char, 65536> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) text.append(buffer.data(), n);
  pclose(pipe);
  return text;
}

class MachineCode : public testing::TestWithParam<KernelCase> {};

TEST_P(MachineCode, HoldsTheProductsAndNothingInLocalMemory) {
  const runtime::CompiledKernel kernel = compiled(GetParam());
  EXPECT_EQ(kernel.arch, "sm_90a");
  EXPECT_EQ(kernel.resources.spill_store_bytes, 0u);
  EXPECT_EQ(kernel.resources.spill_load_bytes, 0u);
  EXPECT_EQ(kernel.resources.stack_bytes, 0u);
  // C7507: setmaxnreg ignored, C7510 and C7512: products serialised …
  EXPECT_EQ(kernel.log.find("Potential Performance Loss"), std::string::npos) << kernel.log;
  EXPECT_EQ(count(kernel.ptx, "wgmma.mma_async"), GetParam().products);
  EXPECT_EQ(count(kernel.ptx, "setmaxnreg"), GetParam().roles);

  const std::string code = disassembly(kernel.cubin);
  if (code.empty()) GTEST_SKIP() << "no nvdisasm (name one in OSDN_NVDISASM): the machine code was not read";
  EXPECT_EQ(count(code, " HGMMA."), GetParam().products);
  EXPECT_GE(count(code, " UTMALDG"), 3);
  EXPECT_EQ(count(code, " LDL"), 0);
  EXPECT_EQ(count(code, " STL"), 0);
}

// The portable kernels of a cut pass keep their numbers in registers, too.
TEST(CutMachineCode, HoldsNothingInLocalMemory) {
  const struct {
    KernelCase kernel;
    const char* phase;
    const char* arch;
  } cases[] = {
      {{"osdn_forward:", "preconditioner_warps=4,cut=fixed", 0}, "preconditioner", "sm_90"},
      {{"osdn_forward:apf=per_token", "preconditioner_warps=4,cut=fixed", 0}, "preconditioner", "sm_80"},
      {{"osdn_forward:precondition=none,type=fp16,qk_l2norm=1", "value_split=2,stages=2,cut=fixed", 0},
       "segment_transfer",
       "sm_80"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.phase) + " of " + c.kernel.problem + " for " + c.arch);
    const runtime::CompiledKernel kernel = compiled(c.kernel, c.phase, c.arch);
    EXPECT_NE(kernel.ptx.find(std::string("osdn_") + c.phase), std::string::npos);
    EXPECT_EQ(kernel.resources.spill_store_bytes, 0u);
    EXPECT_EQ(kernel.resources.stack_bytes, 0u);
  }
}

// Products: L and P take K/16 each, [Kh; Qh] as many again, U 4 (8 with the inverse's remainder), P U 4, W U 4.
INSTANTIATE_TEST_SUITE_P(Hopper, MachineCode,
                         testing::Values(KernelCase{"osdn_forward:k=128,v=128,apf=per_token,qk_l2norm=1",
                                                    "schedule=hopper,warps=8,stages=2", 48},
                                         KernelCase{"osdn_forward:k=128,v=128,apf=per_token,qk_l2norm=1",
                                                    "schedule=hopper,warps=8,stages=2,cut=fixed", 48},
                                         KernelCase{"osdn_forward:k=128,v=128,apf=per_channel",
                                                    "schedule=hopper,warps=4,value_split=2,stages=2", 48},
                                         KernelCase{"osdn_forward:k=128,v=128,type=fp16,precondition=none,qk_l2norm=1",
                                                    "schedule=hopper,warps=8,stages=2", 44},
                                         KernelCase{"osdn_forward:k=128,v=128,type=fp16,apf=per_token,qk_l2norm=1",
                                                    "schedule=hopper,warps=8,stages=2", 48},
                                         KernelCase{"osdn_forward:k=64,v=128,apf=per_head,beta_type=element",
                                                    "schedule=hopper,warps=8,stages=3", 32}));

// The same products, and the registers of two more roles: who moves d and who prepares for it, or teams of one
// warpgroup and the one that is left over.
constexpr const char* two_warpgroups = "schedule=hopper_fused,preconditioner=chunked,preconditioner_warps=8,";
constexpr const char* one_warpgroup = "schedule=hopper_fused,preconditioner=chunked,preconditioner_warps=4,";
INSTANTIATE_TEST_SUITE_P(Fused, MachineCode,
                         testing::Values(KernelCase{"osdn_forward:k=128,v=128,apf=per_token,qk_l2norm=1",
                                                    "warps=8,stages=2", 48, 3, two_warpgroups},
                                         KernelCase{"osdn_forward:k=128,v=128,apf=per_head", "warps=8,stages=2", 48, 5,
                                                    one_warpgroup},
                                         KernelCase{"osdn_forward:k=64,v=64,type=fp16,beta_aware=0", "warps=4,stages=2",
                                                    32, 3, one_warpgroup}));

}  // namespace
}  // namespace osdn::tests
