#include "driver/capture.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace emulator {
namespace {

/// How the calling thread's unsafe calls interact with captures.
CUstreamCaptureMode& thread_capture_mode() {
  thread_local CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  return mode;
}

void append_new(std::vector<NodePtr>& to, const std::vector<NodePtr>& from) {
  for (const NodePtr& node : from)
    if (std::find(to.begin(), to.end(), node) == to.end()) to.push_back(node);
}

void join(const StreamPtr& stream, const std::shared_ptr<Capture>& capture) {
  stream->capture = capture;
  stream->frontier.clear();
  capture->members.push_back(stream);
}

/// Every node that the origin's end depends on, itself included.
std::unordered_set<const Node*> joined_nodes(const Stream& origin) {
  std::unordered_set<const Node*> seen;
  std::vector<NodePtr> open = origin.frontier;
  while (!open.empty()) {
    const NodePtr node = std::move(open.back());
    open.pop_back();
    if (seen.insert(node.get()).second) open.insert(open.end(), node->after.begin(), node->after.end());
  }
  return seen;
}

bool all_joined(const Capture& capture, const Stream& origin) {
  const auto joined = joined_nodes(origin);
  for (const auto& member : capture.members)
    if (const StreamPtr stream = member.lock())
      for (const NodePtr& node : stream->frontier)
        if (!joined.contains(node.get())) return false;
  return true;
}

}  // namespace

void invalidate(Capture& capture) {
  capture.invalid = true;
}

void finish(const std::shared_ptr<Capture>& capture) {
  for (const auto& member : capture->members)
    if (const StreamPtr stream = member.lock(); stream && stream->capture == capture) {
      stream->capture.reset();
      stream->frontier.clear();
    }
  auto& all = driver_if_initialized()->captures;
  all.erase(std::remove(all.begin(), all.end(), capture), all.end());
}

