#include "driver/submit.hpp"

#include <algorithm>
#include <utility>

#include "driver/capture.hpp"

namespace emulator {
namespace {

constexpr std::uintptr_t kLegacy = 1;
constexpr std::uintptr_t kPerThread = 2;

StreamPtr per_thread_stream(const ContextPtr& context) {
  StreamPtr& stream = context->per_thread[std::this_thread::get_id()];
  if (stream) return stream;
  stream = std::make_shared<Stream>();
  stream->context = context;
  stream->id = ++driver().serial;
  context->streams.push_back(stream);
  return stream;
}

}  // namespace

StreamPtr stream_of(const ContextPtr& current, CUstream handle) {
  const auto value = reinterpret_cast<std::uintptr_t>(handle);
  require(!current->destroyed, CUDA_ERROR_CONTEXT_IS_DESTROYED);
  if (value == 0 || value == kLegacy) return current->legacy;
  if (value == kPerThread) return per_thread_stream(current);
  StreamPtr stream = driver().streams.find(handle);
  require(stream != nullptr && !stream->context->destroyed, CUDA_ERROR_INVALID_HANDLE);
  if (const CUresult sticky = stream->context->sticky; sticky != CUDA_SUCCESS) fail(sticky);
  return stream;
}

std::vector<OperationPtr> frontier(const Stream& stream) {
  std::vector<OperationPtr> result{stream.tail};
  if (stream.legacy) {
    for (const StreamPtr& other : stream.context->streams)
      if (other->blocking()) result.push_back(other->tail);
    result.insert(result.end(), stream.context->orphans.begin(), stream.context->orphans.end());
  } else if (stream.blocking()) {
    result.push_back(stream.context->legacy->tail);
  }
  return result;
}

void enqueue(Stream& stream, const OperationPtr& operation, const std::vector<OperationPtr>& also) {
  std::vector<OperationPtr> after = frontier(stream);
  after.insert(after.end(), also.begin(), also.end());
  stream.tail = operation;
  if (stream.legacy) stream.context->orphans.clear();
  driver().scheduler.submit(operation, after);
}

OperationPtr make_operation(const ContextPtr& context, const Task& task) {
  auto operation = std::make_shared<Operation>();
  operation->context = context;
  operation->even_after_fault = task.even_after_fault;
  if (task.run) operation->work = [run = task.run, owner = context.get()] { return run(*owner); };
  return operation;
}

void forbid_implicit_dependency(const Stream& stream) {
  if (!stream.legacy) return;
  bool capturing = false;
  for (const StreamPtr& other : stream.context->streams) {
    if (!other->capture || !other->blocking()) continue;
    invalidate(*other->capture);
    capturing = true;
  }
  require(!capturing, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
}

OperationPtr submit(Stream& stream, Task task) {
  forbid_implicit_dependency(stream);
  if (stream.capture) {
    capture(stream, std::move(task));
    return nullptr;
  }
  OperationPtr operation = make_operation(stream.context, task);
  enqueue(stream, operation);
  return operation;
}

OperationPtr submit_now(Stream& stream, Task task) {
  forbid_implicit_dependency(stream);
  forbid_capture_of(stream);
  return submit(stream, std::move(task));
}

}  // namespace emulator
