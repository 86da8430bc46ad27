// Contexts: the stack, the primary context, destruction, wrong handles, two devices.
#include "api.hpp"

namespace driver_test {
namespace {

class ContextTest : public ::testing::Test {
 protected:
  const Api& driver = api();
};

TEST_F(ContextTest, TheStackIsPushedAndPopped) {
  CUcontext none = nullptr;
  EXPECT_OK(driver.cuCtxGetCurrent(&none));
  EXPECT_EQ(none, nullptr);
  EXPECT_RESULT(CUDA_ERROR_INVALID_CONTEXT, driver.cuCtxSynchronize());
  EXPECT_RESULT(CUDA_ERROR_INVALID_CONTEXT, driver.cuCtxPopCurrent_v2(&none));
  CUcontext first = nullptr;
  CUcontext second = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&first, 0, 0));
  ASSERT_OK(driver.cuCtxCreate_v3(&second, nullptr, 0, 0, 1));
  CUdevice device = -1;
  EXPECT_OK(driver.cuCtxGetDevice(&device));
  EXPECT_EQ(device, 1);
  EXPECT_OK(driver.cuCtxGetDevice_v2(&device, first));
  EXPECT_EQ(device, 0);
  CUcontext top = nullptr;
  EXPECT_OK(driver.cuCtxPopCurrent_v2(&top));
  EXPECT_EQ(top, second);
  EXPECT_OK(driver.cuCtxGetCurrent(&top));
  EXPECT_EQ(top, first);
  EXPECT_OK(driver.cuCtxPushCurrent_v2(second));
  EXPECT_OK(driver.cuCtxSetCurrent(first));
  EXPECT_OK(driver.cuCtxDestroy_v2(second));
  EXPECT_OK(driver.cuCtxDestroy_v2(first));
  EXPECT_OK(driver.cuCtxPopCurrent_v2(&top));
  EXPECT_RESULT(CUDA_ERROR_CONTEXT_IS_DESTROYED, driver.cuCtxDestroy_v2(first));
}

TEST_F(ContextTest, ADestroyedContextLeavesOnlyErrors) {
  CUcontext context = nullptr;
  CUstream stream = nullptr;
  CUevent event = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&context, 0, 0));
  ASSERT_OK(driver.cuStreamCreate(&stream, 0));
  ASSERT_OK(driver.cuEventCreate(&event, 0));
  ASSERT_OK(driver.cuCtxPushCurrent_v2(context));
  ASSERT_OK(driver.cuCtxDestroy_v2(context));
  CUdeviceptr address = 0;
  EXPECT_RESULT(CUDA_ERROR_CONTEXT_IS_DESTROYED, driver.cuMemAlloc_v2(&address, 4));
  EXPECT_RESULT(CUDA_ERROR_CONTEXT_IS_DESTROYED, driver.cuCtxSetCurrent(context));
  EXPECT_OK(driver.cuCtxSetCurrent(nullptr));
  CUcontext other = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&other, 0, 0));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuStreamSynchronize(stream));
  EXPECT_RESULT(CUDA_ERROR_INVALID_HANDLE, driver.cuEventQuery(event));
  ASSERT_OK(driver.cuCtxDestroy_v2(other));
}

TEST_F(ContextTest, WrongHandlesAreErrors) {
  int local = 0;
  const auto wrong = reinterpret_cast<CUcontext>(&local);
  EXPECT_RESULT(CUDA_ERROR_INVALID_CONTEXT, driver.cuCtxSetCurrent(wrong));
  EXPECT_RESULT(CUDA_ERROR_INVALID_CONTEXT, driver.cuCtxDestroy_v2(wrong));
  EXPECT_RESULT(CUDA_ERROR_INVALID_CONTEXT, driver.cuCtxPushCurrent_v2(nullptr));
  CUcontext context = nullptr;
  EXPECT_RESULT(CUDA_ERROR_INVALID_DEVICE, driver.cuCtxCreate_v2(&context, 0, 2));
  EXPECT_RESULT(CUDA_ERROR_INVALID_DEVICE, driver.cuCtxCreate_v2(&context, 0, -1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuCtxCreate_v2(&context, 0x1000, 0));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuCtxCreate_v2(nullptr, 0, 0));
}

