#include "api.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace driver_test {

Api::Api() : library_(dlopen(OSDN_EMULATOR_LIBRARY, RTLD_NOW | RTLD_LOCAL)) {
  if (library_ == nullptr) throw std::runtime_error(dlerror());
#define ENTRY(symbol, plain, version, parameters) symbol = reinterpret_cast<decltype(symbol)>(find(#symbol));
#include "driver/entries.def"
#undef ENTRY
  version = reinterpret_cast<decltype(version)>(find("osdn_emulator_version"));
  last_fault = reinterpret_cast<decltype(last_fault)>(find("osdn_emulator_last_fault"));
  statistics = reinterpret_cast<decltype(statistics)>(find("osdn_emulator_statistics"));
  statistics_json = reinterpret_cast<decltype(statistics_json)>(find("osdn_emulator_statistics_json"));
  reset_statistics = reinterpret_cast<decltype(reset_statistics)>(find("osdn_emulator_reset_statistics"));
  set_measure = reinterpret_cast<decltype(set_measure)>(find("osdn_emulator_set_measure"));
  set_registers = reinterpret_cast<decltype(set_registers)>(find("osdn_emulator_set_registers"));
  profile_json = reinterpret_cast<decltype(profile_json)>(find("osdn_emulator_profile_json"));
  trace_json = reinterpret_cast<decltype(trace_json)>(find("osdn_emulator_trace_json"));
  set_perturb = reinterpret_cast<decltype(set_perturb)>(find("osdn_emulator_set_perturb"));
  set_seed = reinterpret_cast<decltype(set_seed)>(find("osdn_emulator_set_seed"));
  set_profile = reinterpret_cast<decltype(set_profile)>(find("osdn_emulator_set_profile"));
}

void* Api::find(const char* name) const {
  void* address = dlsym(library_, name);
  if (address == nullptr) throw std::runtime_error(std::string("not exported: ") + name);
  return address;
}

const Api& api() {
  static const Api loaded = [] {
    setenv("OSDN_EMULATOR_DEVICES", "2", 1);
    setenv("OSDN_EMULATOR_MEMORY", "1G", 1);
    setenv("OSDN_EMULATOR_ARCH", "sm_80", 1);
    Api fresh;
    if (fresh.cuInit(0) != CUDA_SUCCESS) throw std::runtime_error("cuInit failed");
    return fresh;
  }();
  return loaded;
}

std::string name_of(CUresult code) {
  const char* name = nullptr;
  return api().cuGetErrorName(code, &name) == CUDA_SUCCESS ? name : "unknown result " + std::to_string(code);
}

std::string newest_fault() {
  std::string text(api().last_fault(nullptr, 0) + 1, '\0');
  text.resize(api().last_fault(text.data(), text.size()));
  return text;
}

void DriverTest::SetUp() {
  ASSERT_OK(driver.cuCtxCreate_v4(&context, nullptr, 0, 0));
}

void DriverTest::TearDown() {
  EXPECT_OK(driver.cuCtxDestroy_v2(context));
  EXPECT_OK(driver.cuCtxSetCurrent(nullptr));
}

CUdeviceptr DriverTest::allocate(std::size_t bytes) {
  CUdeviceptr address = 0;
  EXPECT_OK(driver.cuMemAlloc_v2(&address, bytes));
  return address;
}

CUstream DriverTest::stream(unsigned flags) {
  CUstream made = nullptr;
  EXPECT_OK(driver.cuStreamCreate(&made, flags));
  return made;
}

CUevent DriverTest::event(unsigned flags) {
  CUevent made = nullptr;
  EXPECT_OK(driver.cuEventCreate(&made, flags));
  return made;
}

CUfunction DriverTest::function(const char* ptx, const char* name) {
  CUmodule module = nullptr;
  CUfunction found = nullptr;
  EXPECT_OK(driver.cuModuleLoadData(&module, ptx));
  EXPECT_OK(driver.cuModuleGetFunction(&found, module, name));
  return found;
}

Gate::Gate(CUstream stream) {
  // The waiting side has a future of its own: it may still be waking up when the gate is gone.
  auto wait = [](void* data) {
    const std::unique_ptr<std::shared_future<void>> opened(static_cast<std::shared_future<void>*>(data));
    opened->wait();
  };
  EXPECT_OK(api().cuLaunchHostFunc(stream, wait, new std::shared_future<void>(open_.get_future().share())));
}

void Gate::release() {
  if (!released_) open_.set_value();
  released_ = true;
}

}  // namespace driver_test
