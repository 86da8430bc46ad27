// The entries for graphs.
#include <algorithm>
#include <utility>

#include "driver/capture.hpp"
#include "driver/copy.hpp"
#include "driver/launch.hpp"

namespace emulator {
namespace {

std::shared_ptr<Graph> graph_of(CUgraph handle) {
  auto graph = driver().graphs.find(handle);
  require(graph != nullptr);
  return graph;
}

NodePtr node_of(CUgraphNode handle) {
  auto node = driver().nodes.find(handle);
  require(node != nullptr);
  return node;
}

std::vector<NodePtr> nodes_of(const CUgraphNode* handles, std::size_t count) {
  require(count == 0 || handles != nullptr);
  std::vector<NodePtr> nodes;
  for (std::size_t i = 0; i < count; ++i) nodes.push_back(node_of(handles[i]));
  return nodes;
}

void no_edge_data(const CUgraphEdgeData* edges, std::size_t count) {
  if (edges == nullptr) return;
  for (std::size_t i = 0; i < count; ++i)
    require(edges[i].type == 0 && edges[i].from_port == 0 && edges[i].to_port == 0, CUDA_ERROR_NOT_SUPPORTED);
}

CUresult add(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, std::size_t count, Task task) {
  require(node != nullptr);
  *node = add_node(graph_of(graph), std::move(task), nodes_of(after, count))->handle;
  return CUDA_SUCCESS;
}

/// Writes up to *count handles, or with no place to write only tells how many there are.
void hand_out(const std::vector<CUgraphNode>& handles, CUgraphNode* to, std::size_t* count) {
  require(count != nullptr);
  if (to == nullptr) {
    *count = handles.size();
    return;
  }
  for (std::size_t i = 0; i < *count; ++i) to[i] = i < handles.size() ? handles[i] : nullptr;
  *count = std::min(*count, handles.size());
}

std::vector<CUgraphNode> handles_of(const std::vector<NodePtr>& nodes) {
  std::vector<CUgraphNode> handles;
  for (const NodePtr& node : nodes) handles.push_back(node->handle);
  return handles;
}

CUresult add_dependencies(CUgraph handle, const CUgraphNode* from, const CUgraphNode* to, std::size_t count) {
  const auto graph = graph_of(handle);
  const auto earlier = nodes_of(from, count);
  const auto later = nodes_of(to, count);
  for (std::size_t i = 0; i < count; ++i) {
    require(earlier[i]->graph.lock() == graph && later[i]->graph.lock() == graph && earlier[i] != later[i]);
    auto& after = later[i]->after;
    require(std::find(after.begin(), after.end(), earlier[i]) == after.end());
    after.push_back(earlier[i]);
  }
  return CUDA_SUCCESS;
}

CUresult get_edges(CUgraph handle, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* edges, std::size_t* count) {
  require(count != nullptr && (from == nullptr) == (to == nullptr));
  std::vector<CUgraphNode> earlier;
  std::vector<CUgraphNode> later;
  for (const NodePtr& node : graph_of(handle)->nodes)
    for (const NodePtr& before : node->after) {
      earlier.push_back(before->handle);
      later.push_back(node->handle);
    }
  const std::size_t room = *count;
  hand_out(earlier, from, count);
  *count = from == nullptr ? *count : room;
  hand_out(later, to, count);
  if (edges != nullptr && to != nullptr) std::fill_n(edges, *count, CUgraphEdgeData{});
  return CUDA_SUCCESS;
}

void forget_nodes(const Graph& graph) {
  for (const NodePtr& node : graph.nodes) {
    driver().nodes.remove(node->handle);
    if (!node->task.child) continue;
    forget_nodes(*node->task.child);
    driver().graphs.remove(node->task.child->handle);
  }
}

CUresult destroy_node(CUgraphNode handle) {
  const NodePtr node = node_of(handle);
  const auto graph = node->graph.lock();
  require(graph != nullptr);
  for (const NodePtr& other : graph->nodes)
    other->after.erase(std::remove(other->after.begin(), other->after.end(), node), other->after.end());
  graph->nodes.erase(std::remove(graph->nodes.begin(), graph->nodes.end(), node), graph->nodes.end());
  driver().nodes.remove(handle);
  return CUDA_SUCCESS;
}

std::shared_ptr<KernelCall> call_of(const CUDA_KERNEL_NODE_PARAMS& parameters) {
  const ContextPtr context = parameters.ctx != nullptr ? context_of(parameters.ctx) : current_context();
  const auto function = parameters.func != nullptr ? parameters.func : reinterpret_cast<CUfunction>(parameters.kern);
  require(function != nullptr);
  return make_call(context, function, {parameters.gridDimX, parameters.gridDimY, parameters.gridDimZ},
                   {parameters.blockDimX, parameters.blockDimY, parameters.blockDimZ}, parameters.sharedMemBytes,
                   parameters.kernelParams, parameters.extra);
}

void describe(KernelCall& call, CUDA_KERNEL_NODE_PARAMS& out) {
  out = {};
  out.func = call.function->handle;
  out.gridDimX = call.grid[0];
  out.gridDimY = call.grid[1];
  out.gridDimZ = call.grid[2];
  out.blockDimX = call.block[0];
  out.blockDimY = call.block[1];
  out.blockDimZ = call.block[2];
  out.sharedMemBytes = call.dynamic_shared;
  out.kernelParams = call.pointers.data();
  if (const ContextPtr context = call.function->context.lock()) out.ctx = context->handle;
}

CUresult instantiate(CUgraphExec* handle, CUgraph graph, unsigned long long flags) {
  require(handle != nullptr);
  require((flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH) == 0, CUDA_ERROR_NOT_SUPPORTED);
  require(flags <= 15);
  auto exec = std::make_shared<GraphExec>();
  exec->context = current_context();
  exec->flags = flags;
  exec->steps = flatten(*graph_of(graph));
  *handle = driver().graph_execs.insert(exec);
  return CUDA_SUCCESS;
}

std::shared_ptr<GraphExec> exec_of(CUgraphExec handle) {
  auto exec = driver().graph_execs.find(handle);
  require(exec != nullptr);
  return exec;
}

/// What a captured launch becomes: the steps as a graph of their own.
std::shared_ptr<Graph> as_graph(const GraphExec& exec) {
  auto graph = std::make_shared<Graph>();
  driver().graphs.insert(graph);
  for (const GraphExec::Step& step : exec.steps) {
    std::vector<NodePtr> after;
    for (const std::size_t position : step.after) after.push_back(graph->nodes[position]);
    add_node(graph, step.task, after);
  }
  return graph;
}

CUresult launch_graph(CUgraphExec handle, CUstream stream_handle) {
  const ContextPtr context = current_context();
  const StreamPtr stream = stream_of(context, stream_handle);
  const auto exec = exec_of(handle);
  require(exec->context == stream->context, CUDA_ERROR_INVALID_HANDLE);
  forbid_implicit_dependency(*stream);
  if (!stream->capture) {
    launch(*exec, *stream);
    return CUDA_SUCCESS;
  }
  require(!stream->capture->invalid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  Task task;
  task.type = CU_GRAPH_NODE_TYPE_GRAPH;
  task.child = as_graph(*exec);
  capture(*stream, std::move(task));
  return CUDA_SUCCESS;
}

Task event_task(CUgraphNodeType type, CUevent handle) {
  Task task;
  task.type = type;
  task.event = driver().events.find(handle);
  require(task.event != nullptr, CUDA_ERROR_INVALID_HANDLE);
  return task;
}

/// An entry that reads or changes graphs: the driver's lock is held.
template <class Body>
CUresult graph_entry(Body body) {
  return entry([&] {
    const std::lock_guard lock(driver().mutex);
    return body();
  });
}

}  // namespace

CUresult cuGraphCreate(CUgraph* graph, unsigned flags) {
  return graph_entry([&] {
    require(graph != nullptr && flags == 0);
    *graph = driver().graphs.insert(std::make_shared<Graph>());
  });
}

CUresult cuGraphDestroy(CUgraph handle) {
  return graph_entry([&] {
    const auto graph = graph_of(handle);
    forget_nodes(*graph);
    driver().graphs.remove(handle);
  });
}

CUresult cuGraphClone(CUgraph* copy, CUgraph original) {
  return graph_entry([&] {
    require(copy != nullptr);
    *copy = clone(*graph_of(original))->handle;
  });
}

CUresult cuGraphAddKernelNode_v2(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count,
                                 const CUDA_KERNEL_NODE_PARAMS* parameters) {
  return graph_entry([&] {
    require(parameters != nullptr);
    return add(node, graph, after, count, kernel_task(call_of(*parameters)));
  });
}

CUresult cuGraphAddMemcpyNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count,
                              const CUDA_MEMCPY3D* copy, CUcontext context) {
  return graph_entry([&] {
    require(copy != nullptr);
    context_of(context);
    return add(node, graph, after, count, copy_task(describe(*copy)));
  });
}

CUresult cuGraphAddMemsetNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count,
                              const CUDA_MEMSET_NODE_PARAMS* fill, CUcontext context) {
  return graph_entry([&] {
    require(fill != nullptr);
    context_of(context);
    return add(node, graph, after, count,
               fill_task({fill->dst, fill->pitch, fill->value, fill->elementSize, fill->width, fill->height}));
  });
}

