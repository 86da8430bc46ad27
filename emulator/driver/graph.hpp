// Graphs, their nodes, and what instantiating one gives.
#pragma once

#include <vector>

#include "driver/submit.hpp"

namespace emulator {

struct Node {
  CUgraphNode handle = nullptr;
  std::weak_ptr<Graph> graph;
  Task task;
  std::vector<NodePtr> after;
};

struct Graph {
  CUgraph handle = nullptr;
  std::vector<NodePtr> nodes;  ///< in the order they were added
  bool owned_by_node = false;  ///< the copy inside a child graph node
};

/// A graph ready to launch: child graphs dissolved, dependencies as positions, every node behind those it depends on.
struct GraphExec {
  struct Step {
    Task task;
    std::vector<std::size_t> after;
    CUgraphNode source = nullptr;
  };
  CUgraphExec handle = nullptr;
  ContextPtr context;
  unsigned long long flags = 0;
  std::vector<Step> steps;
  OperationPtr tail;  ///< of its newest launch: launches of one executable graph follow each other
};

/// Adds a node. Driver::mutex is held.
NodePtr add_node(const std::shared_ptr<Graph>& graph, Task task, const std::vector<NodePtr>& after);

/// A deep copy, child graphs included. Driver::mutex is held.
std::shared_ptr<Graph> clone(const Graph& graph);

/// Throws CUDA_ERROR_INVALID_VALUE when the graph has a cycle. Driver::mutex is held.
std::vector<GraphExec::Step> flatten(const Graph& graph);

/// Enqueues all of it on the stream. Driver::mutex is held.
void launch(GraphExec& exec, Stream& stream);

}  // namespace emulator
