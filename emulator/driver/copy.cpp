#include "driver/copy.hpp"

#include <fmt/format.h>

#include <cstring>
#include <utility>
#include <vector>

#include "driver/capture.hpp"

namespace emulator {
namespace {

std::byte* at(std::uint64_t address) {
  return reinterpret_cast<std::byte*>(address);
}

/// The live extent around an address on any device: device memory, or host memory that devices may touch.
Extent extent_of(std::uint64_t address) {
  for (const auto& device : driver_if_initialized()->devices)
    if (const Extent extent = device->memory.find(address); extent.end != 0) return extent;
  return {};
}

bool is_device_memory(std::uint64_t address) {
  if (extent_of(address).end == 0) return false;
  const auto allocation = driver_if_initialized()->allocations.holding(address);
  return !allocation || allocation->kind == Allocation::Kind::device;  // unlisted: a module's global variable
}

/// Bytes from the first to the last that one end of a copy touches; 0 on overflow.
std::size_t span(const Copy& copy, const Copy::End& end) {
  std::size_t bytes = copy.width;
  std::size_t rows = 0;
  std::size_t slices = 0;
  if (__builtin_mul_overflow(copy.height - 1, end.pitch, &rows) ||
      __builtin_mul_overflow(copy.depth - 1, end.slice, &slices) || __builtin_add_overflow(bytes, rows, &bytes) ||
      __builtin_add_overflow(bytes, slices, &bytes))
    return 0;
  return bytes;
}

bool reachable(const Copy& copy, const Copy::End& end) {
  const std::size_t bytes = span(copy, end);
  if (bytes == 0 || end.address == 0) return false;
  const Extent extent = extent_of(end.address);
  switch (end.type) {
    case CU_MEMORYTYPE_DEVICE:
      return extent.end != 0 && extent.holds(end.address, bytes);
    case CU_MEMORYTYPE_HOST:
      return !is_device_memory(end.address) && (extent.end == 0 || extent.holds(end.address, bytes));
    case CU_MEMORYTYPE_UNIFIED:
      return extent.end == 0 || extent.holds(end.address, bytes);
    default:
      return false;
  }
}

void move_bytes(const Copy& copy) {
  for (std::size_t z = 0; z < copy.depth; ++z)
    for (std::size_t y = 0; y < copy.height; ++y)
      std::memmove(at(copy.to.address + z * copy.to.slice + y * copy.to.pitch),
                   at(copy.from.address + z * copy.from.slice + y * copy.from.pitch), copy.width);
}

/// What no one had written before is not written by being copied.
void move_definedness(const Copy& copy) {
  for (const auto& device : driver_if_initialized()->devices) {
    for (std::size_t z = 0; z < copy.depth; ++z)
      for (std::size_t y = 0; y < copy.height; ++y)
        device->memory.copy_written(copy.to.address + z * copy.to.slice + y * copy.to.pitch,
                                    copy.from.address + z * copy.from.slice + y * copy.from.pitch, copy.width);
  }
}

/// Memory may have been released since the copy was checked.
CUresult run(const Copy& copy) {
  if (!reachable(copy, copy.to) || !reachable(copy, copy.from)) {
    report_fault(fmt::format("a copy of {} bytes from {:#x} to {:#x} met memory that was released before it ran",
                             copy.width, copy.from.address, copy.to.address),
                 true);
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  move_bytes(copy);
  move_definedness(copy);
  return CUDA_SUCCESS;
}

/// Neither pinned nor device memory: the driver may not touch it after an asynchronous call returned.
bool is_pageable(const Copy::End& end) {
  return extent_of(end.address).end == 0;
}

/// The source's bytes packed, owned by the task.
std::shared_ptr<std::vector<std::byte>> staged(Copy& copy) {
  auto bytes = std::make_shared<std::vector<std::byte>>(copy.width * copy.height * copy.depth);
  Copy gather = copy;
  gather.to = {reinterpret_cast<std::uint64_t>(bytes->data()), copy.width, copy.width * copy.height,
               CU_MEMORYTYPE_HOST};
  move_bytes(gather);
  copy.from = gather.to;
  return bytes;
}

/// A synchronous copy goes through the default stream and returns when it is done; one inside device memory does not
/// wait for its end.
CUresult copy_now(const Copy& copy) {
  Driver& state = driver();
  const ContextPtr context = current_context();
  OperationPtr operation;
  {
    const std::lock_guard lock(state.mutex);
    forbid_implicit_dependency(*context->legacy);
    forbid_during_capture();
    if (copy.empty()) return CUDA_SUCCESS;
    operation = submit_now(*context->legacy, copy_task(copy));
  }
  if (is_device_memory(copy.to.address) && is_device_memory(copy.from.address)) return CUDA_SUCCESS;
  state.scheduler.wait({operation});
  return context->sticky;
}

CUresult copy_later(Copy copy, CUstream handle) {
  Driver& state = driver();
  const ContextPtr context = current_context();
  OperationPtr operation;
  {
    const std::lock_guard lock(state.mutex);
    const StreamPtr stream = stream_of(context, handle);
    forbid_implicit_dependency(*stream);
    if (copy.empty()) return CUDA_SUCCESS;
    Task task = copy_task(copy);
    const bool capturing = stream->capture != nullptr;
    if (!capturing && is_pageable(copy.from)) {
      // As a driver does: the program may reuse pageable memory as soon as the call returns.
      auto bytes = staged(copy);
      task = copy_task(copy);
      task.run = [bytes, run = std::move(task.run)](Context& where) { return run(where); };
    }
    operation = submit(*stream, std::move(task));
    if (!operation || !is_pageable(copy.to)) return CUDA_SUCCESS;
  }
  state.scheduler.wait({operation});
  return context->sticky;
}

Copy linear(std::uint64_t to, CUmemorytype to_type, std::uint64_t from, CUmemorytype from_type, std::size_t bytes) {
  Copy copy;
  copy.to = {to, bytes, bytes, to_type};
  copy.from = {from, bytes, bytes, from_type};
  copy.width = bytes;
  return copy;
}

std::uint64_t address_of(const void* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}

Copy to_device(CUdeviceptr to, const void* from, std::size_t bytes) {
  return linear(to, CU_MEMORYTYPE_DEVICE, address_of(from), CU_MEMORYTYPE_HOST, bytes);
}
Copy to_host(void* to, CUdeviceptr from, std::size_t bytes) {
  return linear(address_of(to), CU_MEMORYTYPE_HOST, from, CU_MEMORYTYPE_DEVICE, bytes);
}
Copy on_device(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return linear(to, CU_MEMORYTYPE_DEVICE, from, CU_MEMORYTYPE_DEVICE, bytes);
}
Copy anywhere(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
  return linear(to, CU_MEMORYTYPE_UNIFIED, from, CU_MEMORYTYPE_UNIFIED, bytes);
}

struct Corner {
  const void* host;
  CUdeviceptr device;
  std::size_t x, y, z, pitch, height;
  CUmemorytype type;
};

Copy::End end_of(const Corner& corner, std::size_t width, std::size_t rows) {
  require(corner.type != CU_MEMORYTYPE_ARRAY, CUDA_ERROR_NOT_SUPPORTED);
  require(corner.type >= CU_MEMORYTYPE_HOST && corner.type <= CU_MEMORYTYPE_UNIFIED);
  const std::size_t pitch = corner.pitch == 0 ? corner.x + width : corner.pitch;
  require(pitch >= corner.x + width);
  const std::size_t slice = pitch * (corner.height == 0 ? corner.y + rows : corner.height);
  const std::uint64_t base = corner.type == CU_MEMORYTYPE_HOST ? address_of(corner.host) : corner.device;
  return {base + corner.z * slice + corner.y * pitch + corner.x, pitch, slice, corner.type};
}

}  // namespace

Copy describe(const CUDA_MEMCPY3D& c) {
  require(c.srcLOD == 0 && c.dstLOD == 0);
  Copy copy;
  copy.from = end_of({c.srcHost, c.srcDevice, c.srcXInBytes, c.srcY, c.srcZ, c.srcPitch, c.srcHeight, c.srcMemoryType},
                     c.WidthInBytes, c.Height);
  copy.to = end_of({c.dstHost, c.dstDevice, c.dstXInBytes, c.dstY, c.dstZ, c.dstPitch, c.dstHeight, c.dstMemoryType},
                   c.WidthInBytes, c.Height);
  copy.width = c.WidthInBytes;
  copy.height = c.Height;
  copy.depth = c.Depth;
  return copy;
}

Copy describe(const CUDA_MEMCPY2D& c) {
  Copy copy;
  copy.from = end_of({c.srcHost, c.srcDevice, c.srcXInBytes, c.srcY, 0, c.srcPitch, 0, c.srcMemoryType}, c.WidthInBytes,
                     c.Height);
  copy.to = end_of({c.dstHost, c.dstDevice, c.dstXInBytes, c.dstY, 0, c.dstPitch, 0, c.dstMemoryType}, c.WidthInBytes,
                   c.Height);
  copy.width = c.WidthInBytes;
  copy.height = c.Height;
  return copy;
}

Task copy_task(const Copy& copy) {
  Task task;
  task.type = CU_GRAPH_NODE_TYPE_MEMCPY;
  if (copy.empty()) return task;
  require(reachable(copy, copy.to) && reachable(copy, copy.from));
  task.run = [copy](Context&) { return run(copy); };
  return task;
}

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return entry([&] { return copy_now(anywhere(to, from, bytes)); });
}

CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return entry([&] { return copy_later(anywhere(to, from, bytes), stream); });
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, size_t bytes) {
  return entry([&] { return copy_now(to_device(to, from, bytes)); });
}

CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, size_t bytes) {
  return entry([&] { return copy_now(to_host(to, from, bytes)); });
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return entry([&] { return copy_now(on_device(to, from, bytes)); });
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  return entry([&] { return copy_later(to_device(to, from, bytes), stream); });
}

CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return entry([&] { return copy_later(to_host(to, from, bytes), stream); });
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return entry([&] { return copy_later(on_device(to, from, bytes), stream); });
}

CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t bytes) {
  return entry([&] {
    context_of(to_context);
    context_of(from_context);
    return copy_now(on_device(to, from, bytes));
  });
}

CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t bytes,
                           CUstream stream) {
  return entry([&] {
    context_of(to_context);
    context_of(from_context);
    return copy_later(on_device(to, from, bytes), stream);
  });
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D* copy) {
  return entry([&] {
    require(copy != nullptr);
    return copy_now(describe(*copy));
  });
}

CUresult cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D* copy) {
  return cuMemcpy2D_v2(copy);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D* copy, CUstream stream) {
  return entry([&] {
    require(copy != nullptr);
    return copy_later(describe(*copy), stream);
  });
}

}  // namespace emulator
