// Streams: order, the default stream, callbacks, stale handles.
#include <atomic>
#include <chrono>
#include <thread>

#include "api.hpp"

namespace driver_test {
namespace {

using StreamTest = DriverTest;

TEST_F(StreamTest, AnIdleStreamIsDoneAndABusyOneIsNot) {
  const CUstream first = stream();
  const CUstream second = stream();
  EXPECT_OK(driver.cuStreamQuery(first));
  {
    Gate gate(first);
    EXPECT_RESULT(CUDA_ERROR_NOT_READY, driver.cuStreamQuery(first));
    EXPECT_OK(driver.cuStreamQuery(second));
    EXPECT_OK(driver.cuStreamSynchronize(second));
  }
  EXPECT_OK(driver.cuStreamSynchronize(first));
  EXPECT_OK(driver.cuStreamQuery(first));
}

TEST_F(StreamTest, TheDefaultStreamWaitsForBlockingStreamsOnly) {
  const CUdeviceptr device = allocate(4);
  for (const unsigned flags : {CU_STREAM_DEFAULT, CU_STREAM_NON_BLOCKING}) {
    const CUstream other = stream(flags);
    EXPECT_OK(driver.cuMemsetD32Async(device, 1, 1, nullptr));
    EXPECT_OK(driver.cuStreamSynchronize(nullptr));
    Gate gate(other);
    EXPECT_RESULT(flags == CU_STREAM_DEFAULT ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS, driver.cuStreamQuery(nullptr));
    gate.release();
    EXPECT_OK(driver.cuStreamSynchronize(other));
  }
}

TEST_F(StreamTest, BlockingStreamsWaitForTheDefaultStream) {
  const CUstream blocking = stream(CU_STREAM_DEFAULT);
  const CUstream independent = stream(CU_STREAM_NON_BLOCKING);
  Gate gate(nullptr);
  EXPECT_RESULT(CUDA_ERROR_NOT_READY, driver.cuStreamQuery(blocking));
  EXPECT_OK(driver.cuStreamQuery(independent));
  gate.release();
  EXPECT_OK(driver.cuStreamSynchronize(blocking));
}

TEST_F(StreamTest, ADestroyedStreamFinishesAndTheDefaultStreamStillWaits) {
  const CUstream doomed = stream(CU_STREAM_DEFAULT);
  Gate gate(doomed);
  EXPECT_OK(driver.cuStreamDestroy_v2(doomed));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuStreamSynchronize(doomed));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuStreamDestroy_v2(doomed));
  EXPECT_RESULT(CUDA_ERROR_NOT_READY, driver.cuStreamQuery(nullptr));
  gate.release();
  EXPECT_OK(driver.cuStreamSynchronize(nullptr));
}

TEST_F(StreamTest, HostFunctionsRunInOrderAndMayNotCallTheDriver) {
  const CUstream order = stream();
  struct Seen {
    std::vector<int> steps;
    CUresult inside = CUDA_SUCCESS;
  } seen;
  for (int i = 0; i < 3; ++i) {
    auto note = [](void* data) {
      auto& all = *static_cast<Seen*>(data);
      all.steps.push_back(static_cast<int>(all.steps.size()));
      int count = 0;
      all.inside = api().cuDeviceGetCount(&count);
    };
    EXPECT_OK(driver.cuLaunchHostFunc(order, note, &seen));
  }
  EXPECT_OK(driver.cuStreamSynchronize(order));
  EXPECT_EQ(seen.steps, (std::vector<int>{0, 1, 2}));
  EXPECT_RESULT(CUDA_ERROR_NOT_PERMITTED, seen.inside);
}

TEST_F(StreamTest, CallbacksAreToldOfTheResult) {
  const CUstream order = stream();
  std::atomic<int> result{-1};
  auto note = [](CUstream, CUresult status, void* data) { *static_cast<std::atomic<int>*>(data) = status; };
  EXPECT_OK(driver.cuStreamAddCallback(order, note, &result, 0));
  EXPECT_OK(driver.cuStreamSynchronize(order));
  EXPECT_EQ(result, CUDA_SUCCESS);
}

TEST_F(StreamTest, EachThreadHasItsOwnStream) {
  const auto own = reinterpret_cast<CUstream>(2);  // NOLINT(performance-no-int-to-ptr)
  unsigned long long here = 0;
  unsigned long long there = 0;
  EXPECT_OK(driver.cuStreamGetId(own, &here));
  std::thread([&] {
    EXPECT_OK(driver.cuCtxSetCurrent(context));
    EXPECT_OK(driver.cuStreamGetId(own, &there));
  }).join();
  EXPECT_NE(here, there);
}

TEST_F(StreamTest, PropertiesAreKept) {
  int least = 1;
  int greatest = 1;
  EXPECT_OK(driver.cuCtxGetStreamPriorityRange(&least, &greatest));
  EXPECT_LT(greatest, least);
  CUstream urgent = nullptr;
  ASSERT_OK(driver.cuStreamCreateWithPriority(&urgent, CU_STREAM_NON_BLOCKING, greatest - 100));
  int priority = 0;
  EXPECT_OK(driver.cuStreamGetPriority(urgent, &priority));
  EXPECT_EQ(priority, greatest);
  unsigned flags = 0;
  EXPECT_OK(driver.cuStreamGetFlags(urgent, &flags));
  EXPECT_EQ(flags, static_cast<unsigned>(CU_STREAM_NON_BLOCKING));
  CUcontext owner = nullptr;
  EXPECT_OK(driver.cuStreamGetCtx(urgent, &owner));
  EXPECT_EQ(owner, context);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuStreamCreate(&urgent, 8));
}

TEST_F(StreamTest, HandlesOfOtherKindsAreRefused) {
  const CUevent mark = event();
  const auto wrong = reinterpret_cast<CUstream>(mark);
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuStreamSynchronize(wrong));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuStreamQuery(reinterpret_cast<CUstream>(this)));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuEventQuery(reinterpret_cast<CUevent>(stream())));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuEventRecord(nullptr, nullptr));
}

}  // namespace
}  // namespace driver_test
