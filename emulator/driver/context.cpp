// Contexts: creation, the primary context of a device, and the calling thread's stack of current ones.
#include <unistd.h>

#include <utility>

#include "driver/capture.hpp"
#include "driver/current.hpp"

namespace emulator {
namespace {

constexpr unsigned kSchedulingFlags = 4;  // the largest scheduling choice; the three are exclusive
constexpr unsigned kApiVersion = 3020;    // what cuCtxGetApiVersion says for every context of current drivers

void check_flags(unsigned flags) {
  require((flags & ~static_cast<unsigned>(CU_CTX_FLAGS_MASK)) == 0);
  const unsigned scheduling = flags & CU_CTX_SCHED_MASK;
  require(scheduling <= kSchedulingFlags && scheduling != 3);
}

CUresult create(CUcontext* handle, unsigned flags, CUdevice ordinal) {
  require(handle != nullptr);
  check_flags(flags);
  Device& device = device_of(ordinal);
  const std::lock_guard lock(driver().mutex);
  const ContextPtr context = create_context(device, flags);
  context_stack().push_back(context->handle);
  *handle = context->handle;
  return CUDA_SUCCESS;
}

CUresult destroy(CUcontext handle) {
  const ContextPtr context = context_of(handle);
  {
    const std::lock_guard lock(driver().mutex);
    require(context != context->device.primary, CUDA_ERROR_INVALID_CONTEXT);
    require(retire_context(context), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  }
  destroy_context(context);
  auto& stack = context_stack();
  if (!stack.empty() && stack.back() == handle) stack.pop_back();
  return CUDA_SUCCESS;
}

/// Takes the primary context out of its device; null when it is not active. Driver::mutex is held.
ContextPtr take_primary(Device& device) {
  ContextPtr primary;
  std::swap(primary, device.primary);
  if (primary) retire_context(primary);
  return primary;
}

CUresult retain_primary(CUcontext* handle, CUdevice ordinal) {
  require(handle != nullptr);
  Device& device = device_of(ordinal);
  const std::lock_guard lock(driver().mutex);
  if (!device.primary) {
    device.primary = create_context(device, device.primary_flags, device.primary_handle);
    device.primary_handle = device.primary->handle;
  }
  ++device.primary_references;
  *handle = device.primary_handle;
  return CUDA_SUCCESS;
}

CUresult release_primary(CUdevice ordinal) {
  Device& device = device_of(ordinal);
  ContextPtr primary;
  {
    const std::lock_guard lock(driver().mutex);
    require(device.primary_references > 0, CUDA_ERROR_INVALID_CONTEXT);
    if (--device.primary_references == 0) primary = take_primary(device);
  }
  if (primary) destroy_context(primary);
  return CUDA_SUCCESS;
}

CUresult reset_primary(CUdevice ordinal) {
  Device& device = device_of(ordinal);
  ContextPtr primary;
  {
    const std::lock_guard lock(driver().mutex);
    primary = take_primary(device);
    device.primary_references = 0;
  }
  if (primary) destroy_context(primary);
  return CUDA_SUCCESS;
}

CUresult synchronize(const ContextPtr& context) {
  {
    const std::lock_guard lock(driver().mutex);
    forbid_capture_in(*context);
    forbid_during_capture();
  }
  driver().scheduler.drain(*context);
  return context->sticky;
}

std::size_t default_limit(CUlimit limit) {
  switch (limit) {
    case CU_LIMIT_STACK_SIZE:
      return 1024;
    case CU_LIMIT_PRINTF_FIFO_SIZE:
      return 7 << 20;
    case CU_LIMIT_MALLOC_HEAP_SIZE:
      return 8 << 20;
    case CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH:
      return 2;
    case CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT:
      return 2048;
    case CU_LIMIT_MAX_L2_FETCH_GRANULARITY:
      return 64;
    case CU_LIMIT_PERSISTING_L2_CACHE_SIZE:
      return 0;
  }
  fail(CUDA_ERROR_UNSUPPORTED_LIMIT);
}

}  // namespace

// The main thread's stack outlives its thread-local objects: destructors of static objects still call the driver.
std::vector<CUcontext>& context_stack() {
  thread_local std::vector<CUcontext>* stack = nullptr;
  if (stack != nullptr) return *stack;
  stack = new std::vector<CUcontext>;
  struct Release {
    std::vector<CUcontext>** of = nullptr;
    ~Release() { delete std::exchange(*of, nullptr); }
  };
  if (gettid() != getpid()) {
    thread_local Release release;
    release.of = &stack;
  }
  return *stack;
}

CUresult cuCtxCreate_v2(CUcontext* context, unsigned flags, CUdevice device) {
  return entry([&] { return create(context, flags, device); });
}

CUresult cuCtxCreate_v3(CUcontext* context, CUexecAffinityParam* /*affinity*/, int affinities, unsigned flags,
                        CUdevice device) {
  return entry([&] {
    driver();
    require(affinities == 0, CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
    return create(context, flags, device);
  });
}

CUresult cuCtxCreate_v4(CUcontext* context, CUctxCreateParams* parameters, unsigned flags, CUdevice device) {
  return entry([&] {
    driver();
    if (parameters != nullptr) {
      require(parameters->numExecAffinityParams == 0, CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
      require(parameters->cigParams == nullptr, CUDA_ERROR_NOT_SUPPORTED);
    }
    return create(context, flags, device);
  });
}

CUresult cuCtxDestroy_v2(CUcontext context) {
  return entry([&] { return destroy(context); });
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return entry([&] { return retain_primary(context, device); });
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return entry([&] { return release_primary(device); });
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  return entry([&] { return reset_primary(device); });
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice ordinal, unsigned flags) {
  return entry([&] {
    check_flags(flags);
    Device& device = device_of(ordinal);
    const std::lock_guard lock(driver().mutex);
    device.primary_flags = flags;
    if (device.primary) device.primary->flags = flags;
  });
}

CUresult cuDevicePrimaryCtxGetState(CUdevice ordinal, unsigned* flags, int* active) {
  return entry([&] {
    require(flags != nullptr && active != nullptr);
    const Device& device = device_of(ordinal);
    const std::lock_guard lock(driver().mutex);
    *flags = device.primary_flags;
    *active = device.primary ? 1 : 0;
  });
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
  return entry([&] {
    context_of(context);
    context_stack().push_back(context);
  });
}

CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  return entry([&] {
    driver();
    auto& stack = context_stack();
    require(!stack.empty(), CUDA_ERROR_INVALID_CONTEXT);
    if (context != nullptr) *context = stack.back();
    stack.pop_back();
  });
}

CUresult cuCtxSetCurrent(CUcontext context) {
  return entry([&] {
    driver();
    auto& stack = context_stack();
    if (context != nullptr) context_of(context);
    if (!stack.empty()) stack.pop_back();
    if (context != nullptr) stack.push_back(context);
  });
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  return entry([&] {
    driver();
    require(context != nullptr);
    *context = current_handle();
  });
}

CUresult cuCtxGetDevice(CUdevice* device) {
  return entry([&] {
    require(device != nullptr);
    *device = current_context_even_failed()->device.ordinal;
  });
}

CUresult cuCtxGetDevice_v2(CUdevice* device, CUcontext context) {
  return entry([&] {
    require(device != nullptr);
    const ContextPtr found = context != nullptr ? context_of(context) : current_context_even_failed();
    *device = found->device.ordinal;
  });
}

CUresult cuCtxGetFlags(unsigned* flags) {
  return entry([&] {
    require(flags != nullptr);
    *flags = current_context()->flags;
  });
}

CUresult cuCtxSetFlags(unsigned flags) {
  return entry([&] {
    check_flags(flags);
    current_context()->flags = flags;
  });
}

CUresult cuCtxGetId(CUcontext context, unsigned long long* id) {
  return entry([&] {
    driver();
    require(id != nullptr);
    *id = (context != nullptr ? context_of(context) : current_context_even_failed())->id;
  });
}

CUresult cuCtxGetApiVersion(CUcontext context, unsigned* version) {
  return entry([&] {
    driver();
    require(version != nullptr);
    if (context != nullptr) context_of(context);
    *version = kApiVersion;
  });
}

CUresult cuCtxSynchronize() {
  return entry([&] { return synchronize(current_context()); });
}

CUresult cuCtxSynchronize_v2(CUcontext context) {
  return entry([&] { return synchronize(context != nullptr ? context_of(context) : current_context()); });
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
  return entry([&] {
    const ContextPtr context = current_context();
    default_limit(limit);
    const std::lock_guard lock(driver().mutex);
    context->limits[limit] = value;
  });
}

CUresult cuCtxGetLimit(size_t* value, CUlimit limit) {
  return entry([&] {
    require(value != nullptr);
    const ContextPtr context = current_context();
    const std::size_t otherwise = default_limit(limit);
    const std::lock_guard lock(driver().mutex);
    const auto set = context->limits.find(limit);
    *value = set == context->limits.end() ? otherwise : set->second;
  });
}

CUresult cuCtxGetCacheConfig(CUfunc_cache* config) {
  return entry([&] {
    require(config != nullptr);
    *config = current_context()->cache_config;
  });
}

CUresult cuCtxSetCacheConfig(CUfunc_cache config) {
  return entry([&] {
    require(config <= CU_FUNC_CACHE_PREFER_EQUAL);
    current_context()->cache_config = config;
  });
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig* config) {
  return entry([&] {
    require(config != nullptr);
    *config = current_context()->shared_config;
  });
}

// The banks of every architecture in the table are four bytes wide: accepted, without effect.
CUresult cuCtxSetSharedMemConfig(CUsharedconfig config) {
  return entry([&] {
    current_context();
    require(config <= CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE);
  });
}

CUresult cuCtxResetPersistingL2Cache() {
  return entry([&] { current_context(); });
}

CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
  return entry([&] {
    require(flags == 0);
    current_context();
    context_of(peer);
    fail(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
  });
}

CUresult cuCtxDisablePeerAccess(CUcontext peer) {
  return entry([&] {
    current_context();
    context_of(peer);
    fail(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
  });
}

}  // namespace emulator
