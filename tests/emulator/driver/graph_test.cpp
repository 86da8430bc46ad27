// Graphs: built by hand, cloned, launched again and again.
#include <atomic>
#include <random>

#include "api.hpp"
#include "kernels.hpp"

namespace driver_test {
namespace {

class GraphTest : public DriverTest {
 protected:
  CUgraph make() {
    CUgraph graph = nullptr;
    EXPECT_OK(driver.cuGraphCreate(&graph, 0));
    return graph;
  }
  CUgraphNode fill(CUgraph graph, const std::vector<CUgraphNode>& after, CUdeviceptr to, unsigned value) {
    CUgraphNode node = nullptr;
    const CUDA_MEMSET_NODE_PARAMS parameters{to, 0, value, 4, 1, 1};
    EXPECT_OK(driver.cuGraphAddMemsetNode(&node, graph, after.data(), after.size(), &parameters, context));
    return node;
  }
  CUgraphExec instantiate(CUgraph graph) {
    CUgraphExec exec = nullptr;
    EXPECT_OK(driver.cuGraphInstantiateWithFlags(&exec, graph, 0));
    return exec;
  }
};

TEST_F(GraphTest, NodesRunBehindWhatTheyDependOn) {
  // A random acyclic graph of host nodes, each of which checks that those before it ran.
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  struct Step {
    std::vector<const Step*> after;
    std::atomic<int> runs{0};
    std::atomic<int> early{0};
  };
  constexpr int kSteps = 60;
  std::vector<Step> steps(kSteps);
  std::vector<CUgraphNode> nodes(kSteps);
  const CUgraph graph = make();
  const auto run = [](void* data) {
    auto& step = *static_cast<Step*>(data);
    for (const Step* before : step.after)
      if (before->runs <= step.runs) ++step.early;
    ++step.runs;
  };
  for (int i = 0; i < kSteps; ++i) {
    std::vector<CUgraphNode> after;
    for (int j = 0; j < i; ++j)
      if (random() % 8 == 0) {
        after.push_back(nodes[j]);
        steps[i].after.push_back(&steps[j]);
      }
    const CUDA_HOST_NODE_PARAMS parameters{run, &steps[i]};
    ASSERT_OK(driver.cuGraphAddHostNode(&nodes[i], graph, after.data(), after.size(), &parameters));
  }
  const CUgraphExec exec = instantiate(graph);
  const CUstream order = stream();
  for (int i = 0; i < 20; ++i) ASSERT_OK(driver.cuGraphLaunch(exec, i % 2 == 0 ? order : nullptr));
  EXPECT_OK(driver.cuCtxSynchronize());
  for (const Step& step : steps) {
    EXPECT_EQ(step.runs, 20);
    EXPECT_EQ(step.early, 0);
  }
}

TEST_F(GraphTest, CyclesAreRefused) {
  const CUgraph graph = make();
  const CUdeviceptr memory = allocate(4);
  const CUgraphNode first = fill(graph, {}, memory, 1);
  const CUgraphNode second = fill(graph, {first}, memory, 2);
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuGraphAddDependencies_v2(graph, &first, &second, nullptr, 1));
  EXPECT_OK(driver.cuGraphAddDependencies_v2(graph, &second, &first, nullptr, 1));
  CUgraphExec exec = nullptr;
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuGraphInstantiateWithFlags(&exec, graph, 0));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuGraphAddDependencies_v2(graph, &first, &first, nullptr, 1));
}

TEST_F(GraphTest, ClonesAndChildrenAreCopies) {
  const CUdeviceptr memory = allocate(12);
  EXPECT_OK(driver.cuMemsetD32_v2(memory, 0, 3));
  const CUgraph inner = make();
  const CUgraphNode first = fill(inner, {}, memory, 1);
  fill(inner, {first}, memory + 4, 2);
  const CUgraph outer = make();
  CUgraphNode child = nullptr;
  ASSERT_OK(driver.cuGraphAddChildGraphNode(&child, outer, nullptr, 0, inner));
  fill(outer, {child}, memory + 8, 3);
  CUgraph copy = nullptr;
  ASSERT_OK(driver.cuGraphClone(&copy, outer));
  EXPECT_OK(driver.cuGraphDestroy(inner));
  EXPECT_OK(driver.cuGraphDestroy(outer));
  const CUgraphExec exec = instantiate(copy);
  EXPECT_OK(driver.cuGraphLaunch(exec, nullptr));
  EXPECT_EQ(read<int>(memory, 3), (std::vector<int>{1, 2, 3}));
  EXPECT_OK(driver.cuGraphExecDestroy(exec));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuGraphLaunch(exec, nullptr));
  EXPECT_OK(driver.cuGraphDestroy(copy));
}

TEST_F(GraphTest, ADestroyedExecutableStillFinishes) {
  const CUdeviceptr memory = allocate(4);
  const CUstream order = stream();
  const CUgraph graph = make();
  fill(graph, {}, memory, 11);
  const CUgraphExec exec = instantiate(graph);
  {
    Gate gate(order);
    EXPECT_OK(driver.cuGraphLaunch(exec, order));
    EXPECT_OK(driver.cuGraphExecDestroy(exec));
  }
  EXPECT_OK(driver.cuStreamSynchronize(order));
  EXPECT_EQ(read<int>(memory, 1).at(0), 11);
}

