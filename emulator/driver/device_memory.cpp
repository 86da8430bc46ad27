// Device memory: allocation, release, and what an address belongs to.
#include <algorithm>
#include <utility>

#include "driver/capture.hpp"
#include "driver/pinned.hpp"

namespace emulator {
namespace {

constexpr std::size_t kPitchAlignment = 512;

std::uint64_t allocate(Context& context, std::size_t bytes, std::shared_ptr<Pool> pool = nullptr) {
  const std::uint64_t address = context.device.memory.allocate(bytes);
  require(address != 0, CUDA_ERROR_OUT_OF_MEMORY);
  Allocation allocation;
  allocation.begin = address;
  allocation.bytes = bytes;
  allocation.context = context.id;
  allocation.context_handle = context.handle;
  allocation.device = context.device.ordinal;
  allocation.buffer = ++driver().serial;
  if (pool) {
    const std::size_t used = pool->used += bytes;
    if (used > pool->used_high) pool->used_high = used;
  }
  allocation.pool = std::move(pool);
  driver().allocations.insert(allocation);
  return address;
}

void release(Driver& state, std::uint64_t address) {
  const auto allocation = state.allocations.remove(address);
  if (!allocation) return;
  if (allocation->pool) allocation->pool->used -= allocation->bytes;
  if (allocation->kind == Allocation::Kind::device)
    state.devices[static_cast<std::size_t>(allocation->device)]->memory.release(address);
  else
    release_host(state, *allocation);
}

void forbid_captures() {
  const std::lock_guard lock(driver().mutex);
  forbid_during_capture();
}

ContextPtr context_with_id(std::uint64_t id) {
  for (ContextPtr& context : driver().contexts.all())
    if (context->id == id) return std::move(context);
  return nullptr;
}

CUresult free_now(CUdeviceptr address) {
  Driver& state = driver();
  const ContextPtr context = current_context();
  if (address == 0) return CUDA_SUCCESS;
  forbid_captures();
  const auto allocation = state.allocations.starting_at(address);
  require(allocation && !allocation->releasing && !allocation->graph_owned);
  require(allocation->kind == Allocation::Kind::device || allocation->kind == Allocation::Kind::managed);
  // As on a real device, releasing waits for the work that may still use the memory.
  if (const ContextPtr owner = context_with_id(allocation->context)) state.scheduler.drain(*owner);
  require(state.allocations.begin_release(address));
  release(state, address);
  return context->sticky;
}

/// Memory that a captured allocation node owns: as long as a graph or an executable graph holds the node.
struct GraphMemory {
  std::uint64_t address;
  ~GraphMemory() {
    if (Driver* state = driver_if_initialized()) release(*state, address);
  }
};

CUdeviceptr allocate_captured(Stream& stream, std::size_t bytes, const std::shared_ptr<Pool>& pool) {
  require(!stream.capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  const std::uint64_t address = allocate(*stream.context, bytes, pool);
  const auto owner = std::shared_ptr<GraphMemory>(new GraphMemory{address});
  auto allocation = *driver().allocations.starting_at(address);
  allocation.graph_owned = true;
  driver().allocations.insert(allocation);
  Task task;
  task.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC;
  task.run = [owner](Context&) { return CUDA_SUCCESS; };
  capture(stream, std::move(task));
  return address;
}

CUresult allocate_later(CUdeviceptr* address, std::size_t bytes, std::shared_ptr<Pool> pool, CUstream handle) {
  require(address != nullptr && bytes > 0);
  Driver& state = driver();
  const ContextPtr context = current_context();
  const std::lock_guard lock(state.mutex);
  const StreamPtr stream = stream_of(context, handle);
  forbid_implicit_dependency(*stream);
  if (!pool) pool = stream->context->device.pool;
  *address = stream->capture ? allocate_captured(*stream, bytes, pool) : allocate(*stream->context, bytes, pool);
  return CUDA_SUCCESS;
}

CUresult free_later(CUdeviceptr address, CUstream handle) {
  Driver& state = driver();
  const ContextPtr context = current_context();
  if (address == 0) return CUDA_SUCCESS;
  const std::lock_guard lock(state.mutex);
  const StreamPtr stream = stream_of(context, handle);
  forbid_implicit_dependency(*stream);
  const auto allocation = state.allocations.starting_at(address);
  require(allocation && allocation->kind == Allocation::Kind::device);
  Task task;
  task.type = CU_GRAPH_NODE_TYPE_MEM_FREE;
  if (!allocation->graph_owned) {
    require(!stream->capture, CUDA_ERROR_NOT_SUPPORTED);  // a graph may only free what it allocated
    require(state.allocations.begin_release(address));
    task.even_after_fault = true;
    task.run = [address](Context&) {
      release(*driver_if_initialized(), address);
      return CUDA_SUCCESS;
    };
  }
  submit(*stream, std::move(task));
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  return entry([&] {
    const ContextPtr context = current_context();
    const Memory& memory = context->device.memory;
    if (free != nullptr) *free = memory.capacity() - std::min(memory.capacity(), memory.used());
    if (total != nullptr) *total = memory.capacity();
  });
}

CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  return entry([&] {
    require(address != nullptr && bytes > 0);
    const ContextPtr context = current_context();
    forbid_captures();
    *address = allocate(*context, bytes);
  });
}

CUresult cuMemAllocPitch_v2(CUdeviceptr* address, size_t* pitch, size_t width, size_t height, unsigned element) {
  return entry([&] {
    require(address != nullptr && pitch != nullptr && width > 0 && height > 0);
    require(element == 4 || element == 8 || element == 16);
    const ContextPtr context = current_context();
    forbid_captures();
    const std::size_t row = (width + kPitchAlignment - 1) / kPitchAlignment * kPitchAlignment;
    std::size_t bytes = 0;
    require(row >= width && !__builtin_mul_overflow(row, height, &bytes), CUDA_ERROR_OUT_OF_MEMORY);
    *address = allocate(*context, bytes);
    *pitch = row;
  });
}

CUresult cuMemAllocManaged(CUdeviceptr* address, size_t bytes, unsigned flags) {
  return entry([&] {
    require(address != nullptr && bytes > 0);
    require(flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST);
    const ContextPtr context = current_context();
    forbid_captures();
    *address = allocate_host(*context, bytes, flags, Allocation::Kind::managed);
  });
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  return entry([&] { return free_now(address); });
}

CUresult cuMemAllocAsync(CUdeviceptr* address, size_t bytes, CUstream stream) {
  return entry([&] { return allocate_later(address, bytes, nullptr, stream); });
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr* address, size_t bytes, CUmemoryPool handle, CUstream stream) {
  return entry([&] {
    auto pool = driver().pools.find(handle);
    require(pool != nullptr);
    return allocate_later(address, bytes, std::move(pool), stream);
  });
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  return entry([&] { return free_later(address, stream); });
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* base, size_t* bytes, CUdeviceptr address) {
  return entry([&] {
    current_context();
    for (const auto& device : driver().devices) {
      const Extent extent = device->memory.find(address);
      if (extent.end == 0) continue;
      if (base != nullptr) *base = extent.begin;
      if (bytes != nullptr) *bytes = extent.end - extent.begin;
      return CUDA_SUCCESS;
    }
    return CUDA_ERROR_NOT_FOUND;
  });
}

}  // namespace emulator
