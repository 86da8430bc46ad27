// Devices and their attributes.
#include <set>

#include "api.hpp"

namespace driver_test {
namespace {

class DeviceTest : public ::testing::Test {
 protected:
  int attribute(CUdevice_attribute which, CUdevice device = 0) {
    int value = -99;
    EXPECT_OK(driver.cuDeviceGetAttribute(&value, which, device));
    return value;
  }
  const Api& driver = api();
};

TEST_F(DeviceTest, SaysWhatItIs) {
  int count = 0;
  EXPECT_OK(driver.cuDeviceGetCount(&count));
  EXPECT_EQ(count, 2);
  int version = 0;
  EXPECT_OK(driver.cuDriverGetVersion(&version));
  EXPECT_EQ(version, 13000);
  char name[64] = {};
  EXPECT_OK(driver.cuDeviceGetName(name, sizeof(name), 0));
  EXPECT_STREQ(name, "osdn emulator (sm_80)");
  EXPECT_OK(driver.cuDeviceGetName(name, 5, 0));
  EXPECT_STREQ(name, "osdn");
  EXPECT_RESULT(CUDA_ERROR_INVALID_DEVICE, driver.cuDeviceGetName(name, 64, 2));
  std::size_t bytes = 0;
  EXPECT_OK(driver.cuDeviceTotalMem_v2(&bytes, 1));
  EXPECT_EQ(bytes, std::size_t{1} << 30);
  CUdevice device = -1;
  EXPECT_RESULT(CUDA_ERROR_INVALID_DEVICE, driver.cuDeviceGet(&device, 2));
  EXPECT_STREQ(driver.version(), "0.1.0");
}

TEST_F(DeviceTest, IdentifiersTellDevicesApart) {
  CUuuid first{};
  CUuuid second{};
  EXPECT_OK(driver.cuDeviceGetUuid_v2(&first, 0));
  EXPECT_OK(driver.cuDeviceGetUuid_v2(&second, 1));
  EXPECT_NE(std::string(first.bytes, 16), std::string(second.bytes, 16));
  char id[16] = {};
  EXPECT_OK(driver.cuDeviceGetPCIBusId(id, sizeof(id), 1));
  CUdevice found = -1;
  EXPECT_OK(driver.cuDeviceGetByPCIBusId(&found, id));
  EXPECT_EQ(found, 1);
  EXPECT_RESULT(CUDA_ERROR_INVALID_DEVICE, driver.cuDeviceGetByPCIBusId(&found, "FFFF:00:00.0"));
}

TEST_F(DeviceTest, AttributesAreTheArchitectures) {
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR), 8);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR), 0);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_WARP_SIZE), 32);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT), 108);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK), 48 * 1024);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN), 163 * 1024);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR), 164 * 1024);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y), 65535);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH), 1);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_TENSOR_MAP_ACCESS_SUPPORTED), 0);
  int value = 0;
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE,
                driver.cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(5000), 0));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(0), 0));
}

TEST_F(DeviceTest, EveryKnownAttributeAnswers) {
#define ATTRIBUTE(name, value) attribute(CU_DEVICE_ATTRIBUTE_##name);
#include "driver/attributes.def"
#undef ATTRIBUTE
}

TEST_F(DeviceTest, TheProfileChangesWhileNoContextLives) {
  CUcontext context = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&context, 0, 0));
  EXPECT_EQ(driver.set_profile("sm_90"), CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE);
  ASSERT_OK(driver.cuCtxDestroy_v2(context));
  EXPECT_EQ(driver.set_profile("sm_62"), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(driver.set_profile("sm_90a"), 0);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR), 9);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_TENSOR_MAP_ACCESS_SUPPORTED), 1);
  EXPECT_EQ(attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 1), 227 * 1024);
  EXPECT_EQ(driver.set_profile("sm_80"), 0);
}

}  // namespace
}  // namespace driver_test
