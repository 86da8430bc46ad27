// Launches: parameters, limits, asynchrony, faults that stick, statistics.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "api.hpp"
#include "kernels.hpp"

namespace driver_test {
namespace {

class LaunchTest : public DriverTest {
 protected:
  CUresult launch(CUfunction kernel, unsigned grid, unsigned block, std::vector<void*> parameters, unsigned shared = 0,
                  CUstream into = nullptr) {
    return driver.cuLaunchKernel(kernel, grid, 1, 1, block, 1, 1, shared, into,
                                 parameters.empty() ? nullptr : parameters.data(), nullptr);
  }
  CUresult store(CUdeviceptr to, unsigned value, CUstream into = nullptr) {
    return launch(function(kKernels, "store"), 1, 1, {&to, &value}, 0, into);
  }
};

TEST_F(LaunchTest, AKernelComputes) {
  const CUfunction scale = function(kKernels, "scale");
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<unsigned> values(3333);
  for (auto& value : values) value = static_cast<unsigned>(random());
  CUdeviceptr memory = allocate((values.size() + 1) * 4);
  EXPECT_OK(driver.cuMemsetD32_v2(memory, 0xABABABAB, values.size() + 1));
  EXPECT_OK(driver.cuMemcpyHtoD_v2(memory, values.data(), values.size() * 4));
  unsigned factor = 17;
  auto count = static_cast<unsigned>(values.size());
  EXPECT_OK(launch(scale, 14, 256, {&memory, &factor, &count}));
  for (auto& value : values) value = value * factor + 1;
  values.push_back(0xABABABAB);
  EXPECT_EQ(read<unsigned>(memory, values.size()), values);
}

TEST_F(LaunchTest, ParametersMayComePacked) {
  const CUfunction scale = function(kKernels, "scale");
  const CUdeviceptr memory = allocate(4);
  EXPECT_OK(driver.cuMemsetD32_v2(memory, 10, 1));
  unsigned char packed[16];
  const unsigned numbers[] = {4, 1};
  std::memcpy(packed, &memory, 8);
  std::memcpy(packed + 8, numbers, 8);
  std::size_t bytes = sizeof(packed);
  void* extra[] = {reinterpret_cast<void*>(1), packed, reinterpret_cast<void*>(2), &bytes, nullptr};
  const auto run = [&] { return driver.cuLaunchKernel(scale, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, extra); };
  EXPECT_OK(run());
  EXPECT_EQ(read<unsigned>(memory, 1).at(0), 41U);
  bytes = 15;
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, run());
  void* both[] = {packed};
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuLaunchKernel(scale, 1, 1, 1, 1, 1, 1, 0, nullptr, both, extra));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, launch(scale, 1, 1, {}));
}

