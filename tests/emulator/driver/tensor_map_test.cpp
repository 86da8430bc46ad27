// Tensor maps: what the encoder accepts and stores.
#include "memory/tensor_map.hpp"

#include <cstring>

#include "api.hpp"

namespace driver_test {
namespace {

struct Request {
  CUtensorMapDataType type = CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  std::uint32_t rank = 3;
  std::uint64_t dims[5] = {128, 1000, 7, 1, 1};
  std::uint64_t strides[4] = {256, 256'000, 0, 0};
  std::uint32_t box[5] = {64, 32, 1, 1, 1};
  std::uint32_t element_strides[5] = {1, 1, 1, 1, 1};
  CUtensorMapInterleave interleave = CU_TENSOR_MAP_INTERLEAVE_NONE;
  CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_128B;
};

class TensorMapTest : public DriverTest {
 protected:
  CUresult encode(const Request& r, CUdeviceptr address) {
    return driver.cuTensorMapEncodeTiled(&map, r.type, r.rank, reinterpret_cast<void*>(address), r.dims, r.strides,
                                         r.box, r.element_strides, r.interleave, r.swizzle,
                                         CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  }
  emulator::TensorMap stored() {
    emulator::TensorMap copy;
    std::memcpy(static_cast<void*>(&copy), &map, sizeof(copy));
    return copy;
  }
  CUtensorMap map{};
};

TEST_F(TensorMapTest, StoresWhatWasAsked) {
  const CUdeviceptr memory = allocate(1 << 21);
  ASSERT_OK(encode({}, memory));
  const emulator::TensorMap seen = stored();
  EXPECT_EQ(seen.magic, emulator::TensorMap::kMagic);
  EXPECT_EQ(seen.address, memory);
  EXPECT_EQ(seen.rank, 3);
  EXPECT_EQ(seen.dims[1], 1000U);
  EXPECT_EQ(seen.strides[1], 256'000U);
  EXPECT_EQ(seen.box[0], 64);
  EXPECT_EQ(seen.swizzle, CU_TENSOR_MAP_SWIZZLE_128B);
  ASSERT_OK(driver.cuTensorMapReplaceAddress(&map, reinterpret_cast<void*>(memory + 32)));
  EXPECT_EQ(stored().address, memory + 32);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuTensorMapReplaceAddress(&map, reinterpret_cast<void*>(memory + 8)));
  map = {};
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuTensorMapReplaceAddress(&map, reinterpret_cast<void*>(memory)));
}

TEST_F(TensorMapTest, RefusesWhatTheHardwareCannotDo) {
  const CUdeviceptr memory = allocate(1 << 21);
  const auto refused = [&](auto change) {
    Request request;
    change(request);
    EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, encode(request, memory));
  };
  refused([](Request& r) { r.rank = 0; });
  refused([](Request& r) { r.rank = 6; });
  refused([](Request& r) { r.dims[1] = 0; });
  refused([](Request& r) { r.dims[1] = (1ULL << 32) + 1; });
  refused([](Request& r) { r.strides[0] = 264; });
  refused([](Request& r) { r.strides[0] = 128; });  // shorter than a row
  refused([](Request& r) { r.strides[1] = 1ULL << 40; });
  refused([](Request& r) { r.box[1] = 257; });
  refused([](Request& r) { r.box[1] = 0; });
  refused([](Request& r) { r.box[0] = 65; });  // wider than the swizzle
  refused([](Request& r) { r.box[0] = 4; });   // 8 bytes
  refused([](Request& r) { r.element_strides[2] = 9; });
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, encode({}, memory + 8));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, encode({}, 0));
}

}  // namespace
}  // namespace driver_test
