// Allocation: limits, poison, accounting, release, and what a pointer belongs to.
#include <algorithm>
#include <random>

#include "api.hpp"

namespace driver_test {
namespace {

using MemoryTest = DriverTest;

std::size_t free_bytes(const Api& driver) {
  std::size_t free = 0;
  std::size_t total = 0;
  EXPECT_OK(driver.cuMemGetInfo_v2(&free, &total));
  EXPECT_EQ(total, std::size_t{1} << 30);
  return free;
}

TEST_F(MemoryTest, FreshMemoryIsAlignedAndPoisoned) {
  for (const std::size_t bytes : {1UL, 255UL, 4096UL, 100'000UL, 40UL << 20}) {
    const CUdeviceptr address = allocate(bytes);
    EXPECT_EQ(address % 256, 0U);
    const auto values = read<unsigned char>(address, bytes);
    EXPECT_EQ(std::count(values.begin(), values.end(), 0xFF), static_cast<std::ptrdiff_t>(bytes)) << bytes;
    EXPECT_OK(driver.cuMemFree_v2(address));
  }
}

TEST_F(MemoryTest, CapacityIsCountedAndExhausted) {
  const std::size_t before = free_bytes(driver);
  const CUdeviceptr first = allocate(600UL << 20);
  EXPECT_EQ(free_bytes(driver), before - (600UL << 20));
  CUdeviceptr second = 0;
  EXPECT_RESULT(CUDA_ERROR_OUT_OF_MEMORY, driver.cuMemAlloc_v2(&second, 600UL << 20));
  EXPECT_OK(driver.cuMemFree_v2(first));
  EXPECT_EQ(free_bytes(driver), before);
  EXPECT_OK(driver.cuMemAlloc_v2(&second, 600UL << 20));
  EXPECT_OK(driver.cuMemFree_v2(second));
  EXPECT_RESULT(CUDA_ERROR_OUT_OF_MEMORY, driver.cuMemAlloc_v2(&second, SIZE_MAX));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemAlloc_v2(&second, 0));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemAlloc_v2(nullptr, 16));
}

TEST_F(MemoryTest, OnlyTheStartOfALiveAllocationCanBeFreedAndOnce) {
  const CUdeviceptr address = allocate(1000);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemFree_v2(address + 256));
  EXPECT_OK(driver.cuMemFree_v2(address));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemFree_v2(address));
  EXPECT_OK(driver.cuMemFree_v2(0));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemFree_v2(0xDEADBEEF00));
}

TEST_F(MemoryTest, RandomAllocationsAreDisjointAndKeepTheirBytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  struct Block {
    CUdeviceptr address;
    std::vector<unsigned char> bytes;
  };
  std::vector<Block> blocks;
  const std::size_t before = free_bytes(driver);
  for (int step = 0; step < 400; ++step) {
    if (blocks.empty() || random() % 3 != 0) {
      Block block{0, std::vector<unsigned char>(1 + random() % 20'000)};
      for (auto& byte : block.bytes) byte = static_cast<unsigned char>(random());
      block.address = allocate(block.bytes.size());
      for (const Block& other : blocks)
        ASSERT_TRUE(block.address + block.bytes.size() <= other.address ||
                    other.address + other.bytes.size() <= block.address);
      ASSERT_OK(driver.cuMemcpyHtoD_v2(block.address, block.bytes.data(), block.bytes.size()));
      blocks.push_back(std::move(block));
    } else {
      const std::size_t chosen = random() % blocks.size();
      ASSERT_EQ(read<unsigned char>(blocks[chosen].address, blocks[chosen].bytes.size()), blocks[chosen].bytes);
      ASSERT_OK(driver.cuMemFree_v2(blocks[chosen].address));
      blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(chosen));
    }
  }
  for (const Block& block : blocks) {
    ASSERT_EQ(read<unsigned char>(block.address, block.bytes.size()), block.bytes);
    ASSERT_OK(driver.cuMemFree_v2(block.address));
  }
  EXPECT_EQ(free_bytes(driver), before);
}

TEST_F(MemoryTest, FreedMemoryAndGuardSpaceFaultOnTheHost) {
  const CUdeviceptr address = allocate(4096);
  const auto touch = [](CUdeviceptr at) { *reinterpret_cast<volatile char*>(at) = 1; };
  touch(address);
  EXPECT_DEATH(touch(address - 1), "");
  EXPECT_DEATH(touch(address + 4096), "");
  EXPECT_OK(driver.cuMemFree_v2(address));
  EXPECT_DEATH(touch(address), "");
}

TEST_F(MemoryTest, AddressRangeAndAttributesDescribeTheAllocation) {
  const CUdeviceptr address = allocate(5000);
  CUdeviceptr base = 0;
  std::size_t bytes = 0;
  EXPECT_OK(driver.cuMemGetAddressRange_v2(&base, &bytes, address + 4999));
  EXPECT_EQ(base, address);
  EXPECT_EQ(bytes, 5000U);
  EXPECT_RESULT(CUDA_ERROR_NOT_FOUND, driver.cuMemGetAddressRange_v2(&base, &bytes, address + 5000));

  unsigned type = 0;
  EXPECT_OK(driver.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address + 17));
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
  CUcontext owner = nullptr;
  EXPECT_OK(driver.cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, address));
  EXPECT_EQ(owner, context);
  int ordinal = -1;
  EXPECT_OK(driver.cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address));
  EXPECT_EQ(ordinal, 0);
  int local = 0;
  const auto on_stack = static_cast<CUdeviceptr>(reinterpret_cast<std::uintptr_t>(&local));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE,
                driver.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, on_stack));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE,
                driver.cuPointerGetAttribute(&type, static_cast<CUpointer_attribute>(999), address));

  // Several at once; an unknown pointer reads as zeros.
  CUpointer_attribute wanted[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
  void* out[] = {&type, &ordinal};
  EXPECT_OK(driver.cuPointerGetAttributes(2, wanted, out, address));
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_DEVICE));
  EXPECT_OK(driver.cuPointerGetAttributes(2, wanted, out, on_stack));
  EXPECT_EQ(type, 0U);
}