TEST_F(ContextTest, ThePrimaryContextIsCountedAndKeepsItsHandle) {
  unsigned flags = 9;
  int active = 9;
  EXPECT_OK(driver.cuDevicePrimaryCtxGetState(1, &flags, &active));
  EXPECT_EQ(active, 0);
  EXPECT_RESULT(CUDA_ERROR_INVALID_CONTEXT, driver.cuDevicePrimaryCtxRelease_v2(1));
  CUcontext first = nullptr;
  CUcontext again = nullptr;
  ASSERT_OK(driver.cuDevicePrimaryCtxRetain(&first, 1));
  ASSERT_OK(driver.cuDevicePrimaryCtxRetain(&again, 1));
  EXPECT_EQ(first, again);
  EXPECT_RESULT(CUDA_ERROR_INVALID_CONTEXT, driver.cuCtxDestroy_v2(first));
  EXPECT_OK(driver.cuCtxSetCurrent(first));
  CUdeviceptr address = 0;
  EXPECT_OK(driver.cuMemAlloc_v2(&address, 100));
  EXPECT_OK(driver.cuDevicePrimaryCtxRelease_v2(1));
  EXPECT_OK(driver.cuDevicePrimaryCtxGetState(1, &flags, &active));
  EXPECT_EQ(active, 1);
  EXPECT_OK(driver.cuDevicePrimaryCtxRelease_v2(1));
  EXPECT_OK(driver.cuDevicePrimaryCtxGetState(1, &flags, &active));
  EXPECT_EQ(active, 0);
  EXPECT_RESULT(CUDA_ERROR_CONTEXT_IS_DESTROYED, driver.cuCtxSynchronize());
  ASSERT_OK(driver.cuDevicePrimaryCtxRetain(&again, 1));
  EXPECT_EQ(first, again);
  EXPECT_OK(driver.cuCtxSynchronize());  // alive again under the same handle
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemFree_v2(address));
  EXPECT_OK(driver.cuDevicePrimaryCtxReset_v2(1));
  EXPECT_OK(driver.cuDevicePrimaryCtxGetState(1, &flags, &active));
  EXPECT_EQ(active, 0);
  EXPECT_OK(driver.cuCtxSetCurrent(nullptr));
}

TEST_F(ContextTest, LimitsAndFlagsAreKept) {
  CUcontext context = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&context, CU_CTX_MAP_HOST, 0));
  unsigned flags = 0;
  EXPECT_OK(driver.cuCtxGetFlags(&flags));
  EXPECT_EQ(flags, static_cast<unsigned>(CU_CTX_MAP_HOST));
  std::size_t value = 0;
  EXPECT_OK(driver.cuCtxGetLimit(&value, CU_LIMIT_STACK_SIZE));
  EXPECT_EQ(value, 1024U);
  EXPECT_OK(driver.cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096));
  EXPECT_OK(driver.cuCtxGetLimit(&value, CU_LIMIT_STACK_SIZE));
  EXPECT_EQ(value, 4096U);
  EXPECT_RESULT(CUDA_ERROR_UNSUPPORTED_LIMIT, driver.cuCtxGetLimit(&value, static_cast<CUlimit>(77)));
  EXPECT_OK(driver.cuCtxDestroy_v2(context));
}

TEST_F(ContextTest, TwoDevicesHaveTheirOwnMemoryAndNoPeerAccess) {
  CUcontext contexts[2];
  CUdeviceptr addresses[2];
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(driver.cuCtxCreate_v2(&contexts[i], 0, i));
    ASSERT_OK(driver.cuMemAlloc_v2(&addresses[i], 700UL << 20));  // two do not fit on one
  }
  int ordinal = -1;
  EXPECT_OK(driver.cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, addresses[0]));
  EXPECT_EQ(ordinal, 0);
  EXPECT_OK(driver.cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, addresses[1]));
  EXPECT_EQ(ordinal, 1);
  int possible = 1;
  EXPECT_OK(driver.cuDeviceCanAccessPeer(&possible, 0, 1));
  EXPECT_EQ(possible, 0);
  EXPECT_RESULT(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, driver.cuCtxEnablePeerAccess(contexts[0], 0));
  EXPECT_OK(driver.cuMemsetD32_v2(addresses[1], 0x55AA55AA, 4));
  EXPECT_OK(driver.cuMemcpyPeer(addresses[0], contexts[0], addresses[1], contexts[1], 16));
  int value = 0;
  EXPECT_OK(driver.cuCtxSynchronize());
  EXPECT_OK(driver.cuMemcpyDtoH_v2(&value, addresses[0], 4));
  EXPECT_EQ(value, 0x55AA55AA);
  for (const CUcontext context : contexts) EXPECT_OK(driver.cuCtxDestroy_v2(context));
  EXPECT_OK(driver.cuCtxSetCurrent(nullptr));
}

}  // namespace
}  // namespace driver_test