TEST_F(GraphTest, ReplayEqualsDirectLaunch) {
  const CUfunction scale = function(kKernels, "scale");
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  constexpr unsigned kCount = 1000;
  std::vector<unsigned> values(kCount);
  for (auto& value : values) value = static_cast<unsigned>(random());
  const CUdeviceptr direct = allocate(kCount * 4);
  const CUdeviceptr replayed = allocate(kCount * 4);
  EXPECT_OK(driver.cuMemcpyHtoD_v2(direct, values.data(), kCount * 4));
  EXPECT_OK(driver.cuMemcpyHtoD_v2(replayed, values.data(), kCount * 4));
  const auto launch = [&](CUdeviceptr memory, unsigned factor, CUstream into) {
    unsigned count = kCount;
    void* parameters[] = {&memory, &factor, &count};
    EXPECT_OK(driver.cuLaunchKernel(scale, (kCount + 127) / 128, 1, 1, 128, 1, 1, 0, into, parameters, nullptr));
  };
  const CUstream order = stream();
  ASSERT_OK(driver.cuStreamBeginCapture_v2(order, CU_STREAM_CAPTURE_MODE_GLOBAL));
  launch(replayed, 3, order);
  launch(replayed, 5, order);
  CUgraph graph = nullptr;
  ASSERT_OK(driver.cuStreamEndCapture(order, &graph));
  const CUgraphExec exec = instantiate(graph);
  for (int i = 0; i < 3; ++i) {
    launch(direct, 3, order);
    launch(direct, 5, order);
    EXPECT_OK(driver.cuGraphLaunch(exec, order));
  }
  EXPECT_OK(driver.cuStreamSynchronize(order));
  EXPECT_EQ(read<unsigned>(direct, kCount), read<unsigned>(replayed, kCount));
  EXPECT_NE(read<unsigned>(direct, kCount), values);
}

TEST_F(GraphTest, AGraphKeepsNoCodeOfADestroyedContext) {
  std::size_t before = 0;
  std::size_t after = 0;
  std::size_t total = 0;
  EXPECT_OK(driver.cuMemGetInfo_v2(&before, &total));
  CUcontext doomed = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v2(&doomed, 0, 0));
  const CUfunction bounded = function(kKernels, "bounded");  // its module has a global variable
  const CUstream order = stream();
  ASSERT_OK(driver.cuStreamBeginCapture_v2(order, CU_STREAM_CAPTURE_MODE_GLOBAL));
  EXPECT_OK(driver.cuLaunchKernel(bounded, 1, 1, 1, 1, 1, 1, 0, order, nullptr, nullptr));
  CUgraph graph = nullptr;
  ASSERT_OK(driver.cuStreamEndCapture(order, &graph));
  ASSERT_OK(driver.cuCtxDestroy_v2(doomed));
  EXPECT_OK(driver.cuMemGetInfo_v2(&after, &total));
  EXPECT_EQ(before, after);
  EXPECT_OK(driver.cuGraphDestroy(graph));
}

TEST_F(GraphTest, AGraphMustNotOutliveItsCode) {
  CUmodule module = nullptr;
  CUfunction store = nullptr;
  ASSERT_OK(driver.cuModuleLoadData(&module, kKernels));
  ASSERT_OK(driver.cuModuleGetFunction(&store, module, "store"));
  CUdeviceptr memory = allocate(4);
  int value = 5;
  void* parameters[] = {&memory, &value};
  const CUstream order = stream();
  ASSERT_OK(driver.cuStreamBeginCapture_v2(order, CU_STREAM_CAPTURE_MODE_GLOBAL));
  EXPECT_OK(driver.cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, order, parameters, nullptr));
  CUgraph graph = nullptr;
  ASSERT_OK(driver.cuStreamEndCapture(order, &graph));
  const CUgraphExec exec = instantiate(graph);
  EXPECT_OK(driver.cuGraphLaunch(exec, order));
  EXPECT_OK(driver.cuStreamSynchronize(order));
  EXPECT_EQ(read<int>(memory, 1).at(0), 5);
  EXPECT_OK(driver.cuModuleUnload(module));
  EXPECT_OK(driver.cuGraphLaunch(exec, order));
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, driver.cuStreamSynchronize(order));
  EXPECT_NE(newest_fault().find("store runs, but its module"), std::string::npos) << newest_fault();
}

TEST_F(GraphTest, KernelParametersAreReadBackAndReplaced) {
  const CUfunction store = function(kKernels, "store");
  CUdeviceptr memory = allocate(4);
  unsigned value = 5;
  void* parameters[] = {&memory, &value};
  CUDA_KERNEL_NODE_PARAMS node_parameters{};
  node_parameters.func = store;
  node_parameters.gridDimX = node_parameters.gridDimY = node_parameters.gridDimZ = 1;
  node_parameters.blockDimX = node_parameters.blockDimY = node_parameters.blockDimZ = 1;
  node_parameters.kernelParams = parameters;
  const CUgraph graph = make();
  CUgraphNode node = nullptr;
  ASSERT_OK(driver.cuGraphAddKernelNode_v2(&node, graph, nullptr, 0, &node_parameters));
  const CUgraphExec exec = instantiate(graph);
  CUDA_KERNEL_NODE_PARAMS kept{};
  EXPECT_OK(driver.cuGraphKernelNodeGetParams_v2(node, &kept));
  EXPECT_EQ(kept.func, store);
  EXPECT_EQ(*static_cast<unsigned*>(kept.kernelParams[1]), 5U);
  EXPECT_OK(driver.cuGraphLaunch(exec, nullptr));
  EXPECT_EQ(read<unsigned>(memory, 1).at(0), 5U);
  value = 6;
  EXPECT_OK(driver.cuGraphLaunch(exec, nullptr));
  EXPECT_EQ(read<unsigned>(memory, 1).at(0), 5U);  // the parameters were copied
  EXPECT_OK(driver.cuGraphExecKernelNodeSetParams_v2(exec, node, &node_parameters));
  EXPECT_OK(driver.cuGraphLaunch(exec, nullptr));
  EXPECT_EQ(read<unsigned>(memory, 1).at(0), 6U);
}

}  // namespace
}  // namespace driver_test
