// Events: order between streams, queries, time.
#include <chrono>
#include <thread>

#include "api.hpp"

namespace driver_test {
namespace {

using EventTest = DriverTest;

TEST_F(EventTest, AnEventIsDoneWhenTheWorkBeforeItIs) {
  const CUstream order = stream();
  const CUevent mark = event();
  EXPECT_OK(driver.cuEventQuery(mark));  // never recorded
  EXPECT_OK(driver.cuEventSynchronize(mark));
  Gate gate(order);
  EXPECT_OK(driver.cuEventRecord(mark, order));
  EXPECT_RESULT(CUDA_ERROR_NOT_READY, driver.cuEventQuery(mark));
  gate.release();
  EXPECT_OK(driver.cuEventSynchronize(mark));
  EXPECT_OK(driver.cuEventQuery(mark));
}

TEST_F(EventTest, AStreamWaitsForAnotherStreamsEvent) {
  const CUstream producer = stream();
  const CUstream consumer = stream();
  const CUevent ready = event(CU_EVENT_DISABLE_TIMING);
  Gate gate(producer);
  EXPECT_OK(driver.cuEventRecord(ready, producer));
  EXPECT_OK(driver.cuStreamWaitEvent(consumer, ready, 0));
  EXPECT_RESULT(CUDA_ERROR_NOT_READY, driver.cuStreamQuery(consumer));
  gate.release();
  EXPECT_OK(driver.cuStreamSynchronize(consumer));
  EXPECT_OK(driver.cuStreamQuery(producer));
}

TEST_F(EventTest, AWaitIsForTheRecordBeforeIt) {
  const CUstream producer = stream();
  const CUstream consumer = stream();
  const CUevent mark = event();
  EXPECT_OK(driver.cuStreamWaitEvent(consumer, mark, 0));  // never recorded: no wait
  EXPECT_OK(driver.cuEventRecord(mark, producer));
  EXPECT_OK(driver.cuStreamWaitEvent(consumer, mark, 0));
  Gate gate(producer);
  EXPECT_OK(driver.cuEventRecord(mark, producer));
  EXPECT_OK(driver.cuStreamSynchronize(consumer));  // only the first record counts
}

TEST_F(EventTest, WaitsCrossDevices) {
  const CUstream here = stream();
  const CUevent mark = event();
  CUcontext other = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&other, 0, 1));
  const CUstream there = stream();
  Gate gate(here);
  EXPECT_OK(driver.cuEventRecord(mark, here));
  EXPECT_OK(driver.cuStreamWaitEvent(there, mark, 0));
  EXPECT_RESULT(CUDA_ERROR_NOT_READY, driver.cuStreamQuery(there));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuEventRecord(mark, there));  // the event's device is the other one
  gate.release();
  EXPECT_OK(driver.cuStreamSynchronize(there));
  EXPECT_OK(driver.cuCtxDestroy_v2(other));
}

TEST_F(EventTest, ElapsedTimeIsReal) {
  const CUstream order = stream();
  const CUevent first = event();
  const CUevent last = event();
  float milliseconds = -1;
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuEventElapsedTime(&milliseconds, first, last));
  EXPECT_OK(driver.cuEventRecord(first, order));
  Gate gate(order);
  EXPECT_OK(driver.cuEventRecord(last, order));
  EXPECT_RESULT(CUDA_ERROR_NOT_READY, driver.cuEventElapsedTime(&milliseconds, first, last));
  const auto begin = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  gate.release();
  EXPECT_OK(driver.cuEventSynchronize(last));
  const float limit = std::chrono::duration<float, std::milli>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_OK(driver.cuEventElapsedTime(&milliseconds, first, last));
  EXPECT_GE(milliseconds, 29.0F);
  EXPECT_LE(milliseconds, limit + 50.0F);
  const CUevent untimed = event(CU_EVENT_DISABLE_TIMING);
  EXPECT_OK(driver.cuEventRecord(untimed, order));
  EXPECT_OK(driver.cuEventSynchronize(untimed));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuEventElapsedTime_v2(&milliseconds, first, untimed));
}

TEST_F(EventTest, ADestroyedEventIsNoHandleButItsWaitsStay) {
  const CUstream producer = stream();
  const CUstream consumer = stream();
  const CUevent mark = event();
  Gate gate(producer);
  EXPECT_OK(driver.cuEventRecord(mark, producer));
  EXPECT_OK(driver.cuStreamWaitEvent(consumer, mark, 0));
  EXPECT_OK(driver.cuEventDestroy_v2(mark));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuEventDestroy_v2(mark));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuStreamWaitEvent(consumer, mark, 0));
  EXPECT_RESULT(CUDA_ERROR_NOT_READY, driver.cuStreamQuery(consumer));
  gate.release();
  EXPECT_OK(driver.cuStreamSynchronize(consumer));
}

}  // namespace
}  // namespace driver_test
