#include "null_driver.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using namespace osdn::runtime::cuda;
using null_driver::Books;

Books& books() {
  static auto* const all = new Books;  // outlives every exit handler
  return *all;
}

thread_local std::vector<Context> stack;

Context context(std::uintptr_t number) {
  return reinterpret_cast<Context>(number);
}
Context current() {
  return stack.empty() ? nullptr : stack.back();
}

/// Writes the call down. What it returns is returned by the entry unless it is success.
Result enter(const char* name) {
  Books& all = books();
  if (!all.recording.load(std::memory_order_relaxed)) return success;
  const std::lock_guard lock(all.mutex);
  const int index = static_cast<int>(all.calls.size());
  all.calls.emplace_back(name);
  if (index == all.fail_at) return all.fail_with;
  if (all.fail_entry_with != 0 && all.fail_entry == name) return all.fail_entry_with;
  return success;
}

/// The allocation that an address lies in: its base and bytes.
bool find_allocation(DeviceAddress address, DeviceAddress& base, std::size_t& bytes) {
  const std::lock_guard lock(books().mutex);
  auto after = books().allocations.upper_bound(address);
  if (after == books().allocations.begin()) return false;
  --after;
  base = after->first;
  bytes = after->second;
  return address < base + bytes;
}

}  // namespace

