// What a pointer points to, and memory pools.
#include <cstring>
#include <utility>

#include "driver/entry.hpp"

namespace emulator {
namespace {

template <class Value>
void store(void* out, Value value) {
  std::memcpy(out, &value, sizeof(value));
}

CUmemorytype memory_type(const Allocation& allocation) {
  return allocation.kind == Allocation::Kind::device || allocation.kind == Allocation::Kind::managed
             ? CU_MEMORYTYPE_DEVICE
             : CU_MEMORYTYPE_HOST;
}

/// False for an attribute that is not known.
bool write_attribute(void* out, CUpointer_attribute attribute, const Allocation& allocation, CUdeviceptr pointer) {
  using Kind = Allocation::Kind;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      store(out, allocation.context_handle);
      return true;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      store(out, memory_type(allocation));
      return true;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      store(out, pointer);
      return true;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      if (allocation.kind == Kind::device) fail(CUDA_ERROR_INVALID_VALUE);
      store(out, pointer);
      return true;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      store(out, static_cast<unsigned long long>(allocation.buffer));
      return true;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      store(out, allocation.device);
      return true;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      store(out, allocation.begin);
      return true;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      store(out, allocation.bytes);
      return true;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      store(out, allocation.pool ? allocation.pool->handle : CUmemoryPool{});
      return true;
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
      store(out, std::uint64_t{0});
      return true;
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      store(out, 3U);  // readable and writable
      return true;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      store(out, allocation.kind == Kind::managed ? 1U : 0U);
      return true;
    case CU_POINTER_ATTRIBUTE_MAPPED:
      store(out, 1U);
      return true;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
      store(out, 0U);
      return true;
  }
  return false;
}

/// The allocation that the pointer lies in; for a module's global variable, its extent.
std::optional<Allocation> allocation_at(CUdeviceptr pointer) {
  Driver& state = driver();
  if (auto allocation = state.allocations.holding(pointer)) return allocation;
  for (const auto& device : state.devices) {
    const Extent extent = device->memory.find(pointer);
    if (extent.end == 0) continue;
    Allocation global;
    global.begin = extent.begin;
    global.bytes = extent.end - extent.begin;
    global.device = device->ordinal;
    return global;
  }
  return std::nullopt;
}

std::size_t attribute_bytes(CUpointer_attribute attribute) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
      return 8;
    default:
      return 4;
  }
}

std::shared_ptr<Pool> pool_of(CUmemoryPool handle) {
  auto pool = driver().pools.find(handle);
  require(pool != nullptr);
  return pool;
}

}  // namespace

CUresult cuPointerGetAttribute(void* out, CUpointer_attribute attribute, CUdeviceptr pointer) {
  return entry([&] {
    require(out != nullptr);
    const auto allocation = allocation_at(pointer);
    require(allocation.has_value());
    require(write_attribute(out, attribute, *allocation, pointer));
  });
}

// An unknown pointer is no error here: its attributes read as zero.
CUresult cuPointerGetAttributes(unsigned count, CUpointer_attribute* attributes, void** out, CUdeviceptr pointer) {
  return entry([&] {
    require(attributes != nullptr && out != nullptr);
    const auto allocation = allocation_at(pointer);
    for (unsigned i = 0; i < count; ++i) {
      require(out[i] != nullptr);
      std::memset(out[i], 0, attribute_bytes(attributes[i]));
      if (!allocation) continue;
      if (attributes[i] == CU_POINTER_ATTRIBUTE_HOST_POINTER && allocation->kind == Allocation::Kind::device) continue;
      require(write_attribute(out[i], attributes[i], *allocation, pointer));
    }
  });
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice device) {
  return entry([&] {
    require(pool != nullptr);
    *pool = device_of(device).default_pool->handle;
  });
}

CUresult cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice device) {
  return entry([&] {
    require(pool != nullptr);
    const std::lock_guard lock(driver().mutex);
    *pool = device_of(device).pool->handle;
  });
}

CUresult cuDeviceSetMemPool(CUdevice ordinal, CUmemoryPool handle) {
  return entry([&] {
    const auto pool = pool_of(handle);
    require(pool->device == ordinal);
    const std::lock_guard lock(driver().mutex);
    device_of(ordinal).pool = pool;
  });
}

CUresult cuMemPoolCreate(CUmemoryPool* handle, const CUmemPoolProps* properties) {
  return entry([&] {
    require(handle != nullptr && properties != nullptr);
    require(properties->allocType == CU_MEM_ALLOCATION_TYPE_PINNED);
    require(properties->handleTypes == CU_MEM_HANDLE_TYPE_NONE, CUDA_ERROR_NOT_SUPPORTED);
    require(properties->location.type == CU_MEM_LOCATION_TYPE_DEVICE);
    auto pool = std::make_shared<Pool>();
    pool->device = device_of(properties->location.id).ordinal;
    *handle = driver().pools.insert(std::move(pool));
  });
}

CUresult cuMemPoolDestroy(CUmemoryPool handle) {
  return entry([&] {
    const auto pool = pool_of(handle);
    const std::lock_guard lock(driver().mutex);
    Device& device = device_of(pool->device);
    require(pool != device.default_pool);
    if (device.pool == pool) device.pool = device.default_pool;
    driver().pools.remove(handle);
  });
}

CUresult cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* out) {
  return entry([&] {
    require(out != nullptr);
    const auto pool = pool_of(handle);
    const std::lock_guard lock(driver().mutex);
    switch (attribute) {
      case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: {
        const auto set = pool->attributes.find(attribute);
        store(out, set == pool->attributes.end() ? 1 : static_cast<int>(set->second));
        return;
      }
      case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        store(out, pool->attributes[attribute]);
        return;
      case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
      case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
        store(out, std::uint64_t{pool->used});
        return;
      case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        store(out, std::uint64_t{pool->used_high});
        return;
    }
    fail(CUDA_ERROR_INVALID_VALUE);
  });
}

CUresult cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
  return entry([&] {
    require(value != nullptr);
    const auto pool = pool_of(handle);
    const std::lock_guard lock(driver().mutex);
    switch (attribute) {
      case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: {
        int flag = 0;
        std::memcpy(&flag, value, sizeof(flag));
        pool->attributes[attribute] = flag != 0 ? 1 : 0;
        return;
      }
      case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        std::memcpy(&pool->attributes[attribute], value, sizeof(std::uint64_t));
        return;
      case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      case CU_MEMPOOL_ATTR_USED_MEM_HIGH: {
        std::uint64_t high = 0;
        std::memcpy(&high, value, sizeof(high));
        require(high == 0);
        pool->used_high = pool->used.load();
        return;
      }
      default:
        fail(CUDA_ERROR_INVALID_VALUE);
    }
  });
}

CUresult cuMemPoolTrimTo(CUmemoryPool handle, size_t /*bytes*/) {
  return entry([&] { pool_of(handle); });  // nothing is kept back
}

}  // namespace emulator
