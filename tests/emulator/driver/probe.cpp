// A process of its own for what can only be asked once. Usage: emulator_probe <question>; prints the answer.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "driver/abi.hpp"

using namespace emulator::abi;  // NOLINT: the driver's own names

namespace {

template <class Function>
Function entry(const char* name) {
  static void* library = dlopen(OSDN_EMULATOR_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<Function>(dlsym(library, name));
}

CUresult init() {
  return entry<CUresult (*)(unsigned)>("cuInit")(0);
}

int attribute(CUdevice_attribute which) {
  int value = -1;
  entry<CUresult (*)(int*, CUdevice_attribute, CUdevice)>("cuDeviceGetAttribute")(&value, which, 0);
  return value;
}

/// cuInit's result, then what the devices look like.
int describe() {
  const CUresult result = init();
  int count = 0;
  entry<CUresult (*)(int*)>("cuDeviceGetCount")(&count);
  size_t bytes = 0;
  entry<CUresult (*)(size_t*, CUdevice)>("cuDeviceTotalMem_v2")(&bytes, 0);
  std::printf("%d devices=%d cc=%d%d shared=%d bytes=%zu\n", result, count,
              attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
              attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
              attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN), bytes);
  return 0;
}

/// What entries say before cuInit, and with flags.
int uninitialized() {
  int count = 0;
  std::printf("%d %d\n", entry<CUresult (*)(int*)>("cuDeviceGetCount")(&count),
              entry<CUresult (*)(unsigned)>("cuInit")(7));
  return 0;
}

CUfunction load(const char* ptx, const char* name) {
  CUcontext context = nullptr;
  entry<CUresult (*)(CUcontext*, unsigned, CUdevice)>("cuCtxCreate_v2")(&context, 0, 0);
  CUmodule module = nullptr;
  entry<CUresult (*)(CUmodule*, const void*)>("cuModuleLoadData")(&module, ptx);
  CUfunction function = nullptr;
  entry<CUresult (*)(CUfunction*, CUmodule, const char*)>("cuModuleGetFunction")(&function, module, name);
  return function;
}

constexpr const char* kForever =
    ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry forever()\n{\n$again:\n  bra $again;\n}\n";

CUresult launch(CUfunction function) {
  using Launch = CUresult (*)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                              CUstream, void**, void**);
  return entry<Launch>("cuLaunchKernel")(function, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, nullptr);
}

/// The process ends while a kernel runs that never does.
int leave() {
  init();
  std::printf("%d\n", launch(load(kForever, "forever")));
  return 0;
}

/// What an endless kernel becomes under an instruction limit.
int limit() {
  init();
  const CUresult launched = launch(load(kForever, "forever"));
  std::printf("%d %d\n", launched, entry<CUresult (*)()>("cuCtxSynchronize")());
  return 0;
}

/// A kernel that ends, for what is written at the end of the process.
int work() {
  init();
  const CUfunction function = load(
      ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry work()\n{\n.reg .b32 i;\n"
      "mov.u32 i, %tid.x;\nadd.u32 i, i, 1;\nbar.sync 0;\nret;\n}\n",
      "work");
  const CUresult launched = launch(function);
  std::printf("%d %d\n", launched, entry<CUresult (*)()>("cuCtxSynchronize")());
  return 0;
}

CUcontext current() {
  CUcontext context = nullptr;
  entry<CUresult (*)(CUcontext*)>("cuCtxGetCurrent")(&context);
  return context;
}

/// Before what was registered earlier: the driver is still whole, and main's context still current.
void at_exit_early() {
  CUdeviceptr address = 0;
  const CUresult allocated = entry<CUresult (*)(CUdeviceptr*, size_t)>("cuMemAlloc_v2")(&address, 64);
  const CUresult filled = entry<CUresult (*)(CUdeviceptr, unsigned char, size_t)>("cuMemsetD8_v2")(address, 1, 64);
  std::printf("%d %d %d\n", current() != nullptr, allocated,
              filled != CUDA_SUCCESS ? filled : entry<CUresult (*)()>("cuCtxSynchronize")());
}

/// After the driver has shut down.
void at_exit_late() {
  CUcontext context = nullptr;
  std::printf("%d %d\n", entry<CUresult (*)()>("cuCtxSynchronize")(),
              entry<CUresult (*)(CUcontext*)>("cuCtxPopCurrent_v2")(&context));
}

/// Calls from the end of the process, when thread-local objects are gone.
int end() {
  std::atexit(at_exit_late);
  init();
  std::atexit(at_exit_early);
  CUcontext context = nullptr;
  entry<CUresult (*)(CUcontext*, unsigned, CUdevice)>("cuCtxCreate_v2")(&context, 0, 0);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string question = count > 1 ? arguments[1] : "";
  if (question == "describe") return describe();
  if (question == "uninitialized") return uninitialized();
  if (question == "leave") return leave();
  if (question == "limit") return limit();
  if (question == "work") return work();
  if (question == "end") return end();
  std::fprintf(stderr, "usage: emulator_probe describe|uninitialized|leave|limit|work|end\n");
  return 2;
}