void forbid_during_capture() {
  const CUstreamCaptureMode mode = thread_capture_mode();
  if (mode == CU_STREAM_CAPTURE_MODE_RELAXED) return;
  bool disturbed = false;
  for (const auto& capture : driver().captures) {
    const bool mine = capture->thread == std::this_thread::get_id();
    const bool counts = mine ? capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED
                             : mode == CU_STREAM_CAPTURE_MODE_GLOBAL && capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (!counts) continue;
    invalidate(*capture);
    disturbed = true;
  }
  require(!disturbed, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

void forbid_capture_in(const Context& context) {
  bool capturing = false;
  for (const StreamPtr& stream : context.streams) {
    if (!stream->capture) continue;
    invalidate(*stream->capture);
    capturing = true;
  }
  require(!capturing, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

void forbid_capture_of(const Stream& stream) {
  if (!stream.capture) return;
  invalidate(*stream.capture);
  fail(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

NodePtr capture(Stream& stream, Task task) {
  require(!stream.capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  NodePtr node = add_node(stream.capture->graph, std::move(task), stream.frontier);
  stream.frontier.assign(1, node);
  return node;
}

void record_event(Stream& stream, const std::shared_ptr<Event>& event, bool external) {
  require(event->context == stream.context, CUDA_ERROR_INVALID_HANDLE);
  forbid_implicit_dependency(stream);
  if (stream.capture && external) {
    Task task;
    task.type = CU_GRAPH_NODE_TYPE_EVENT_RECORD;
    task.event = event;
    capture(stream, std::move(task));
    return;
  }
  if (stream.capture) {
    require(!stream.capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    event->capture = stream.capture;
    event->captured = stream.frontier;
    event->recorded.reset();
    return;
  }
  event->capture.reset();
  event->captured.clear();
  event->recorded = make_operation(stream.context, Task{});
  enqueue(stream, event->recorded);
}

void wait_event(const StreamPtr& stream, const std::shared_ptr<Event>& event, bool external) {
  forbid_implicit_dependency(*stream);
  if (stream->capture && stream->capture->invalid) fail(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  if (stream->capture && external) {
    Task task;
    task.type = CU_GRAPH_NODE_TYPE_WAIT_EVENT;
    task.event = event;
    capture(*stream, std::move(task));
    return;
  }
  if (event->capture) {
    const auto& all = driver().captures;
    require(std::find(all.begin(), all.end(), event->capture) != all.end(), CUDA_ERROR_CAPTURED_EVENT);
    require(!event->capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    if (stream->capture && stream->capture != event->capture) {
      invalidate(*stream->capture);
      invalidate(*event->capture);
      fail(CUDA_ERROR_STREAM_CAPTURE_MERGE);
    }
    if (stream->legacy) {
      invalidate(*event->capture);
      fail(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    }
    if (!stream->capture) join(stream, event->capture);
    append_new(stream->frontier, event->captured);
    return;
  }
  if (!event->recorded) return;  // never recorded: nothing to wait for
  if (stream->capture) {
    invalidate(*stream->capture);
    fail(CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  }
  enqueue(*stream, make_operation(stream->context, Task{}), {event->recorded});
}

namespace {

void begin_capture(CUstream handle, const std::shared_ptr<Graph>& into, const std::vector<NodePtr>& after,
                   CUstreamCaptureMode mode) {
  require(mode <= CU_STREAM_CAPTURE_MODE_RELAXED);
  Driver& state = driver();
  const StreamPtr stream = stream_of(current_context(), handle);
  require(!stream->legacy, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  require(!stream->capture, CUDA_ERROR_ILLEGAL_STATE);
  auto capture = std::make_shared<Capture>();
  capture->id = ++state.serial;
  capture->mode = mode;
  capture->thread = std::this_thread::get_id();
  capture->into_existing_graph = into != nullptr;
  capture->graph = into ? into : std::make_shared<Graph>();
  if (!into) state.graphs.insert(capture->graph);
  capture->origin = stream;
  join(stream, capture);
  stream->frontier = after;
  state.captures.push_back(capture);
}

CUresult end_capture(const StreamPtr& stream, CUgraph* graph) {
  Driver& state = driver();
  const auto capture = stream->capture;
  if (graph != nullptr) *graph = nullptr;
  require(capture != nullptr, CUDA_ERROR_ILLEGAL_STATE);
  require(capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED || capture->thread == std::this_thread::get_id(),
          CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
  if (capture->origin.lock() != stream) {
    invalidate(*capture);
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  }
  const bool joined = all_joined(*capture, *stream);
  finish(capture);
  if (capture->invalid || !joined) {
    if (!capture->into_existing_graph) {
      state.graphs.remove(capture->graph->handle);
      for (const NodePtr& node : capture->graph->nodes) state.nodes.remove(node->handle);
    }
    return capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  }
  if (graph != nullptr) *graph = capture->graph->handle;
  return CUDA_SUCCESS;
}

std::vector<NodePtr> nodes_of(const Graph& graph, const CUgraphNode* handles, std::size_t count) {
  std::vector<NodePtr> result;
  require(count == 0 || handles != nullptr);
  for (std::size_t i = 0; i < count; ++i) {
    NodePtr node = driver().nodes.find(handles[i]);
    require(node != nullptr && node->graph.lock().get() == &graph);
    result.push_back(std::move(node));
  }
  return result;
}

/// The handles that cuStreamGetCaptureInfo shows stay valid until the thread asks again.
const std::vector<CUgraphNode>& handles_of(const std::vector<NodePtr>& nodes) {
  thread_local std::vector<CUgraphNode> handles;
  handles.clear();
  for (const NodePtr& node : nodes) handles.push_back(node->handle);
  return handles;
}

bool blocking_capture_in(const Context& context) {
  return std::any_of(context.streams.begin(), context.streams.end(),
                     [](const StreamPtr& stream) { return stream->blocking() && stream->capture; });
}

CUresult capture_info(CUstream handle, CUstreamCaptureStatus* status, uint64_t* id, CUgraph* graph,
                      const CUgraphNode** dependencies, const CUgraphEdgeData** edges, size_t* count) {
  require(status != nullptr);
  Driver& state = driver();
  const std::lock_guard lock(state.mutex);
  const StreamPtr stream = stream_of(current_context(), handle);
  require(!stream->legacy || !blocking_capture_in(*stream->context), CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
  *status = CU_STREAM_CAPTURE_STATUS_NONE;
  if (!stream->capture) return CUDA_SUCCESS;
  *status = stream->capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  if (id != nullptr) *id = stream->capture->id;
  if (stream->capture->invalid) return CUDA_SUCCESS;
  if (graph != nullptr) *graph = stream->capture->graph->handle;
  if (dependencies != nullptr) *dependencies = handles_of(stream->frontier).data();
  if (edges != nullptr) *edges = nullptr;
  if (count != nullptr) *count = stream->frontier.size();
  return CUDA_SUCCESS;
}

CUresult update_dependencies(CUstream handle, const CUgraphNode* nodes, size_t count, unsigned flags) {
  require(flags <= CU_STREAM_SET_CAPTURE_DEPENDENCIES);
  Driver& state = driver();
  const std::lock_guard lock(state.mutex);
  const StreamPtr stream = stream_of(current_context(), handle);
  require(stream->capture != nullptr, CUDA_ERROR_ILLEGAL_STATE);
  require(!stream->capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  const auto given = nodes_of(*stream->capture->graph, nodes, count);
  if (flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES) stream->frontier.clear();
  append_new(stream->frontier, given);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  return entry([&] {
    const std::lock_guard lock(driver().mutex);
    begin_capture(stream, nullptr, {}, mode);
  });
}

CUresult cuStreamBeginCaptureToGraph(CUstream stream, CUgraph handle, const CUgraphNode* after,
                                     const CUgraphEdgeData* edges, size_t count, CUstreamCaptureMode mode) {
  return entry([&] {
    require(edges == nullptr, CUDA_ERROR_NOT_SUPPORTED);
    const std::lock_guard lock(driver().mutex);
    const auto graph = driver().graphs.find(handle);
    require(graph != nullptr);
    begin_capture(stream, graph, nodes_of(*graph, after, count), mode);
  });
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  return entry([&] {
    require(graph != nullptr);
    const std::lock_guard lock(driver().mutex);
    return end_capture(stream_of(current_context(), stream), graph);
  });
}

CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* status) {
  return entry([&] { return capture_info(stream, status, nullptr, nullptr, nullptr, nullptr, nullptr); });
}

CUresult cuStreamGetCaptureInfo_v2(CUstream stream, CUstreamCaptureStatus* status, uint64_t* id, CUgraph* graph,
                                   const CUgraphNode** dependencies, size_t* count) {
  return entry([&] { return capture_info(stream, status, id, graph, dependencies, nullptr, count); });
}

CUresult cuStreamGetCaptureInfo_v3(CUstream stream, CUstreamCaptureStatus* status, uint64_t* id, CUgraph* graph,
                                   const CUgraphNode** dependencies, const CUgraphEdgeData** edges, size_t* count) {
  return entry([&] { return capture_info(stream, status, id, graph, dependencies, edges, count); });
}

CUresult cuStreamUpdateCaptureDependencies(CUstream stream, CUgraphNode* nodes, size_t count, unsigned flags) {
  return entry([&] { return update_dependencies(stream, nodes, count, flags); });
}

CUresult cuStreamUpdateCaptureDependencies_v2(CUstream stream, CUgraphNode* nodes, const CUgraphEdgeData* edges,
                                              size_t count, unsigned flags) {
  return entry([&] {
    require(edges == nullptr, CUDA_ERROR_NOT_SUPPORTED);
    return update_dependencies(stream, nodes, count, flags);
  });
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  return entry([&] {
    driver();
    require(mode != nullptr && *mode <= CU_STREAM_CAPTURE_MODE_RELAXED);
    std::swap(thread_capture_mode(), *mode);
  });
}

}  // namespace emulator