TEST_F(LaunchTest, GeometryIsHeldAgainstTheLimits) {
  const CUfunction bounded = function(kKernels, "bounded");
  const CUfunction stop = function(kKernels, "stop");
  const auto geometry = [&](CUfunction kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                            unsigned bz, unsigned shared = 0) {
    return driver.cuLaunchKernel(kernel, gx, gy, gz, bx, by, bz, shared, nullptr, nullptr, nullptr);
  };
  EXPECT_OK(geometry(bounded, 1, 1, 1, 64, 1, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, geometry(bounded, 1, 1, 1, 65, 1, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, geometry(stop, 0, 1, 1, 1, 1, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, geometry(stop, 1, 1, 1, 1, 0, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, geometry(stop, 0x80000000, 1, 1, 1, 1, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, geometry(stop, 1, 65536, 1, 1, 1, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, geometry(stop, 1, 1, 65536, 1, 1, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, geometry(stop, 1, 1, 1, 1025, 1, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, geometry(stop, 1, 1, 1, 512, 3, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, geometry(stop, 1, 1, 1, 1, 1, 65));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, geometry(stop, 1, 1, 1, 1, 1, 1, 48 * 1024 + 1));
  EXPECT_OK(driver.cuCtxSynchronize());
}

TEST_F(LaunchTest, DynamicSharedMemoryNeedsItsOptIn) {
  const CUfunction reverse = function(kKernels, "reverse");
  std::vector<unsigned> values(256);
  std::iota(values.begin(), values.end(), 0U);
  CUdeviceptr memory = allocate(1024);
  EXPECT_OK(driver.cuMemcpyHtoD_v2(memory, values.data(), 1024));
  EXPECT_OK(launch(reverse, 1, 256, {&memory}, 1024));
  std::reverse(values.begin(), values.end());
  EXPECT_EQ(read<unsigned>(memory, 256), values);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, launch(reverse, 1, 256, {&memory}, 48 * 1024));  // and 1 KiB of its own
  EXPECT_OK(driver.cuFuncSetAttribute(reverse, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 100 * 1024));
  EXPECT_OK(launch(reverse, 1, 256, {&memory}, 100 * 1024));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, launch(reverse, 1, 256, {&memory}, 100 * 1024 + 1));
  std::reverse(values.begin(), values.end());
  EXPECT_EQ(read<unsigned>(memory, 256), values);
}

TEST_F(LaunchTest, LaunchesAreAsynchronousAndInOrder) {
  const CUstream order = stream();
  const CUdeviceptr memory = allocate(4);
  EXPECT_OK(driver.cuMemsetD32_v2(memory, 1, 1));
  EXPECT_OK(driver.cuCtxSynchronize());
  Gate gate(order);
  EXPECT_OK(store(memory, 2, order));
  EXPECT_OK(store(memory, 3, order));
  EXPECT_EQ(*reinterpret_cast<volatile unsigned*>(memory), 1U);  // a device address is a host address
  gate.release();
  EXPECT_OK(driver.cuStreamSynchronize(order));
  EXPECT_EQ(read<unsigned>(memory, 1).at(0), 3U);
}

TEST_F(LaunchTest, HarmlessAttributesAreAcceptedAndOthersSaidToBeMissing) {
  const CUfunction kernel = function(kKernels, "store");
  CUdeviceptr memory = allocate(4);
  unsigned value = 9;
  void* parameters[] = {&memory, &value};
  CUlaunchAttribute attributes[2] = {};
  attributes[0].id = CU_LAUNCH_ATTRIBUTE_PRIORITY;
  attributes[1].id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
  attributes[1].value.programmaticStreamSerializationAllowed = 1;
  CUlaunchConfig config{1, 1, 1, 1, 1, 1, 0, nullptr, attributes, 2};
  EXPECT_OK(driver.cuLaunchKernelEx(&config, kernel, parameters, nullptr));
  EXPECT_EQ(read<unsigned>(memory, 1).at(0), 9U);
  attributes[0].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
  attributes[0].value.clusterDim = {2, 1, 1};
  EXPECT_RESULT(CUDA_ERROR_NOT_SUPPORTED, driver.cuLaunchKernelEx(&config, kernel, parameters, nullptr));
  EXPECT_NE(newest_fault().find("clusters of 2 x 1 x 1 blocks"), std::string::npos) << newest_fault();
  attributes[0].value.clusterDim = {1, 1, 1};
  EXPECT_OK(driver.cuLaunchKernelEx(&config, kernel, parameters, nullptr));
  attributes[0].id = static_cast<CUlaunchAttributeID>(77);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuLaunchKernelEx(&config, kernel, parameters, nullptr));
}

TEST_F(LaunchTest, BlocksOfACooperativeLaunchWaitForEachOther) {
  const CUfunction kernel = function(kKernels, "meet");
  const CUdeviceptr memory = allocate(4);
  EXPECT_OK(driver.cuMemsetD32_v2(memory, 0, 1));
  CUdeviceptr at = memory;
  void* parameters[] = {&at};
  EXPECT_OK(driver.cuLaunchCooperativeKernel(kernel, 50, 1, 1, 32, 1, 1, 0, nullptr, parameters));
  EXPECT_EQ(read<unsigned>(memory, 1).at(0), 50U * 32);
  EXPECT_OK(driver.cuMemsetD32_v2(memory, 0, 1));
  CUlaunchAttribute attribute = {};
  attribute.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
  attribute.value.cooperative = 1;
  CUlaunchConfig config{40, 1, 1, 32, 1, 1, 0, nullptr, &attribute, 1};
  EXPECT_OK(driver.cuLaunchKernelEx(&config, kernel, parameters, nullptr));
  EXPECT_EQ(read<unsigned>(memory, 1).at(0), 40U * 32);
  // An A100 holds 2,048 threads on each of 108 multiprocessors.
  EXPECT_RESULT(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
                driver.cuLaunchCooperativeKernel(kernel, 217, 1, 1, 1024, 1, 1, 0, nullptr, parameters));
  config = {217, 1, 1, 1024, 1, 1, 0, nullptr, &attribute, 1};
  EXPECT_RESULT(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, driver.cuLaunchKernelEx(&config, kernel, parameters, nullptr));
}

TEST_F(LaunchTest, HandlesOfAnotherContextAreRefused) {
  const CUfunction kernel = function(kKernels, "store");
  const CUdeviceptr memory = allocate(4);
  const CUstream here = stream();
  CUcontext other = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&other, 0, 0));
  unsigned value = 1;
  CUdeviceptr to = memory;
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, launch(kernel, 1, 1, {&to, &value}));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, store(memory, 1, here));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, launch(reinterpret_cast<CUfunction>(here), 1, 1, {&to, &value}));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, launch(nullptr, 1, 1, {&to, &value}));
  EXPECT_OK(driver.cuCtxDestroy_v2(other));
}