CUresult cuGraphAddHostNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count,
                            const CUDA_HOST_NODE_PARAMS* host) {
  return graph_entry([&] {
    require(host != nullptr && host->fn != nullptr);
    Task task;
    task.type = CU_GRAPH_NODE_TYPE_HOST;
    task.run = [function = host->fn, data = host->userData](Context&) {
      const InCallback guard;
      function(data);
      return CUDA_SUCCESS;
    };
    return add(node, graph, after, count, std::move(task));
  });
}

CUresult cuGraphAddChildGraphNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count,
                                  CUgraph child) {
  return graph_entry([&] {
    Task task;
    task.type = CU_GRAPH_NODE_TYPE_GRAPH;
    task.child = clone(*graph_of(child));
    return add(node, graph, after, count, std::move(task));
  });
}

CUresult cuGraphAddEmptyNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count) {
  return graph_entry([&] { return add(node, graph, after, count, Task{}); });
}

CUresult cuGraphAddEventRecordNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count,
                                   CUevent event) {
  return graph_entry(
      [&] { return add(node, graph, after, count, event_task(CU_GRAPH_NODE_TYPE_EVENT_RECORD, event)); });
}

CUresult cuGraphAddEventWaitNode(CUgraphNode* node, CUgraph graph, const CUgraphNode* after, size_t count,
                                 CUevent event) {
  return graph_entry([&] { return add(node, graph, after, count, event_task(CU_GRAPH_NODE_TYPE_WAIT_EVENT, event)); });
}

