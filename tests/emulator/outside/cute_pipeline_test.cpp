// A product by CuTe's TMA and wgmma in a pipeline of mbarriers, where CUTLASS's headers are at hand.
#include <dlfcn.h>

#include <bit>

#include "outside.hpp"

namespace emulator::test {
namespace {

class CutePipeline : public Outside {};

TEST_F(CutePipeline, Multiplies) {
  constexpr const char* kSource = "cute_pipeline.cu";
  const std::string include = cutlass_include();
  if (include.empty()) GTEST_SKIP() << "no CUTLASS: set OSDN_CUTLASS_INCLUDE to its include folder";
  profile_.major = 9;
  profile_.shared_per_block_optin = 227 * 1024;
  const HostLibrary library = compile_for_host(kSource, {"-I" + include, "-DCUTLASS_ENABLE_DIRECT_CUDA_DRIVER_CALL",
                                                         "-D__CUDACC_VER_MAJOR__=13", "-D__CUDACC_VER_MINOR__=0"});
  if (library.handle == nullptr) GTEST_SKIP() << library.missing;
  LOAD_OUTSIDE(compile_with_nvcc(kSource, "compute_90a", {"-I" + include, "--expt-relaxed-constexpr"}));
  using Pack = void (*)(void*, void*, float*, int, int, int, void*);
  const auto pack = reinterpret_cast<Pack>(dlsym(library.handle, "product"));
  ASSERT_NE(pack, nullptr);
  // Small whole numbers, whose sums of products are exact.
  const std::size_t m = 128, n = 192, k = 64 * (1 + random_() % 5);
  const auto a = integers<int>(m * k, -4, 4), b = integers<int>(n * k, -4, 4);
  const auto bf16 = [](const std::vector<int>& values) {
    std::vector<std::uint16_t> result;
    for (const int v : values) {
      result.push_back(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(v)) >> 16));
    }
    return result;
  };
  auto* out = poisoned<float>(m * n);
  alignas(64) std::byte packed[1024]{};
  pack(buffer(bf16(a)), buffer(bf16(b)), out, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), packed);
  Launch launch;
  launch.kernel = module_->kernel("product");
  ASSERT_NE(launch.kernel, nullptr);
  launch.grid = {m / 64, n / 64, 1};
  launch.block = {160, 1, 1};
  launch.parameters = packed;
  for (unsigned trial = 0; trial < 4; ++trial) {
    launch.seed = random_();
    const auto fault = execute(launch, memory_, profile_, statistics_);
    ASSERT_FALSE(fault) << fault->text();
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        int sum = 0;
        for (std::size_t s = 0; s < k; ++s) sum += a[i * k + s] * b[j * k + s];
        ASSERT_EQ(out[i * n + j], static_cast<float>(sum)) << i << " " << j;
      }
    }
  }
}

}  // namespace
}  // namespace emulator::test