TEST_F(LaunchTest, PinnedMemoryIsReachableFromKernels) {
  void* pinned = nullptr;
  ASSERT_OK(driver.cuMemAllocHost_v2(&pinned, 4));
  EXPECT_OK(store(reinterpret_cast<std::uintptr_t>(pinned), 31));
  EXPECT_OK(driver.cuCtxSynchronize());
  EXPECT_EQ(*static_cast<unsigned*>(pinned), 31U);
}

TEST_F(LaunchTest, AFaultSticksToItsContextAndTellsItsPlace) {
  CUcontext healthy = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&healthy, 0, 0));
  const CUdeviceptr safe = allocate(4);
  CUcontext doomed = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&doomed, 0, 0));
  const CUstream order = stream();
  const CUevent mark = event();
  const CUdeviceptr memory = allocate(64);
  EXPECT_OK(store(memory + 64, 1, order));  // one past the end
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuStreamSynchronize(order));
  const std::string text = newest_fault();
  for (const char* part : {"store", "st.global.u32", "PTX line 38"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  // From now on everything in this context says so.
  CUdeviceptr more = 0;
  int value = 0;
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuMemAlloc_v2(&more, 4));
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuMemFree_v2(memory));
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuMemcpyDtoH_v2(&value, memory, 4));
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuCtxSynchronize());
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuStreamQuery(order));
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuEventQuery(mark));
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuModuleLoadData(reinterpret_cast<CUmodule*>(&more), kKernels));
  EXPECT_OK(driver.cuCtxDestroy_v2(doomed));
  // Other contexts are not touched.
  EXPECT_OK(store(safe, 5));
  EXPECT_EQ(read<unsigned>(safe, 1).at(0), 5U);
  EXPECT_OK(driver.cuCtxDestroy_v2(healthy));
}

TEST_F(LaunchTest, EachFaultHasItsError) {
  struct Case {
    CUresult expected;
    std::function<CUresult()> run;
  };
  CUcontext doomed = nullptr;
  CUdeviceptr freed = 0;
  const std::vector<Case> cases{
      {CUDA_ERROR_MISALIGNED_ADDRESS, [&] { return store(allocate(64) + 2, 1); }},
      {CUDA_ERROR_ILLEGAL_ADDRESS, [&] { return store(0, 1); }},
      {CUDA_ERROR_ILLEGAL_ADDRESS,
       [&] {
         freed = allocate(64);
         EXPECT_OK(driver.cuMemFree_v2(freed));
         return store(freed, 1);
       }},
      {CUDA_ERROR_LAUNCH_FAILED, [&] { return launch(function(kKernels, "stop"), 1, 32, {}); }},
  };
  for (const Case& each : cases) {
    ASSERT_OK(driver.cuCtxCreate_v2(&doomed, 0, 0));
    EXPECT_OK(each.run());
    EXPECT_RESULT(each.expected, driver.cuCtxSynchronize());
    EXPECT_OK(driver.cuCtxDestroy_v2(doomed));
  }
}

