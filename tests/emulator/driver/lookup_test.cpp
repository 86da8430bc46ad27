// Names: errors, and the entries by cuGetProcAddress.
#include <cstring>

#include "api.hpp"

namespace driver_test {
namespace {

class LookupTest : public ::testing::Test {
 protected:
  void* find(const char* plain, int version, CUdriverProcAddressQueryResult expected = CU_GET_PROC_ADDRESS_SUCCESS) {
    void* address = this;
    auto status = static_cast<CUdriverProcAddressQueryResult>(9);
    EXPECT_OK(driver.cuGetProcAddress_v2(plain, &address, version, 0, &status));
    EXPECT_EQ(status, expected) << plain;
    return address;
  }
  const Api& driver = api();
};

TEST_F(LookupTest, EveryEntryIsServedByItsPlainNameAndVersion) {
#define ENTRY(symbol, plain, version, parameters) \
  EXPECT_EQ(find(#plain, version), reinterpret_cast<void*>(driver.symbol)) << #symbol;
#include "driver/entries.def"
#undef ENTRY
}

TEST_F(LookupTest, TheVersionChoosesAmongSignatures) {
  EXPECT_EQ(find("cuCtxCreate", 11030), reinterpret_cast<void*>(driver.cuCtxCreate_v2));
  EXPECT_EQ(find("cuCtxCreate", 12040), reinterpret_cast<void*>(driver.cuCtxCreate_v3));
  EXPECT_EQ(find("cuCtxCreate", 13000), reinterpret_cast<void*>(driver.cuCtxCreate_v4));
  EXPECT_EQ(find("cuGraphInstantiate", 11080), reinterpret_cast<void*>(driver.cuGraphInstantiate_v2));
  EXPECT_EQ(find("cuGraphInstantiate", 13000), reinterpret_cast<void*>(driver.cuGraphInstantiateWithFlags));
  EXPECT_EQ(find("cuMemAllocAsync", 11010, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT), nullptr);
}

TEST_F(LookupTest, UnknownNamesAreNotFound) {
  EXPECT_EQ(find("cuNoSuchThing", 13000, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND), nullptr);
  EXPECT_EQ(find("cuMemAlloc_v2", 13000, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND), nullptr);
  EXPECT_EQ(find("", 13000, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND), nullptr);
  void* address = nullptr;
  EXPECT_RESULT(CUDA_ERROR_NOT_FOUND, driver.cuGetProcAddress_v2("cuNoSuchThing", &address, 13000, 0, nullptr));
  EXPECT_RESULT(CUDA_ERROR_NOT_FOUND, driver.cuGetProcAddress("cuNoSuchThing", &address, 13000, 0));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuGetProcAddress_v2(nullptr, &address, 13000, 0, nullptr));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuGetProcAddress_v2("cuInit", &address, 13000, 64, nullptr));
}

TEST_F(LookupTest, EveryErrorHasItsNameAndText) {
#define ERROR(name, value, text)                      \
  {                                                   \
    const char* found = nullptr;                      \
    EXPECT_OK(driver.cuGetErrorName(name, &found));   \
    EXPECT_STREQ(found, #name);                       \
    EXPECT_OK(driver.cuGetErrorString(name, &found)); \
    EXPECT_STREQ(found, text);                        \
  }
#include "driver/errors.def"
#undef ERROR
  const char* found = "untouched";
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuGetErrorName(static_cast<CUresult>(12345), &found));
  EXPECT_EQ(found, nullptr);
}

}  // namespace
}  // namespace driver_test