CUresult cuGraphAddDependencies(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to, size_t count) {
  return graph_entry([&] { return add_dependencies(graph, from, to, count); });
}

CUresult cuGraphAddDependencies_v2(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to,
                                   const CUgraphEdgeData* edges, size_t count) {
  return graph_entry([&] {
    no_edge_data(edges, count);
    return add_dependencies(graph, from, to, count);
  });
}

CUresult cuGraphDestroyNode(CUgraphNode node) {
  return graph_entry([&] { return destroy_node(node); });
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
  return graph_entry([&] { hand_out(handles_of(graph_of(graph)->nodes), nodes, count); });
}

CUresult cuGraphGetRootNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
  return graph_entry([&] {
    std::vector<CUgraphNode> roots;
    for (const NodePtr& node : graph_of(graph)->nodes)
      if (node->after.empty()) roots.push_back(node->handle);
    hand_out(roots, nodes, count);
  });
}

CUresult cuGraphGetEdges(CUgraph graph, CUgraphNode* from, CUgraphNode* to, size_t* count) {
  return graph_entry([&] { return get_edges(graph, from, to, nullptr, count); });
}

CUresult cuGraphGetEdges_v2(CUgraph graph, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* edges, size_t* count) {
  return graph_entry([&] { return get_edges(graph, from, to, edges, count); });
}