#define ENTER(name) \
  if (const Result injected = enter(#name); injected != success) return injected

EXPORT Books* null_driver_books() {
  return &books();
}
EXPORT Context null_driver_primary() {
  return context(0x1000);
}
EXPORT Context null_driver_other() {
  return context(0x2000);
}
EXPORT void null_driver_set_current(Context now) {
  stack.clear();
  if (now != nullptr) stack.push_back(now);
}

EXPORT Result cuInit(unsigned int) {
  ENTER(cuInit);
  return success;
}
EXPORT Result cuDriverGetVersion(int* version) {
  ENTER(cuDriverGetVersion);
  *version = books().driver_version;
  return success;
}
EXPORT Result cuGetErrorName(Result error, const char** text) {
  *text = error == 999 ? "CUDA_ERROR_UNKNOWN" : error == error_invalid_context ? "CUDA_ERROR_INVALID_CONTEXT" : nullptr;
  return *text != nullptr ? success : error_invalid_value;
}
EXPORT Result cuGetErrorString(Result error, const char** text) {
  *text = error == 999 ? "made to fail" : nullptr;
  return *text != nullptr ? success : error_invalid_value;
}
EXPORT Result cuDeviceGetCount(int* count) {
  ENTER(cuDeviceGetCount);
  *count = books().device_count;
  return success;
}
EXPORT Result cuDeviceGet(Device* device, int ordinal) {
  ENTER(cuDeviceGet);
  *device = ordinal;
  return success;
}
EXPORT Result cuDeviceGetName(char* name, int length, Device) {
  ENTER(cuDeviceGetName);
  std::strncpy(name, "Null device", static_cast<std::size_t>(length));
  return success;
}
/// What it poses as: NULL_DRIVER_ARCH, else 80.
static int arch() {
  const char* variable = std::getenv("NULL_DRIVER_ARCH");
  return variable != nullptr ? std::atoi(variable) : 80;
}
EXPORT Result cuDeviceGetAttribute(int* value, int attribute, Device) {
  ENTER(cuDeviceGetAttribute);
  switch (attribute) {
    case attribute_max_shared_memory_per_block:
      *value = 48 * 1024;
      return success;
    case attribute_multiprocessor_count:
      *value = 108;
      return success;
    case attribute_memory_clock_rate:
      *value = 1'512'000;
      return success;
    case attribute_l2_cache_size:
      *value = 40 * 1024 * 1024;
      return success;
    case attribute_compute_capability_major:
      *value = arch() / 10;
      return success;
    case attribute_compute_capability_minor:
      *value = arch() % 10;
      return success;
    case attribute_max_shared_memory_per_multiprocessor:
      *value = (arch() == 90 ? 228 : 164) * 1024;
      return success;
    case attribute_max_shared_memory_per_block_optin:
      *value = (arch() == 90 ? 227 : 163) * 1024;
      return success;
    default:
      return error_invalid_value;
  }
}
EXPORT Result cuDeviceGetPCIBusId(char* text, int length, Device) {
  ENTER(cuDeviceGetPCIBusId);
  std::strncpy(text, "0000:00:01.0", static_cast<std::size_t>(length));
  return success;
}
EXPORT Result cuDeviceTotalMem_v2(std::size_t* bytes, Device) {
  ENTER(cuDeviceTotalMem_v2);
  *bytes = std::size_t{1} << 34;
  return success;
}
EXPORT Result cuDevicePrimaryCtxRetain(Context* context, Device) {
  ENTER(cuDevicePrimaryCtxRetain);
  const std::lock_guard lock(books().mutex);
  ++books().retained;
  *context = null_driver_primary();
  return success;
}
EXPORT Result cuDevicePrimaryCtxRelease_v2(Device) {
  ENTER(cuDevicePrimaryCtxRelease_v2);
  const std::lock_guard lock(books().mutex);
  --books().retained;
  return success;
}
EXPORT Result cuCtxGetCurrent(Context* now) {
  ENTER(cuCtxGetCurrent);
  *now = current();
  return success;
}
EXPORT Result cuCtxGetDevice(Device* device) {
  ENTER(cuCtxGetDevice);
  *device = 0;
  return current() != nullptr ? success : error_invalid_context;
}
EXPORT Result cuCtxPushCurrent_v2(Context next) {
  ENTER(cuCtxPushCurrent_v2);
  stack.push_back(next);
  return success;
}
EXPORT Result cuCtxPopCurrent_v2(Context* popped) {
  if (stack.empty()) return error_invalid_context;
  *popped = stack.back();
  stack.pop_back();
  return enter("cuCtxPopCurrent_v2");
}
EXPORT Result cuCtxSynchronize() {
  ENTER(cuCtxSynchronize);
  return success;
}
EXPORT Result cuModuleLoadDataEx(Module* module, const void* image, unsigned int count, int* options, void** values) {
  ENTER(cuModuleLoadDataEx);
  if (current() == nullptr || image == nullptr) return error_invalid_context;
  if (count != 2 || options[0] != jit_error_log_buffer || values[0] == nullptr) return error_invalid_value;
  const std::lock_guard lock(books().mutex);
  if (books().refuse_with != 0 && std::strstr(static_cast<const char*>(image), books().refused_code.c_str()) != nullptr)
    return books().refuse_with;
  auto* const made = new char;
  books().modules.insert(made);
  *module = reinterpret_cast<Module>(made);
  return success;
}
EXPORT Result cuModuleUnload(Module module) {
  ENTER(cuModuleUnload);
  const std::lock_guard lock(books().mutex);
  if (books().modules.erase(module) == 0 || current() == nullptr) return error_invalid_value;
  delete reinterpret_cast<char*>(module);
  return success;
}
EXPORT Result cuModuleGetFunction(Function* function, Module module, const char* name) {
  ENTER(cuModuleGetFunction);
  const std::lock_guard lock(books().mutex);
  if (books().modules.count(module) == 0) return error_not_found;
  static std::set<std::string> names;  // a function is its name
  *function = reinterpret_cast<Function>(const_cast<std::string*>(&*names.insert(name).first));
  return success;
}
EXPORT Result cuFuncGetAttribute(int* value, int, Function) {
  ENTER(cuFuncGetAttribute);
  *value = 0;
  return success;
}
EXPORT Result cuFuncSetAttribute(Function, int, int) {
  ENTER(cuFuncSetAttribute);
  return success;
}
EXPORT Result cuLaunchKernel(Function function, unsigned int grid_x, unsigned int, unsigned int, unsigned int block_x,
                             unsigned int, unsigned int, unsigned int shared_bytes, Stream stream, void** parameters,
                             void**) {
  ENTER(cuLaunchKernel);
  if (current() != null_driver_primary()) return error_invalid_context;
  Books& all = books();
  if (!all.recording.load(std::memory_order_relaxed)) return success;
  const std::lock_guard lock(all.mutex);
  null_driver::Launch launch{*reinterpret_cast<std::string*>(function), grid_x, block_x, shared_bytes, stream, {}};
  std::memcpy(&launch.parameters, parameters[0], sizeof(launch.parameters));
  all.launches.push_back(launch);
  return success;
}
EXPORT Result cuMemAlloc_v2(DeviceAddress* address, std::size_t bytes) {
  ENTER(cuMemAlloc_v2);
  if (current() == nullptr || bytes == 0) return error_invalid_value;
  void* const memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (memory == nullptr) return error_out_of_memory;
  const std::lock_guard lock(books().mutex);
  *address = reinterpret_cast<DeviceAddress>(memory);
  books().allocations[*address] = bytes;
  return success;
}
EXPORT Result cuMemFree_v2(DeviceAddress address) {
  ENTER(cuMemFree_v2);
  const std::lock_guard lock(books().mutex);
  if (books().allocations.erase(address) == 0) return error_invalid_value;
  std::free(reinterpret_cast<void*>(address));
  return success;
}
EXPORT Result cuMemcpyHtoD_v2(DeviceAddress to, const void* from, std::size_t bytes) {
  ENTER(cuMemcpyHtoD_v2);
  std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return success;
}
EXPORT Result cuMemcpyDtoH_v2(void* to, DeviceAddress from, std::size_t bytes) {
  ENTER(cuMemcpyDtoH_v2);
  std::memcpy(to, reinterpret_cast<const void*>(from), bytes);
  return success;
}
EXPORT Result cuMemGetAddressRange_v2(DeviceAddress* base, std::size_t* bytes, DeviceAddress address) {
  ENTER(cuMemGetAddressRange_v2);
  return find_allocation(address, *base, *bytes) ? success : error_not_found;
}
EXPORT Result cuPointerGetAttribute(void* value, int attribute, DeviceAddress address) {
  ENTER(cuPointerGetAttribute);
  DeviceAddress base = 0;
  std::size_t bytes = 0;
  if (!find_allocation(address, base, bytes)) return error_invalid_value;
  if (attribute == pointer_attribute_memory_type) {
    *static_cast<int*>(value) = 2;
  } else if (attribute == pointer_attribute_is_managed || attribute == pointer_attribute_device_ordinal) {
    *static_cast<int*>(value) = 0;
  } else {
    return error_invalid_value;
  }
  return success;
}
EXPORT Result cuStreamSynchronize(Stream) {
  ENTER(cuStreamSynchronize);
  return success;
}
EXPORT Result cuStreamIsCapturing(Stream, int* status) {
  ENTER(cuStreamIsCapturing);
  *status = books().capture_status;
  return success;
}
EXPORT Result cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  ENTER(cuMemGetInfo_v2);
  *free = std::size_t{1} << 33;
  *total = std::size_t{1} << 34;
  return success;
}
EXPORT Result cuMemcpyDtoD_v2(DeviceAddress to, DeviceAddress from, std::size_t bytes) {
  ENTER(cuMemcpyDtoD_v2);
  std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
  return success;
}
EXPORT Result cuMemcpyDtoDAsync_v2(DeviceAddress to, DeviceAddress from, std::size_t bytes, Stream) {
  ENTER(cuMemcpyDtoDAsync_v2);
  std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
  return success;
}
EXPORT Result cuMemsetD32Async(DeviceAddress to, unsigned int word, std::size_t count, Stream) {
  ENTER(cuMemsetD32Async);
  if (current() != null_driver_primary()) return error_invalid_context;
  std::fill_n(reinterpret_cast<unsigned int*>(to), count, word);
  return success;
}
EXPORT Result cuTensorMapEncodeTiled(TensorMap*, int, unsigned int, void*, const unsigned long long*,
                                     const unsigned long long*, const unsigned int*, const unsigned int*, int, int, int,
                                     int) {
  ENTER(cuTensorMapEncodeTiled);
  return success;
}
EXPORT Result cuStreamCreate(Stream* stream, unsigned int) {
  ENTER(cuStreamCreate);
  *stream = reinterpret_cast<Stream>(std::uintptr_t{0x3000});
  return success;
}
EXPORT Result cuStreamDestroy_v2(Stream) {
  ENTER(cuStreamDestroy_v2);
  return success;
}
EXPORT Result cuStreamBeginCapture_v2(Stream, int) {
  ENTER(cuStreamBeginCapture_v2);
  return success;
}
EXPORT Result cuStreamEndCapture(Stream, Graph* graph) {
  ENTER(cuStreamEndCapture);
  *graph = reinterpret_cast<Graph>(std::uintptr_t{0x4000});
  return success;
}
EXPORT Result cuEventCreate(Event* event, unsigned int) {
  ENTER(cuEventCreate);
  *event = reinterpret_cast<Event>(std::uintptr_t{0x5000});
  return success;
}
EXPORT Result cuEventDestroy_v2(Event) {
  ENTER(cuEventDestroy_v2);
  return success;
}
EXPORT Result cuEventRecord(Event, Stream) {
  ENTER(cuEventRecord);
  return success;
}
EXPORT Result cuEventSynchronize(Event) {
  ENTER(cuEventSynchronize);
  return success;
}
EXPORT Result cuEventElapsedTime(float* milliseconds, Event, Event) {
  ENTER(cuEventElapsedTime);
  *milliseconds = 1;
  return success;
}
EXPORT Result cuGraphInstantiateWithFlags(GraphExec* executable, Graph, unsigned long long) {
  ENTER(cuGraphInstantiateWithFlags);
  *executable = reinterpret_cast<GraphExec>(std::uintptr_t{0x6000});
  return success;
}
EXPORT Result cuGraphLaunch(GraphExec, Stream) {
  ENTER(cuGraphLaunch);
  return success;
}
EXPORT Result cuGraphDestroy(Graph) {
  ENTER(cuGraphDestroy);
  return success;
}
EXPORT Result cuGraphExecDestroy(GraphExec) {
  ENTER(cuGraphExecDestroy);
  return success;
}
