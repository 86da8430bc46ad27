// From an entry to the device: a task is put into its stream's order, or into the graph that the stream is capturing.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "driver/entry.hpp"

namespace emulator {

struct KernelCall;

/// What a stream or a graph node does.
struct Task {
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  std::function<CUresult(Context&)> run;  ///< empty: nothing
  std::shared_ptr<KernelCall> kernel;     ///< for kernel nodes
  std::shared_ptr<Graph> child;           ///< for child graph nodes
  std::shared_ptr<Event> event;           ///< for event nodes
  bool even_after_fault = false;
};

/// The stream behind a handle, where null and 1 are the legacy default stream and 2 the thread's own. Throws for a
/// wrong handle. Driver::mutex is held.
StreamPtr stream_of(const ContextPtr& current, CUstream handle);

/// All work that a new operation on this stream would wait for. Driver::mutex is held.
std::vector<OperationPtr> frontier(const Stream& stream);

/// Puts an operation behind everything that the stream has; `also` are further conditions. Driver::mutex is held.
void enqueue(Stream& stream, const OperationPtr& operation, const std::vector<OperationPtr>& also = {});

/// Enqueues the task, or captures it. Throws the fitting error for a stream whose capture is broken, and for the legacy
/// stream while a blocking stream of its context is capturing. The operation, or null when captured. Driver::mutex is
/// held.
OperationPtr submit(Stream& stream, Task task);

/// As submit, but refuses to be captured: the stream's capture becomes invalid. Driver::mutex is held.
OperationPtr submit_now(Stream& stream, Task task);

/// Throws where the legacy stream may not be used, and invalidates what it would have waited for. Driver::mutex is
/// held.
void forbid_implicit_dependency(const Stream& stream);

std::shared_ptr<Operation> make_operation(const ContextPtr& context, const Task& task);

}  // namespace emulator