TEST_F(MemoryTest, PinnedAndRegisteredMemoryHasADeviceAddress) {
  void* pinned = nullptr;
  ASSERT_OK(driver.cuMemHostAlloc(&pinned, 3000, CU_MEMHOSTALLOC_DEVICEMAP));
  CUdeviceptr address = 0;
  EXPECT_OK(driver.cuMemHostGetDevicePointer_v2(&address, pinned, 0));
  EXPECT_EQ(address, reinterpret_cast<std::uintptr_t>(pinned));
  unsigned type = 0;
  EXPECT_OK(driver.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address));
  EXPECT_EQ(type, static_cast<unsigned>(CU_MEMORYTYPE_HOST));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemFree_v2(address));
  EXPECT_OK(driver.cuMemFreeHost(pinned));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemFreeHost(pinned));

  std::vector<int> values(1000);
  const std::size_t bytes = values.size() * sizeof(int);
  EXPECT_RESULT(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, driver.cuMemHostUnregister(values.data()));
  EXPECT_OK(driver.cuMemHostRegister_v2(values.data(), bytes, 0));
  EXPECT_RESULT(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, driver.cuMemHostRegister_v2(values.data() + 10, 4, 0));
  EXPECT_OK(driver.cuMemHostGetDevicePointer_v2(&address, values.data() + 5, 0));
  EXPECT_OK(driver.cuMemHostUnregister(values.data()));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemHostGetDevicePointer_v2(&address, values.data(), 0));
}

TEST_F(MemoryTest, AsynchronousReleaseComesInStreamOrder) {
  const std::size_t before = free_bytes(driver);
  const CUstream order = stream();
  CUdeviceptr address = 0;
  ASSERT_OK(driver.cuMemAllocAsync(&address, 8192, order));
  CUmemoryPool pool = nullptr;
  ASSERT_OK(driver.cuDeviceGetMemPool(&pool, 0));
  std::uint64_t used = 0;
  EXPECT_OK(driver.cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
  EXPECT_EQ(used, 8192U);
  {
    Gate gate(order);
    EXPECT_OK(driver.cuMemFreeAsync(address, order));
    EXPECT_EQ(free_bytes(driver), before - 8192);
    EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemFreeAsync(address, order));
    EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemFree_v2(address));
  }
  EXPECT_OK(driver.cuStreamSynchronize(order));
  EXPECT_EQ(free_bytes(driver), before);
}

TEST_F(MemoryTest, PitchedRowsAreAligned) {
  CUdeviceptr address = 0;
  std::size_t pitch = 0;
  ASSERT_OK(driver.cuMemAllocPitch_v2(&address, &pitch, 1000, 7, 4));
  EXPECT_GE(pitch, 1000U);
  EXPECT_EQ(pitch % 256, 0U);
  CUdeviceptr base = 0;
  std::size_t bytes = 0;
  EXPECT_OK(driver.cuMemGetAddressRange_v2(&base, &bytes, address));
  EXPECT_EQ(bytes, pitch * 7);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemAllocPitch_v2(&address, &pitch, 1000, 7, 3));
}

TEST_F(MemoryTest, DestroyingTheContextFreesItsMemory) {
  CUcontext other = nullptr;
  const std::size_t before = free_bytes(driver);
  ASSERT_OK(driver.cuCtxCreate_v2(&other, 0, 0));
  const CUdeviceptr address = allocate(1 << 20);
  void* pinned = nullptr;
  ASSERT_OK(driver.cuMemAllocHost_v2(&pinned, 100));
  ASSERT_OK(driver.cuCtxDestroy_v2(other));
  EXPECT_EQ(free_bytes(driver), before);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemFree_v2(address));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuMemFreeHost(pinned));
}

}  // namespace
}  // namespace driver_test
