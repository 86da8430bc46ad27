// Events.
#include <chrono>

#include "driver/capture.hpp"

namespace emulator {
namespace {

std::shared_ptr<Event> event_of(CUevent handle) {
  auto event = driver().events.find(handle);
  require(event != nullptr, CUDA_ERROR_INVALID_HANDLE);
  if (const CUresult sticky = event->context->sticky; sticky != CUDA_SUCCESS) fail(sticky);
  return event;
}

/// Throws for an event whose newest record is inside a capture.
OperationPtr recorded_work(const Event& event) {
  if (event.capture) {
    invalidate(*event.capture);
    fail(CUDA_ERROR_CAPTURED_EVENT);
  }
  return event.recorded;
}

CUresult record(CUevent event, CUstream stream, unsigned flags) {
  require(flags <= CU_EVENT_RECORD_EXTERNAL);
  const std::lock_guard lock(driver().mutex);
  const ContextPtr context = current_context();
  record_event(*stream_of(context, stream), event_of(event), flags == CU_EVENT_RECORD_EXTERNAL);
  return CUDA_SUCCESS;
}

CUresult elapsed(float* milliseconds, CUevent first, CUevent last) {
  require(milliseconds != nullptr);
  Driver& state = driver();
  const std::lock_guard lock(state.mutex);
  const auto begin = event_of(first);
  const auto end = event_of(last);
  require(begin->context == end->context, CUDA_ERROR_INVALID_HANDLE);
  require(((begin->flags | end->flags) & CU_EVENT_DISABLE_TIMING) == 0, CUDA_ERROR_INVALID_HANDLE);
  const OperationPtr from = recorded_work(*begin);
  const OperationPtr to = recorded_work(*end);
  require(from != nullptr && to != nullptr, CUDA_ERROR_INVALID_HANDLE);
  if (!state.scheduler.done(from) || !state.scheduler.done(to)) return CUDA_ERROR_NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(to->finished - from->finished).count();
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuEventCreate(CUevent* handle, unsigned flags) {
  return entry([&] {
    require(handle != nullptr && flags <= 7);
    const bool interprocess = (flags & CU_EVENT_INTERPROCESS) != 0;
    require(!interprocess || (flags & CU_EVENT_DISABLE_TIMING) != 0);
    require(!interprocess, CUDA_ERROR_NOT_SUPPORTED);
    auto event = std::make_shared<Event>();
    event->context = current_context();
    event->flags = flags;
    *handle = driver().events.insert(event);
  });
}

CUresult cuEventDestroy_v2(CUevent handle) {
  return entry([&] {
    current_context_even_failed();
    require(driver().events.remove(handle) != nullptr, CUDA_ERROR_INVALID_HANDLE);
  });
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  return entry([&] { return record(event, stream, CU_EVENT_RECORD_DEFAULT); });
}

CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  return entry([&] { return record(event, stream, flags); });
}

CUresult cuEventQuery(CUevent handle) {
  return entry([&] {
    Driver& state = driver();
    const std::lock_guard lock(state.mutex);
    const auto event = event_of(handle);
    const OperationPtr work = recorded_work(*event);
    forbid_during_capture();
    if (!state.scheduler.done(work)) return CUDA_ERROR_NOT_READY;
    return event->context->sticky.load();
  });
}

CUresult cuEventSynchronize(CUevent handle) {
  return entry([&] {
    Driver& state = driver();
    std::shared_ptr<Event> event;
    OperationPtr work;
    {
      const std::lock_guard lock(state.mutex);
      event = event_of(handle);
      work = recorded_work(*event);
      forbid_during_capture();
    }
    state.scheduler.wait({work});
    return event->context->sticky.load();
  });
}

CUresult cuEventElapsedTime(float* milliseconds, CUevent first, CUevent last) {
  return entry([&] { return elapsed(milliseconds, first, last); });
}

CUresult cuEventElapsedTime_v2(float* milliseconds, CUevent first, CUevent last) {
  return entry([&] { return elapsed(milliseconds, first, last); });
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  return entry([&] {
    require(flags <= CU_EVENT_WAIT_EXTERNAL);
    const std::lock_guard lock(driver().mutex);
    wait_event(stream_of(current_context(), stream), event_of(event), flags == CU_EVENT_WAIT_EXTERNAL);
  });
}

}  // namespace emulator
