#include "driver/pinned.hpp"

#include <sys/mman.h>

#include <cstring>

#include "driver/capture.hpp"

namespace emulator {
namespace {

constexpr std::size_t kPage = 4096;

std::size_t mapped_bytes(std::size_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage + kPage;
}

/// All devices, or none.
bool adopt_everywhere(Driver& state, std::uint64_t address, std::size_t bytes) {
  for (std::size_t i = 0; i < state.devices.size(); ++i) {
    if (state.devices[i]->memory.adopt(address, bytes)) continue;
    while (i-- > 0) state.devices[i]->memory.disown(address);
    return false;
  }
  return true;
}

void record(Driver& state, const Context& context, std::uint64_t address, std::size_t bytes, unsigned flags,
            Allocation::Kind kind) {
  Allocation allocation;
  allocation.kind = kind;
  allocation.begin = address;
  allocation.bytes = bytes;
  allocation.flags = flags;
  allocation.context = context.id;
  allocation.context_handle = context.handle;
  allocation.device = context.device.ordinal;
  allocation.buffer = ++state.serial;
  state.allocations.insert(allocation);
}

/// Waits for everything that may still use the memory.
void drain_all(Driver& state) {
  for (const ContextPtr& context : state.contexts.all()) state.scheduler.drain(*context);
}

CUresult allocate(void** pointer, std::size_t bytes, unsigned flags) {
  require(pointer != nullptr && bytes > 0);
  const ContextPtr context = current_context();
  {
    const std::lock_guard lock(driver().mutex);
    forbid_during_capture();
  }
  *pointer = reinterpret_cast<void*>(allocate_host(*context, bytes, flags, Allocation::Kind::pinned));
  return CUDA_SUCCESS;
}

Allocation host_allocation(const void* pointer, Allocation::Kind kind, CUresult otherwise) {
  const auto allocation = driver().allocations.starting_at(reinterpret_cast<std::uint64_t>(pointer));
  require(allocation && allocation->kind == kind, otherwise);
  return *allocation;
}

CUresult release(const void* pointer, Allocation::Kind kind, CUresult otherwise) {
  Driver& state = driver();
  const ContextPtr context = current_context();
  {
    const std::lock_guard lock(state.mutex);
    forbid_during_capture();
  }
  const Allocation allocation = host_allocation(pointer, kind, otherwise);
  drain_all(state);
  if (state.allocations.remove(allocation.begin)) release_host(state, allocation);
  return context->sticky;
}

}  // namespace

std::uint64_t allocate_host(Context& context, std::size_t bytes, unsigned flags, Allocation::Kind kind) {
  Driver& state = driver();
  require(bytes <= (std::size_t{1} << 46), CUDA_ERROR_OUT_OF_MEMORY);
  // One inaccessible page behind it: an overrun on the host faults.
  void* mapped = mmap(nullptr, mapped_bytes(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  require(mapped != MAP_FAILED, CUDA_ERROR_OUT_OF_MEMORY);
  mprotect(static_cast<std::byte*>(mapped) + mapped_bytes(bytes) - kPage, kPage, PROT_NONE);
  std::memset(mapped, 0xFF, bytes);
  const auto address = reinterpret_cast<std::uint64_t>(mapped);
  if (!adopt_everywhere(state, address, bytes)) {
    munmap(mapped, mapped_bytes(bytes));
    fail(CUDA_ERROR_OUT_OF_MEMORY);
  }
  record(state, context, address, bytes, flags, kind);
  return address;
}

void release_host(Driver& state, const Allocation& allocation) {
  for (auto& device : state.devices) device->memory.disown(allocation.begin);
  if (allocation.kind != Allocation::Kind::registered)
    munmap(reinterpret_cast<void*>(allocation.begin), mapped_bytes(allocation.bytes));
}

CUresult cuMemAllocHost_v2(void** pointer, size_t bytes) {
  return entry([&] { return allocate(pointer, bytes, 0); });
}

CUresult cuMemHostAlloc(void** pointer, size_t bytes, unsigned flags) {
  return entry([&] {
    require(flags <= (CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED));
    return allocate(pointer, bytes, flags);
  });
}

CUresult cuMemFreeHost(void* pointer) {
  return entry([&] { return release(pointer, Allocation::Kind::pinned, CUDA_ERROR_INVALID_VALUE); });
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* address, void* pointer, unsigned flags) {
  return entry([&] {
    require(address != nullptr && flags == 0);
    current_context();
    const auto value = reinterpret_cast<std::uint64_t>(pointer);
    const auto allocation = driver().allocations.holding(value);
    require(allocation && allocation->kind != Allocation::Kind::device);
    *address = value;
  });
}

CUresult cuMemHostGetFlags(unsigned* flags, void* pointer) {
  return entry([&] {
    require(flags != nullptr);
    current_context();
    // Under unified addressing every pinned allocation is mapped into the devices' address space.
    *flags =
        host_allocation(pointer, Allocation::Kind::pinned, CUDA_ERROR_INVALID_VALUE).flags | CU_MEMHOSTALLOC_DEVICEMAP;
  });
}

CUresult cuMemHostRegister_v2(void* pointer, size_t bytes, unsigned flags) {
  return entry([&] {
    require(pointer != nullptr && bytes > 0);
    require(flags <= (CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_IOMEMORY |
                      CU_MEMHOSTREGISTER_READ_ONLY));
    require((flags & CU_MEMHOSTREGISTER_IOMEMORY) == 0, CUDA_ERROR_NOT_SUPPORTED);
    Driver& state = driver();
    const ContextPtr context = current_context();
    {
      const std::lock_guard lock(state.mutex);
      forbid_during_capture();
    }
    const auto address = reinterpret_cast<std::uint64_t>(pointer);
    require(adopt_everywhere(state, address, bytes), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    record(state, *context, address, bytes, flags, Allocation::Kind::registered);
  });
}

CUresult cuMemHostUnregister(void* pointer) {
  return entry([&] { return release(pointer, Allocation::Kind::registered, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED); });
}

}  // namespace emulator