CUresult cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType* type) {
  return graph_entry([&] {
    require(type != nullptr);
    *type = node_of(node)->task.type;
  });
}

CUresult cuGraphNodeGetDependencies(CUgraphNode node, CUgraphNode* after, size_t* count) {
  return graph_entry([&] { hand_out(handles_of(node_of(node)->after), after, count); });
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode node, CUgraphNode* after, CUgraphEdgeData* edges, size_t* count) {
  return graph_entry([&] {
    hand_out(handles_of(node_of(node)->after), after, count);
    if (edges != nullptr && after != nullptr) std::fill_n(edges, *count, CUgraphEdgeData{});
  });
}

CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS* parameters) {
  return graph_entry([&] {
    const NodePtr node = node_of(handle);
    require(parameters != nullptr && node->task.kernel != nullptr);
    describe(*node->task.kernel, *parameters);
  });
}

CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode handle, const CUDA_KERNEL_NODE_PARAMS* parameters) {
  return graph_entry([&] {
    const NodePtr node = node_of(handle);
    require(parameters != nullptr && node->task.kernel != nullptr);
    node->task = kernel_task(call_of(*parameters));
  });
}

CUresult cuGraphInstantiate_v2(CUgraphExec* exec, CUgraph graph, CUgraphNode* bad_node, char* log, size_t log_bytes) {
  return graph_entry([&] {
    if (bad_node != nullptr) *bad_node = nullptr;
    if (log != nullptr && log_bytes > 0) *log = '\0';
    return instantiate(exec, graph, 0);
  });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph, unsigned long long flags) {
  return graph_entry([&] { return instantiate(exec, graph, flags); });
}

CUresult cuGraphInstantiateWithParams(CUgraphExec* exec, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS* parameters) {
  return graph_entry([&] {
    require(parameters != nullptr);
    parameters->hErrNode_out = nullptr;
    parameters->result_out = CUDA_GRAPH_INSTANTIATE_ERROR;
    instantiate(exec, graph, parameters->flags);
    parameters->result_out = CUDA_GRAPH_INSTANTIATE_SUCCESS;
  });
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  return graph_entry([&] { return launch_graph(exec, stream); });
}

CUresult cuGraphUpload(CUgraphExec exec, CUstream stream) {
  return graph_entry([&] {
    exec_of(exec);
    submit_now(*stream_of(current_context(), stream), Task{});
  });
}

CUresult cuGraphExecDestroy(CUgraphExec exec) {
  return graph_entry([&] { require(driver().graph_execs.remove(exec) != nullptr); });
}

CUresult cuGraphExecGetFlags(CUgraphExec exec, uint64_t* flags) {
  return graph_entry([&] {
    require(flags != nullptr);
    *flags = exec_of(exec)->flags;
  });
}

CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec handle, CUgraphNode source,
                                           const CUDA_KERNEL_NODE_PARAMS* parameters) {
  return graph_entry([&] {
    require(parameters != nullptr);
    const auto exec = exec_of(handle);
    for (GraphExec::Step& step : exec->steps) {
      if (step.source != source || step.task.kernel == nullptr) continue;
      step.task = kernel_task(call_of(*parameters));
      return CUDA_SUCCESS;
    }
    return CUDA_ERROR_INVALID_VALUE;
  });
}

}  // namespace emulator
