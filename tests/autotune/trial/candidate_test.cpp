// Limits that show only after compilation, and what errors say of a candidate.
#include "autotune/trial/candidate.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "autotune/trial/capacity.hpp"

namespace osdn::autotune {
namespace {

KernelReport kernel(int threads, int registers, std::size_t own = 0, std::size_t asked = 0) {
  KernelReport report;
  report.phase = "delta_rule";
  report.threads = threads;
  report.registers = registers;
  report.static_shared_bytes = own;
  report.dynamic_shared_bytes = asked;
  return report;
}

// By hand: warps · registers a thread rounded up to 8 · 32, of which a block has 65,536.
TEST(BrokenLimit, RegistersCountAsTheyAreAllocated) {
  const generator::Architecture architecture;
  EXPECT_EQ(broken_limit({kernel(512, 128)}, architecture), "");
  EXPECT_EQ(broken_limit({kernel(256, 255)}, architecture), "");
  EXPECT_EQ(broken_limit({kernel(480, 136)}, architecture), "");  // 15 · 136 · 32 = 65,280
  EXPECT_EQ(broken_limit({kernel(512, 129)}, architecture),
            "delta_rule takes 69,632 registers: 512 threads of 129 each, rounded as they are allocated; a block has "
            "65,536");
  EXPECT_NE(broken_limit({kernel(32, 10), kernel(481, 136)}, architecture), "");  // 16 warps: 69,632
}

TEST(BrokenLimit, SharedMemoryOfBothKinds) {
  generator::Architecture architecture;
  architecture.shared_per_block = 100000;
  EXPECT_EQ(broken_limit({kernel(32, 32, 1000, 99000)}, architecture), "");
  EXPECT_EQ(broken_limit({kernel(32, 32, 1001, 99000)}, architecture),
            "delta_rule takes 100,001 bytes of shared memory (1,001 of them its own); sm_80 allows 100,000");
}

TEST(ResourcesOf, KernelsTogether) {
  KernelReport first = kernel(128, 40, 100, 2000);
  first.spill_bytes = 8;
  first.compile_ms = 1.5;
  KernelReport second = kernel(256, 32, 0, 5000);
  second.spill_bytes = 4;
  second.compile_ms = 2;
  const Resources all = resources_of({first, second}, 77);
  EXPECT_EQ(all, (Resources{40, 12, 5000, 384, 77, 3.5}));
}

TEST(VerdictOf, BlamesTheCandidateForItsOwnErrorsOnly) {
  const auto verdict = [](ErrorCode code, const char* text) { return verdict_of(Error{code, text, {}}); };
  EXPECT_EQ(verdict(ErrorCode::compile_failed, "no\nlog").outcome, Outcome::refused);
  EXPECT_EQ(verdict(ErrorCode::compile_failed, "no\nlog").reason, "no");
  EXPECT_EQ(verdict(ErrorCode::constraint, "too much").outcome, Outcome::refused);
  EXPECT_EQ(verdict(ErrorCode::driver, "waiting: CUDA_ERROR_ILLEGAL_ADDRESS (700)").outcome, Outcome::faulted);
  EXPECT_EQ(verdict(ErrorCode::driver, "waiting: CUDA_ERROR_LAUNCH_TIMEOUT (702)").outcome, Outcome::hung);
  EXPECT_FALSE(verdict(ErrorCode::driver, "x").laboratory_lost);
  EXPECT_TRUE(verdict(ErrorCode::library_not_found, "no NVRTC").laboratory_lost);
  EXPECT_TRUE(verdict(ErrorCode::out_of_memory, "others have it").laboratory_lost);
}

TEST(VerdictOf, BlamesAWorkspaceThatTakesMuchOfTheDevice) {
  const Error none{ErrorCode::out_of_memory, "no memory", {}};
  const Verdict large = verdict_of_workspace(none, 3000, 8000);
  EXPECT_EQ(large.outcome, Outcome::faulted);
  EXPECT_FALSE(large.laboratory_lost);
  EXPECT_EQ(large.reason, "its workspace of 3,000 bytes does not fit beside the inputs into the device's 8,000");
  EXPECT_TRUE(verdict_of_workspace(none, 1000, 8000).laboratory_lost);
  const Error fault{ErrorCode::driver, "CUDA_ERROR_ILLEGAL_ADDRESS", {}};
  EXPECT_EQ(verdict_of_workspace(fault, 3000, 8000).reason, "CUDA_ERROR_ILLEGAL_ADDRESS");
}

TEST(Capacity, MemoryOfTheSystemAndOfTheContainer) {
  namespace fs = std::filesystem;
  const fs::path root = fs::temp_directory_path() / ("osdn-test-root-" + std::to_string(::getpid()));
  fs::create_directories(root / "proc");
  fs::create_directories(root / "sys/fs/cgroup");
  EXPECT_EQ(available_memory(root), 0U);
  std::ofstream(root / "proc/meminfo") << "MemTotal:       24000000 kB\nMemFree:  5 kB\nMemAvailable:    2000 kB\n";
  EXPECT_EQ(available_memory(root), 2048000U);
  std::ofstream(root / "sys/fs/cgroup/memory.max") << "max\n";
  EXPECT_EQ(available_memory(root), 2048000U);
  std::ofstream(root / "sys/fs/cgroup/memory.max") << "1000000\n";
  std::ofstream(root / "sys/fs/cgroup/memory.current") << "400000\n";
  EXPECT_EQ(available_memory(root), 600000U);
  fs::remove_all(root);
}

TEST(Capacity, OneCompilerPerCoreAsFarAsHalfTheMemoryAllows) {
  constexpr std::uint64_t gib = std::uint64_t{1} << 30;
  EXPECT_EQ(compilers_that_fit(8, 0), 8);  // not told
  EXPECT_EQ(compilers_that_fit(8, 64 * gib), 8);
  EXPECT_EQ(compilers_that_fit(64, 4 * gib), 8);
  EXPECT_EQ(compilers_that_fit(64, 1000), 1);
  EXPECT_EQ(compilers_that_fit(0, 4 * gib), 1);
}

}  // namespace
}  // namespace osdn::autotune
