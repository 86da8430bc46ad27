#include "driver/graph.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace emulator {
namespace {

/// Nodes behind everything they depend on. Throws for a cycle.
std::vector<NodePtr> sorted(const Graph& graph) {
  std::unordered_map<const Node*, std::size_t> open;
  std::unordered_map<const Node*, std::vector<NodePtr>> followers;
  std::vector<NodePtr> order;
  for (const NodePtr& node : graph.nodes) {
    open[node.get()] = node->after.size();
    for (const NodePtr& earlier : node->after) followers[earlier.get()].push_back(node);
    if (node->after.empty()) order.push_back(node);
  }
  for (std::size_t at = 0; at < order.size(); ++at)
    for (const NodePtr& follower : followers[order[at].get()])
      if (--open[follower.get()] == 0) order.push_back(follower);
  require(order.size() == graph.nodes.size());
  return order;
}

void add_unique(std::vector<std::size_t>& to, const std::vector<std::size_t>& from) {
  for (const std::size_t position : from)
    if (std::find(to.begin(), to.end(), position) == to.end()) to.push_back(position);
}

void append(const Graph& graph, const std::vector<std::size_t>& before, std::vector<GraphExec::Step>& steps);

/// A child graph becomes a meeting point before it, its steps, and a meeting point behind them.
std::size_t append_child(const Node& node, std::vector<std::size_t> after, std::vector<GraphExec::Step>& steps) {
  const std::size_t first = steps.size();
  steps.push_back({Task{}, std::move(after), nullptr});
  append(*node.task.child, {first}, steps);
  std::vector<std::size_t> inside(steps.size() - first);
  for (std::size_t i = 0; i < inside.size(); ++i) inside[i] = first + i;
  steps.push_back({Task{}, std::move(inside), node.handle});
  return steps.size() - 1;
}

void append(const Graph& graph, const std::vector<std::size_t>& before, std::vector<GraphExec::Step>& steps) {
  std::unordered_map<const Node*, std::size_t> position;
  for (const NodePtr& node : sorted(graph)) {
    std::vector<std::size_t> after;
    for (const NodePtr& earlier : node->after) add_unique(after, {position.at(earlier.get())});
    if (node->after.empty()) after = before;
    if (node->task.child) {
      position[node.get()] = append_child(*node, std::move(after), steps);
      continue;
    }
    position[node.get()] = steps.size();
    steps.push_back({node->task, std::move(after), node->handle});
  }
}

}  // namespace

NodePtr add_node(const std::shared_ptr<Graph>& graph, Task task, const std::vector<NodePtr>& after) {
  auto node = std::make_shared<Node>();
  node->graph = graph;
  node->task = std::move(task);
  for (const NodePtr& earlier : after) {
    require(earlier->graph.lock() == graph);
    require(std::find(node->after.begin(), node->after.end(), earlier) == node->after.end());
    node->after.push_back(earlier);
  }
  driver().nodes.insert(node);
  graph->nodes.push_back(node);
  return node;
}

std::shared_ptr<Graph> clone(const Graph& graph) {
  auto copy = std::make_shared<Graph>();
  driver().graphs.insert(copy);
  std::unordered_map<const Node*, NodePtr> twin;
  for (const NodePtr& node : sorted(graph)) {
    Task task = node->task;
    if (task.child) task.child = clone(*task.child);
    std::vector<NodePtr> after;
    for (const NodePtr& earlier : node->after) after.push_back(twin.at(earlier.get()));
    twin[node.get()] = add_node(copy, std::move(task), after);
  }
  return copy;
}

std::vector<GraphExec::Step> flatten(const Graph& graph) {
  std::vector<GraphExec::Step> steps;
  append(graph, {}, steps);
  return steps;
}

void launch(GraphExec& exec, Stream& stream) {
  Driver& state = driver();
  // Everything waits for the stream, and for the launch before this one.
  const OperationPtr gate = make_operation(stream.context, Task{});
  enqueue(stream, gate, {exec.tail});
  std::vector<OperationPtr> operations;
  for (const GraphExec::Step& step : exec.steps) {
    OperationPtr operation = make_operation(stream.context, step.task);
    std::vector<OperationPtr> after{gate};
    for (const std::size_t position : step.after) after.push_back(operations[position]);
    if (step.task.event && step.task.type == CU_GRAPH_NODE_TYPE_WAIT_EVENT) after.push_back(step.task.event->recorded);
    if (step.task.event && step.task.type == CU_GRAPH_NODE_TYPE_EVENT_RECORD) {
      step.task.event->recorded = operation;
      step.task.event->capture.reset();
    }
    state.scheduler.submit(operation, after);
    operations.push_back(std::move(operation));
  }
  exec.tail = make_operation(stream.context, Task{});
  enqueue(stream, exec.tail, operations);
}

}  // namespace emulator
