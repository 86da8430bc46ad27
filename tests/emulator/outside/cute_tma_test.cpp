// CuTe's TMA copies, where CUTLASS's headers are at hand: OSDN_CUTLASS_INCLUDE names their folder.
#include <dlfcn.h>

#include <bit>

#include "outside.hpp"

namespace emulator::test {
namespace {

constexpr const char* kSource = "cute_tma.cu";

/// The kernel's parameters, packed by CuTe's host code.
class Packed {
 public:
  using Pack = void (*)(void*, void*, int, int, int, void*);
  Packed(Pack pack, void* from, void* to, int rows, int columns, int pitch) {
    pack(from, to, rows, columns, pitch, bytes_);
  }
  [[nodiscard]] const std::byte* data() const { return bytes_; }

 private:
  alignas(64) std::byte bytes_[1024]{};
};

class CuteTma : public Outside {
 protected:
  void SetUp() override {
    const std::string include = cutlass_include();
    if (include.empty()) GTEST_SKIP() << "no CUTLASS: set OSDN_CUTLASS_INCLUDE to its include folder";
    profile_.major = 9;
    profile_.shared_per_block_optin = 227 * 1024;
    library_ = compile_for_host(kSource, {"-I" + include, "-DCUTLASS_ENABLE_DIRECT_CUDA_DRIVER_CALL",
                                          "-D__CUDACC_VER_MAJOR__=13", "-D__CUDACC_VER_MINOR__=0"});
    if (library_.handle == nullptr) GTEST_SKIP() << library_.missing;
    LOAD_OUTSIDE(compile_with_nvcc(kSource, "compute_90a", {"-I" + include, "--expt-relaxed-constexpr"}));
  }

  /// Tiles of 64 rows and `width` columns; `added`: onto what was there.
  template <class T, class To>
  void check(const char* kernel, int width, bool added, To to) {
    for (int trial = 0; trial < 3; ++trial) {
      const int rows = 1 + static_cast<int>(random_() % 200), columns = 1 + static_cast<int>(random_() % 300);
      const int pitch = (columns + 15) / 16 * 16;
      const auto count = static_cast<std::size_t>(rows) * static_cast<std::size_t>(pitch);
      const auto numbers = integers<int>(count, -60, 60);
      const auto old = integers<int>(count, -60, 60);
      std::vector<T> from(count), before(count);
      for (std::size_t i = 0; i < count; ++i) {
        from[i] = to(numbers[i]);
        before[i] = to(old[i]);
      }
      T* source = buffer(from);
      T* target = buffer(before);
      const auto pack = reinterpret_cast<Packed::Pack>(dlsym(library_.handle, kernel));
      ASSERT_NE(pack, nullptr) << kernel;
      const Packed packed(pack, source, target, rows, columns, pitch);
      Launch launch;
      launch.kernel = module_->kernel(kernel);
      ASSERT_NE(launch.kernel, nullptr) << kernel;
      launch.grid = {static_cast<unsigned>(rows + 63) / 64, static_cast<unsigned>((columns + width - 1) / width), 1};
      launch.block = {96, 1, 1};
      launch.parameters = packed.data();
      launch.seed = random_();
      const auto fault = execute(launch, memory_, profile_, statistics_);
      ASSERT_FALSE(fault) << fault->text();
      for (int r = 0; r < rows; ++r) {
        for (int c = 0; c < pitch; ++c) {
          const auto i = static_cast<std::size_t>(r * pitch + c);
          const int expected = c >= columns ? old[i] : 2 * numbers[i] + (added ? old[i] : 0);
          ASSERT_EQ(target[i], to(expected)) << kernel << " " << rows << "x" << columns << " at " << r << ", " << c;
        }
      }
    }
  }
  HostLibrary library_;
};

std::uint16_t bf16_bits(int v) {
  return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(v)) >> 16);
}
std::uint16_t half_bits(int v) {
  if (v == 0) return 0;
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(v));
  return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | (((bits >> 23 & 0xFF) - 112) << 10 | (bits >> 13 & 0x3FF)));
}
float number(int v) {
  return static_cast<float>(v);
}

TEST_F(CuteTma, TilesGoThroughSharedMemoryAndBack) {
  check<std::uint16_t>("halves_128", 64, false, half_bits);
  check<std::uint16_t>("bf16_64", 32, false, bf16_bits);
  check<float>("floats_32", 8, false, number);
  check<float>("floats_plain", 4, false, number);
}
TEST_F(CuteTma, TilesAreAdded) {
  check<float>("floats_added", 32, true, number);
}

}  // namespace
}  // namespace emulator::test
