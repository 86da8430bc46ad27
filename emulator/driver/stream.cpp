// Streams: creation, waiting, host functions.
#include <algorithm>
#include <utility>

#include "driver/capture.hpp"

namespace emulator {
namespace {

constexpr int kLeastPriority = 0;
constexpr int kGreatestPriority = -5;

CUresult create_stream(CUstream* handle, unsigned flags, int priority) {
  require(handle != nullptr && flags <= CU_STREAM_NON_BLOCKING);
  Driver& state = driver();
  const ContextPtr context = current_context();
  auto stream = std::make_shared<Stream>();
  stream->context = context;
  stream->flags = flags;
  stream->priority = std::clamp(priority, kGreatestPriority, kLeastPriority);
  stream->id = ++state.serial;
  const std::lock_guard lock(state.mutex);
  context->streams.push_back(stream);
  *handle = state.streams.insert(stream);
  return CUDA_SUCCESS;
}

CUresult destroy_stream(CUstream handle) {
  Driver& state = driver();
  const std::lock_guard lock(state.mutex);
  current_context_even_failed();
  const StreamPtr stream = state.streams.remove(handle);
  require(stream != nullptr, CUDA_ERROR_INVALID_HANDLE);
  if (stream->capture) invalidate(*stream->capture);
  Context& context = *stream->context;
  auto& streams = context.streams;
  streams.erase(std::remove(streams.begin(), streams.end(), stream), streams.end());
  // Its work goes on, and the default stream still waits for it.
  if (stream->blocking() && !state.scheduler.done(stream->tail)) context.orphans.push_back(stream->tail);
  return CUDA_SUCCESS;
}

StreamPtr checked_stream(CUstream handle) {
  return stream_of(current_context(), handle);
}

CUresult query_stream(CUstream handle) {
  Driver& state = driver();
  const std::lock_guard lock(state.mutex);
  const StreamPtr stream = checked_stream(handle);
  forbid_implicit_dependency(*stream);
  forbid_capture_of(*stream);
  forbid_during_capture();
  if (!state.scheduler.done(frontier(*stream))) return CUDA_ERROR_NOT_READY;
  return stream->context->sticky;
}

CUresult synchronize_stream(CUstream handle) {
  Driver& state = driver();
  std::vector<OperationPtr> work;
  StreamPtr stream;
  {
    const std::lock_guard lock(state.mutex);
    stream = checked_stream(handle);
    forbid_implicit_dependency(*stream);
    forbid_capture_of(*stream);
    forbid_during_capture();
    work = frontier(*stream);
  }
  state.scheduler.wait(work);
  return stream->context->sticky;
}

Task host_task(CUhostFn function, void* data) {
  Task task;
  task.type = CU_GRAPH_NODE_TYPE_HOST;
  task.run = [function, data](Context&) {
    const InCallback guard;
    function(data);
    return CUDA_SUCCESS;
  };
  return task;
}

Task callback_task(CUstream handle, CUstreamCallback function, void* data) {
  Task task;
  task.type = CU_GRAPH_NODE_TYPE_HOST;
  task.even_after_fault = true;  // it is told of the error
  task.run = [=](Context& context) {
    const InCallback guard;
    function(handle, context.sticky, data);
    return CUDA_SUCCESS;
  };
  return task;
}

}  // namespace

CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  return entry([&] { return create_stream(stream, flags, 0); });
}

CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int priority) {
  return entry([&] { return create_stream(stream, flags, priority); });
}

CUresult cuStreamDestroy_v2(CUstream stream) {
  return entry([&] { return destroy_stream(stream); });
}

CUresult cuStreamQuery(CUstream stream) {
  return entry([&] { return query_stream(stream); });
}

CUresult cuStreamSynchronize(CUstream stream) {
  return entry([&] { return synchronize_stream(stream); });
}

CUresult cuStreamGetPriority(CUstream stream, int* priority) {
  return entry([&] {
    require(priority != nullptr);
    const std::lock_guard lock(driver().mutex);
    *priority = checked_stream(stream)->priority;
  });
}

CUresult cuStreamGetFlags(CUstream stream, unsigned* flags) {
  return entry([&] {
    require(flags != nullptr);
    const std::lock_guard lock(driver().mutex);
    *flags = checked_stream(stream)->flags;
  });
}

CUresult cuStreamGetCtx(CUstream stream, CUcontext* context) {
  return entry([&] {
    require(context != nullptr);
    const std::lock_guard lock(driver().mutex);
    *context = checked_stream(stream)->context->handle;
  });
}

CUresult cuStreamGetDevice(CUstream stream, CUdevice* device) {
  return entry([&] {
    require(device != nullptr);
    const std::lock_guard lock(driver().mutex);
    *device = checked_stream(stream)->context->device.ordinal;
  });
}

CUresult cuStreamGetId(CUstream stream, unsigned long long* id) {
  return entry([&] {
    require(id != nullptr);
    const std::lock_guard lock(driver().mutex);
    *id = checked_stream(stream)->id;
  });
}

// Attributes only tune: they are accepted, and read back as zero.
CUresult cuStreamGetAttribute(CUstream stream, CUstreamAttrID attribute, CUstreamAttrValue* value) {
  return entry([&] {
    require(value != nullptr && attribute <= CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT);
    const std::lock_guard lock(driver().mutex);
    const StreamPtr found = checked_stream(stream);
    *value = CUstreamAttrValue{};
    if (attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY) value->priority = found->priority;
  });
}

CUresult cuStreamSetAttribute(CUstream stream, CUstreamAttrID attribute, const CUstreamAttrValue* value) {
  return entry([&] {
    require(value != nullptr && attribute <= CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT);
    const std::lock_guard lock(driver().mutex);
    const StreamPtr found = checked_stream(stream);
    if (attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY)
      found->priority = std::clamp(value->priority, kGreatestPriority, kLeastPriority);
  });
}

CUresult cuStreamCopyAttributes(CUstream to, CUstream from) {
  return entry([&] {
    const std::lock_guard lock(driver().mutex);
    checked_stream(to)->priority = checked_stream(from)->priority;
  });
}

CUresult cuStreamAttachMemAsync(CUstream stream, CUdeviceptr address, size_t /*bytes*/, unsigned flags) {
  return entry([&] {
    require(flags == CU_MEM_ATTACH_GLOBAL || flags == CU_MEM_ATTACH_HOST || flags == CU_MEM_ATTACH_SINGLE);
    const auto allocation = driver().allocations.holding(address);
    require(allocation && allocation->kind == Allocation::Kind::managed);
    const std::lock_guard lock(driver().mutex);
    submit_now(*checked_stream(stream), Task{});
  });
}

CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void* data) {
  return entry([&] {
    require(function != nullptr);
    const std::lock_guard lock(driver().mutex);
    submit(*checked_stream(stream), host_task(function, data));
  });
}

CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback function, void* data, unsigned flags) {
  return entry([&] {
    require(function != nullptr && flags == 0);
    const std::lock_guard lock(driver().mutex);
    submit_now(*checked_stream(stream), callback_task(stream, function, data));
  });
}

CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  return entry([&] {
    current_context();
    if (least != nullptr) *least = kLeastPriority;
    if (greatest != nullptr) *greatest = kGreatestPriority;
  });
}

}  // namespace emulator
