// The driver as a program sees it: every entry looked up by name in the emulator, which is loaded like any driver.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "driver/abi.hpp"
#include "osdn_emulator.h"

namespace driver_test {

using namespace emulator::abi;  // NOLINT: the driver's own names

struct Api {
  Api();
  [[nodiscard]] void* find(const char* name) const;

#define ENTRY(symbol, plain, version, parameters) CUresult(*symbol) parameters = nullptr;
#include "driver/entries.def"
#undef ENTRY
  decltype(&osdn_emulator_version) version = nullptr;
  decltype(&osdn_emulator_last_fault) last_fault = nullptr;
  decltype(&osdn_emulator_statistics) statistics = nullptr;
  decltype(&osdn_emulator_statistics_json) statistics_json = nullptr;
  decltype(&osdn_emulator_reset_statistics) reset_statistics = nullptr;
  decltype(&osdn_emulator_set_measure) set_measure = nullptr;
  decltype(&osdn_emulator_set_registers) set_registers = nullptr;
  decltype(&osdn_emulator_profile_json) profile_json = nullptr;
  decltype(&osdn_emulator_trace_json) trace_json = nullptr;
  decltype(&osdn_emulator_set_perturb) set_perturb = nullptr;
  decltype(&osdn_emulator_set_seed) set_seed = nullptr;
  decltype(&osdn_emulator_set_profile) set_profile = nullptr;

 private:
  void* library_;
};

/// Loaded with two devices of 1 GiB each and initialised, once in the process.
const Api& api();

/// "CUDA_ERROR_INVALID_VALUE", for messages.
std::string name_of(CUresult code);

std::string newest_fault();

/// A test with a fresh context on device 0 that is current.
class DriverTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
  CUdeviceptr allocate(std::size_t bytes);
  CUstream stream(unsigned flags = CU_STREAM_NON_BLOCKING);
  CUevent event(unsigned flags = CU_EVENT_DEFAULT);
  CUfunction function(const char* ptx, const char* name);
  template <class Value>
  std::vector<Value> read(CUdeviceptr from, std::size_t count) {
    std::vector<Value> values(count);
    EXPECT_EQ(driver.cuMemcpyDtoH_v2(values.data(), from, count * sizeof(Value)), CUDA_SUCCESS);
    return values;
  }
  const Api& driver = api();
  CUcontext context = nullptr;
};

/// Holds a stream back until release() is called.
class Gate {
 public:
  explicit Gate(CUstream stream);
  ~Gate() { release(); }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  void release();

 private:
  std::promise<void> open_;
  bool released_ = false;
};

}  // namespace driver_test

/// The call's result, by name when it is not what was expected.
#define EXPECT_RESULT(expected, call)                                                         \
  do {                                                                                        \
    const auto result_of_call = (call);                                                       \
    EXPECT_EQ(driver_test::name_of(expected), driver_test::name_of(result_of_call)) << #call; \
  } while (false)
#define EXPECT_OK(call) EXPECT_RESULT(driver_test::CUDA_SUCCESS, call)
#define ASSERT_OK(call) ASSERT_EQ(driver_test::name_of(driver_test::CUDA_SUCCESS), driver_test::name_of(call)) << #call
