// Many threads at once: nothing is lost, mixed up or deadlocked.
#include <atomic>
#include <random>
#include <thread>

#include "api.hpp"
#include "kernels.hpp"

namespace driver_test {
namespace {

using ConcurrencyTest = DriverTest;

void in_threads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ConcurrencyTest, ThreadsInOneContextKeepTheirOwnStreamsInOrder) {
  const CUfunction scale = function(kKernels, "scale");
  in_threads(6, [&](int index) {
    EXPECT_OK(driver.cuCtxSetCurrent(context));
    std::mt19937 random(static_cast<unsigned>(index));
    const CUstream order = stream();
    CUdeviceptr memory = allocate(64 * 4);
    std::vector<unsigned> values(64);
    for (int round = 0; round < 20; ++round) {
      for (auto& value : values) value = static_cast<unsigned>(random());
      unsigned factor = static_cast<unsigned>(random());
      unsigned count = 64;
      void* parameters[] = {&memory, &factor, &count};
      EXPECT_OK(driver.cuMemcpyHtoDAsync_v2(memory, values.data(), 256, order));
      EXPECT_OK(driver.cuLaunchKernel(scale, 2, 1, 1, 32, 1, 1, 0, order, parameters, nullptr));
      std::vector<unsigned> back(64);
      EXPECT_OK(driver.cuMemcpyDtoHAsync_v2(back.data(), memory, 256, order));
      for (auto& value : values) value = value * factor + 1;
      EXPECT_EQ(back, values);
    }
    EXPECT_OK(driver.cuMemFree_v2(memory));
    EXPECT_OK(driver.cuStreamDestroy_v2(order));
  });
}

TEST_F(ConcurrencyTest, ContextsComeAndGoBesideEachOther) {
  in_threads(6, [&](int index) {
    for (int round = 0; round < 15; ++round) {
      CUcontext own = nullptr;
      EXPECT_OK(driver.cuCtxCreate_v2(&own, 0, index % 2));
      const CUstream order = stream(CU_STREAM_DEFAULT);
      const CUevent mark = event();
      const CUdeviceptr memory = allocate(1000);
      EXPECT_OK(driver.cuMemsetD8Async(memory, 1, 1000, order));
      EXPECT_OK(driver.cuEventRecord(mark, order));
      EXPECT_OK(driver.cuStreamWaitEvent(nullptr, mark, 0));
      if (round % 2 == 0) EXPECT_OK(driver.cuCtxSynchronize());
      EXPECT_OK(driver.cuCtxDestroy_v2(own));
    }
  });
  std::size_t free = 0;
  std::size_t total = 0;
  EXPECT_OK(driver.cuMemGetInfo_v2(&free, &total));
  EXPECT_EQ(free, total);
}

TEST_F(ConcurrencyTest, ThePrimaryContextIsRetainedAndReleasedByMany) {
  in_threads(6, [&](int) {
    for (int round = 0; round < 30; ++round) {
      CUcontext primary = nullptr;
      EXPECT_OK(driver.cuDevicePrimaryCtxRetain(&primary, 1));
      EXPECT_OK(driver.cuCtxSetCurrent(primary));
      const CUdeviceptr memory = allocate(64);
      EXPECT_OK(driver.cuMemsetD8_v2(memory, 0, 64));
      EXPECT_OK(driver.cuMemFree_v2(memory));
      EXPECT_OK(driver.cuDevicePrimaryCtxRelease_v2(1));
    }
  });
  unsigned flags = 0;
  int active = 1;
  EXPECT_OK(driver.cuDevicePrimaryCtxGetState(1, &flags, &active));
  EXPECT_EQ(active, 0);
}

TEST_F(ConcurrencyTest, StreamsThatWaitForEachOtherMakeAChain) {
  // A token travels through eight streams on two devices, each handing it on by an event.
  constexpr int kStreams = 8;
  CUcontext other = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&other, 0, 1));
  struct Step {
    std::vector<int>* seen;
    int number;
  };
  std::vector<int> seen;
  std::vector<Step> steps(kStreams * 5);
  CUevent before = nullptr;
  CUstream streams[kStreams];
  for (int i = 0; i < kStreams; ++i) {
    EXPECT_OK(driver.cuCtxSetCurrent(i % 2 == 0 ? context : other));
    streams[i] = stream();
  }
  for (int i = 0; i < kStreams * 5; ++i) {
    EXPECT_OK(driver.cuCtxSetCurrent(i % 2 == 0 ? context : other));
    const CUstream order = streams[i % kStreams];
    if (before != nullptr) EXPECT_OK(driver.cuStreamWaitEvent(order, before, 0));
    steps[i] = {&seen, i};
    auto note = [](void* data) {
      const auto& step = *static_cast<Step*>(data);
      step.seen->push_back(step.number);
    };
    EXPECT_OK(driver.cuLaunchHostFunc(order, note, &steps[i]));
    before = event();
    EXPECT_OK(driver.cuEventRecord(before, order));
  }
  EXPECT_OK(driver.cuEventSynchronize(before));
  ASSERT_EQ(seen.size(), steps.size());
  for (int i = 0; i < kStreams * 5; ++i) EXPECT_EQ(seen[i], i);
  EXPECT_OK(driver.cuCtxDestroy_v2(other));
  EXPECT_OK(driver.cuCtxSetCurrent(context));
}

}  // namespace
}  // namespace driver_test