TEST_F(LaunchTest, WorkBehindAFaultDoesNotRun) {
  const CUstream order = stream();
  void* pinned = nullptr;
  ASSERT_OK(driver.cuMemAllocHost_v2(&pinned, 4));
  auto* seen = static_cast<volatile unsigned*>(pinned);
  *seen = 0;
  Gate gate(order);
  EXPECT_OK(launch(function(kKernels, "stop"), 1, 1, {}, 0, order));
  EXPECT_OK(store(reinterpret_cast<std::uintptr_t>(pinned), 1, order));
  EXPECT_OK(driver.cuLaunchHostFunc(
      order, [](void* data) { *static_cast<volatile unsigned*>(data) = 2; }, pinned));
  gate.release();
  EXPECT_RESULT(CUDA_ERROR_LAUNCH_FAILED, driver.cuStreamSynchronize(order));
  EXPECT_EQ(*seen, 0U);
}

// exponentials writes ex2.approx of tid / 32: ulps of 2^(tid / 32 - 23) (PTX ISA 9.7.3.21).
TEST_F(LaunchTest, APerturbedDeviceErrsByItsSeedAlone) {
  const CUfunction kernel = function(kKernels, "exponentials");
  CUdeviceptr memory = allocate(1024);
  const auto answers = [&](bool on, std::uint64_t seed) {
    driver.set_seed(seed);
    driver.set_perturb(on ? 1 : 0);
    EXPECT_OK(launch(kernel, 1, 256, {&memory}));
    return read<float>(memory, 256);
  };
  const auto plain = answers(false, 1);
  const auto once = answers(true, 1);
  EXPECT_OK(launch(kernel, 1, 256, {&memory}));  // another launch of the same device
  EXPECT_EQ(read<float>(memory, 256), once);
  EXPECT_EQ(answers(true, 1), once);
  EXPECT_NE(answers(true, 2), once);
  EXPECT_EQ(answers(false, 3), plain);
  std::size_t moved = 0;
  for (std::size_t i = 0; i < 256; ++i) {
    moved += once[i] != plain[i];
    EXPECT_NEAR(once[i], plain[i], 2 * std::ldexp(1.0, static_cast<int>(i) / 32 - 23)) << i;
  }
  EXPECT_GT(moved, 128U);
}

TEST_F(LaunchTest, StatisticsCountWhatRan) {
  const CUfunction scale = function(kKernels, "scale");
  driver.reset_statistics();
  CUdeviceptr memory = allocate(400);
  EXPECT_OK(driver.cuMemsetD8_v2(memory, 1, 400));
  unsigned factor = 2;
  unsigned count = 100;
  for (int i = 0; i < 3; ++i) EXPECT_OK(launch(scale, 2, 64, {&memory, &factor, &count}));
  EXPECT_OK(driver.cuCtxSynchronize());
  osdn_emulator_counts counts{};
  counts.struct_size = sizeof(counts);
  ASSERT_EQ(driver.statistics("scale", &counts), 0);
  EXPECT_EQ(counts.launches, 3U);
  EXPECT_EQ(counts.blocks, 6U);
  EXPECT_EQ(counts.global_load_bytes, 3U * 100 * 4);
  EXPECT_EQ(counts.global_store_bytes, 3U * 100 * 4);
  EXPECT_EQ(driver.statistics("absent", &counts), CUDA_ERROR_NOT_FOUND);
  // A caller built against an older, shorter struct gets what it has room for and nothing behind it.
  counts = {};
  counts.blocks = 77;
  counts.struct_size = offsetof(osdn_emulator_counts, blocks);
  EXPECT_EQ(driver.statistics(nullptr, &counts), 0);
  EXPECT_EQ(counts.launches, 3U);
  EXPECT_EQ(counts.blocks, 77U);
  std::string json(driver.statistics_json(nullptr, 0) + 1, '\0');
  driver.statistics_json(json.data(), json.size());
  EXPECT_NE(json.find("\"scale\": {\"launches\": 3"), std::string::npos) << json;
  EXPECT_NE(json.find("warp_instructions_by_kind"), std::string::npos) << json;
  driver.reset_statistics();
  EXPECT_EQ(driver.statistics("scale", &counts), CUDA_ERROR_NOT_FOUND);
}

}  // namespace
}  // namespace driver_test
