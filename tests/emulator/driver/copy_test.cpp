// Copies and fills.
#include <algorithm>
#include <numeric>
#include <random>

#include "api.hpp"

namespace driver_test {
namespace {

using CopyTest = DriverTest;

CUdeviceptr address_of(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

TEST_F(CopyTest, BytesGoThereAndBack) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<unsigned> values(10'007);
  for (auto& value : values) value = static_cast<unsigned>(random());
  const std::size_t bytes = values.size() * sizeof(unsigned);
  const CUdeviceptr first = allocate(bytes);
  const CUdeviceptr second = allocate(bytes);
  EXPECT_OK(driver.cuMemcpyHtoD_v2(first, values.data(), bytes));
  EXPECT_OK(driver.cuMemcpyDtoD_v2(second, first, bytes));
  EXPECT_EQ(read<unsigned>(second, values.size()), values);
  std::vector<unsigned> back(values.size());
  EXPECT_OK(driver.cuMemcpy(address_of(back.data()), second, bytes));
  EXPECT_EQ(back, values);
}

TEST_F(CopyTest, RangesMustLieInOneLiveAllocation) {
  std::vector<char> host(1000);
  const CUdeviceptr device = allocate(1000);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemcpyHtoD_v2(device, host.data(), 1001));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemcpyHtoD_v2(device + 1, host.data(), 1000));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemcpyDtoH_v2(host.data(), device, SIZE_MAX));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemcpyHtoD_v2(0, host.data(), 10));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemcpyHtoD_v2(device, nullptr, 10));
  // Swapped arguments: a host address is no device address, nor the other way round.
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemcpyHtoD_v2(address_of(host.data()), host.data(), 10));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE,
                driver.cuMemcpyDtoH_v2(reinterpret_cast<void*>(device), device, 10));  // NOLINT
  EXPECT_OK(driver.cuMemcpyHtoD_v2(device, host.data(), 0));
  EXPECT_OK(driver.cuMemFree_v2(device));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemcpyHtoD_v2(device, host.data(), 10));
}

TEST_F(CopyTest, PageableSourcesMayBeReusedAtOnceAndPinnedOnesMayNot) {
  const CUstream order = stream();
  void* pinned = nullptr;
  ASSERT_OK(driver.cuMemAllocHost_v2(&pinned, 4));
  auto* pinned_value = static_cast<int*>(pinned);
  int pageable_value = 1;
  *pinned_value = 1;
  const CUdeviceptr device = allocate(8);
  {
    Gate gate(order);
    EXPECT_OK(driver.cuMemcpyHtoDAsync_v2(device, &pageable_value, 4, order));
    EXPECT_OK(driver.cuMemcpyHtoDAsync_v2(device + 4, pinned, 4, order));
    pageable_value = 2;
    *pinned_value = 2;
  }
  EXPECT_OK(driver.cuStreamSynchronize(order));
  EXPECT_EQ(read<int>(device, 2), (std::vector<int>{1, 2}));
  EXPECT_OK(driver.cuMemFreeHost(pinned));
}

TEST_F(CopyTest, PinnedDestinationsAreFilledLater) {
  const CUstream order = stream();
  void* pinned = nullptr;
  ASSERT_OK(driver.cuMemAllocHost_v2(&pinned, 4));
  auto* value = static_cast<volatile int*>(pinned);
  *value = -1;
  const CUdeviceptr device = allocate(4);
  EXPECT_OK(driver.cuMemsetD32_v2(device, 77, 1));
  EXPECT_OK(driver.cuCtxSynchronize());
  {
    Gate gate(order);
    EXPECT_OK(driver.cuMemcpyDtoHAsync_v2(pinned, device, 4, order));
    EXPECT_EQ(*value, -1);
  }
  EXPECT_OK(driver.cuStreamSynchronize(order));
  EXPECT_EQ(*value, 77);
}

TEST_F(CopyTest, RectanglesKeepTheirSurroundings) {
  constexpr std::size_t kPitch = 40;
  std::vector<unsigned char> host(kPitch * 10);
  std::iota(host.begin(), host.end(), static_cast<unsigned char>(0));
  const CUdeviceptr device = allocate(64 * 12);
  EXPECT_OK(driver.cuMemsetD8_v2(device, 0xEE, 64 * 12));
  CUDA_MEMCPY2D copy{};
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = host.data();
  copy.srcPitch = kPitch;
  copy.srcXInBytes = 3;
  copy.srcY = 2;
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = device;
  copy.dstPitch = 64;
  copy.dstXInBytes = 5;
  copy.dstY = 1;
  copy.WidthInBytes = 17;
  copy.Height = 6;
  EXPECT_OK(driver.cuMemcpy2D_v2(&copy));
  std::vector<unsigned char> expected(64 * 12, 0xEE);
  for (std::size_t y = 0; y < 6; ++y)
    for (std::size_t x = 0; x < 17; ++x) expected[(y + 1) * 64 + x + 5] = host[(y + 2) * kPitch + x + 3];
  EXPECT_EQ(read<unsigned char>(device, expected.size()), expected);
  copy.Height = 12;  // reaches one row past the end
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemcpy2D_v2(&copy));
  copy.Height = 6;
  copy.dstPitch = 10;
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemcpy2D_v2(&copy));
  copy.dstMemoryType = CU_MEMORYTYPE_ARRAY;
  EXPECT_RESULT(CUDA_ERROR_NOT_SUPPORTED, driver.cuMemcpy2D_v2(&copy));
}

TEST_F(CopyTest, FillsWriteWholeElements) {
  const CUdeviceptr device = allocate(64);
  EXPECT_OK(driver.cuMemsetD32_v2(device, 0x01020304, 16));
  EXPECT_OK(driver.cuMemsetD16_v2(device + 2, 0xABCD, 3));
  EXPECT_OK(driver.cuMemsetD8_v2(device + 13, 0x7F, 2));
  const auto bytes = read<unsigned char>(device, 18);
  EXPECT_EQ(bytes,
            (std::vector<unsigned char>{4, 3, 0xCD, 0xAB, 0xCD, 0xAB, 0xCD, 0xAB, 4, 3, 2, 1, 4, 0x7F, 0x7F, 1, 4, 3}));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemsetD32_v2(device + 2, 0, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemsetD16_v2(device + 1, 0, 1));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemsetD32_v2(device, 0, 17));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemsetD8_v2(device, 0, SIZE_MAX));
  EXPECT_OK(driver.cuMemsetD2D8_v2(device, 16, 9, 4, 4));
  const auto square = read<unsigned char>(device, 64);
  EXPECT_EQ(std::count(square.begin(), square.end(), 9), 16);
}

TEST_F(CopyTest, WorkOnMemoryThatWasReleasedFirstIsAFault) {
  const CUstream order = stream();
  CUdeviceptr device = 0;
  ASSERT_OK(driver.cuMemAllocAsync(&device, 64, order));
  {
    Gate gate(order);
    EXPECT_OK(driver.cuMemFreeAsync(device, order));
    EXPECT_OK(driver.cuMemsetD8Async(device, 0, 64, order));
  }
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuStreamSynchronize(order));
  EXPECT_NE(newest_fault().find("released before it ran"), std::string::npos);
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuCtxSynchronize());
}

}  // namespace
}  // namespace driver_test
