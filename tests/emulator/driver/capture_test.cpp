// Stream capture: what may be captured, what breaks a capture, and how.
#include <thread>

#include "api.hpp"

namespace driver_test {
namespace {

class CaptureTest : public DriverTest {
 protected:
  void begin(CUstream into, CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL) {
    ASSERT_OK(driver.cuStreamBeginCapture_v2(into, mode));
  }
  CUgraph end(CUstream from) {
    CUgraph graph = nullptr;
    EXPECT_OK(driver.cuStreamEndCapture(from, &graph));
    return graph;
  }
  /// The capture on `from` was broken, and is over after this.
  void expect_invalidated(CUstream from) {
    CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
    EXPECT_OK(driver.cuStreamIsCapturing(from, &status));
    EXPECT_EQ(status, CU_STREAM_CAPTURE_STATUS_INVALIDATED);
    EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, driver.cuMemsetD8Async(memory, 0, 4, from));
    auto graph = reinterpret_cast<CUgraph>(this);
    EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, driver.cuStreamEndCapture(from, &graph));
    EXPECT_EQ(graph, nullptr);
    EXPECT_OK(driver.cuStreamIsCapturing(from, &status));
    EXPECT_EQ(status, CU_STREAM_CAPTURE_STATUS_NONE);
    EXPECT_OK(driver.cuStreamSynchronize(from));
  }
  std::size_t node_count(CUgraph graph) {
    std::size_t count = 0;
    EXPECT_OK(driver.cuGraphGetNodes(graph, nullptr, &count));
    return count;
  }
  void SetUp() override {
    DriverTest::SetUp();
    memory = allocate(64);
  }
  CUdeviceptr memory = 0;
};

TEST_F(CaptureTest, CapturedWorkDoesNotRun) {
  const CUstream order = stream();
  EXPECT_OK(driver.cuMemsetD32_v2(memory, 5, 1));
  begin(order);
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  EXPECT_OK(driver.cuStreamIsCapturing(order, &status));
  EXPECT_EQ(status, CU_STREAM_CAPTURE_STATUS_ACTIVE);
  EXPECT_OK(driver.cuMemsetD32Async(memory, 6, 1, order));
  EXPECT_OK(driver.cuMemcpyDtoDAsync_v2(memory + 4, memory, 4, order));
  const CUgraph graph = end(order);
  EXPECT_EQ(read<int>(memory, 1).at(0), 5);
  EXPECT_EQ(node_count(graph), 2U);
  CUgraphNode nodes[4] = {};
  std::size_t count = 4;
  EXPECT_OK(driver.cuGraphGetNodes(graph, nodes, &count));
  ASSERT_EQ(count, 2U);
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  EXPECT_OK(driver.cuGraphNodeGetType(nodes[0], &type));
  EXPECT_EQ(type, CU_GRAPH_NODE_TYPE_MEMSET);
  EXPECT_OK(driver.cuGraphNodeGetType(nodes[1], &type));
  EXPECT_EQ(type, CU_GRAPH_NODE_TYPE_MEMCPY);
  CUgraphNode before = nullptr;
  count = 1;
  EXPECT_OK(driver.cuGraphNodeGetDependencies(nodes[1], &before, &count));
  EXPECT_EQ(before, nodes[0]);
  EXPECT_OK(driver.cuGraphDestroy(graph));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuGraphDestroy(graph));
  EXPECT_RESULT(CUDA_ERROR_INVALID_VALUE, driver.cuGraphNodeGetType(nodes[0], &type));
}

TEST_F(CaptureTest, ForkedStreamsJoinThroughEvents) {
  const CUstream first = stream();
  const CUstream second = stream();
  const CUevent fork = event();
  const CUevent joined = event();
  begin(first);
  EXPECT_OK(driver.cuMemsetD8Async(memory, 1, 4, first));
  EXPECT_OK(driver.cuEventRecord(fork, first));
  EXPECT_OK(driver.cuStreamWaitEvent(second, fork, 0));
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  std::uint64_t ids[2] = {};
  EXPECT_OK(driver.cuStreamGetCaptureInfo_v2(first, &status, &ids[0], nullptr, nullptr, nullptr));
  EXPECT_OK(driver.cuStreamGetCaptureInfo_v3(second, &status, &ids[1], nullptr, nullptr, nullptr, nullptr));
  EXPECT_EQ(status, CU_STREAM_CAPTURE_STATUS_ACTIVE);
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_OK(driver.cuMemsetD8Async(memory + 4, 2, 4, second));
  EXPECT_OK(driver.cuMemsetD8Async(memory + 8, 3, 4, first));
  EXPECT_OK(driver.cuEventRecord(joined, second));
  EXPECT_OK(driver.cuStreamWaitEvent(first, joined, 0));
  EXPECT_OK(driver.cuMemsetD8Async(memory + 12, 4, 4, first));
  const CUgraph graph = end(first);
  EXPECT_EQ(node_count(graph), 4U);
  std::size_t edges = 0;
  EXPECT_OK(driver.cuGraphGetEdges_v2(graph, nullptr, nullptr, nullptr, &edges));
  EXPECT_EQ(edges, 4U);  // a diamond
  std::size_t roots = 0;
  EXPECT_OK(driver.cuGraphGetRootNodes(graph, nullptr, &roots));
  EXPECT_EQ(roots, 1U);
  EXPECT_OK(driver.cuStreamSynchronize(second));  // left the capture with it
}

TEST_F(CaptureTest, UnjoinedWorkFailsTheEnd) {
  const CUstream first = stream();
  const CUstream second = stream();
  const CUevent fork = event();
  begin(first);
  EXPECT_OK(driver.cuEventRecord(fork, first));
  EXPECT_OK(driver.cuStreamWaitEvent(second, fork, 0));
  EXPECT_OK(driver.cuMemsetD8Async(memory, 2, 4, second));
  CUgraph graph = nullptr;
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, driver.cuStreamEndCapture(first, &graph));
  EXPECT_EQ(graph, nullptr);
  EXPECT_OK(driver.cuStreamSynchronize(first));
  EXPECT_OK(driver.cuStreamSynchronize(second));
}

TEST_F(CaptureTest, SynchronizingOrQueryingTheStreamBreaksIt) {
  const CUstream order = stream();
  begin(order);
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, driver.cuStreamSynchronize(order));
  expect_invalidated(order);
  begin(order);
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, driver.cuStreamQuery(order));
  expect_invalidated(order);
  begin(order, CU_STREAM_CAPTURE_MODE_RELAXED);
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, driver.cuCtxSynchronize());
  expect_invalidated(order);
}

TEST_F(CaptureTest, UnsafeCallsBreakGlobalCaptures) {
  const CUstream order = stream();
  const CUstream other = stream();
  const CUevent mark = event();
  CUdeviceptr address = 0;
  int value = 0;
  const std::vector<std::function<CUresult()>> unsafe{
      [&] { return driver.cuMemAlloc_v2(&address, 16); },
      [&] { return driver.cuMemFree_v2(memory); },
      [&] { return driver.cuEventQuery(mark); },
      [&] { return driver.cuEventSynchronize(mark); },
      [&] { return driver.cuStreamSynchronize(other); },
      [&] { return driver.cuMemcpyDtoH_v2(&value, memory, 4); },
      [&] { return driver.cuMemcpyHtoD_v2(memory, &value, 4); },
      [&] {
        void* pinned = nullptr;
        return driver.cuMemAllocHost_v2(&pinned, 16);
      },
  };
  for (const auto& call : unsafe) {
    begin(order);
    EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, call());
    expect_invalidated(order);
  }
}

TEST_F(CaptureTest, RelaxedCapturesAndThreadsAllowThem) {
  const CUstream order = stream();
  CUdeviceptr address = 0;
  begin(order, CU_STREAM_CAPTURE_MODE_RELAXED);
  EXPECT_OK(driver.cuMemAlloc_v2(&address, 16));
  EXPECT_OK(driver.cuGraphDestroy(end(order)));
  begin(order);
  auto mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  EXPECT_OK(driver.cuThreadExchangeStreamCaptureMode(&mode));
  EXPECT_EQ(mode, CU_STREAM_CAPTURE_MODE_GLOBAL);
  EXPECT_OK(driver.cuMemFree_v2(address));
  EXPECT_OK(driver.cuThreadExchangeStreamCaptureMode(&mode));
  EXPECT_OK(driver.cuGraphDestroy(end(order)));
}

TEST_F(CaptureTest, OtherThreadsBreakOnlyGlobalCaptures) {
  const CUstream order = stream();
  const auto allocate_elsewhere = [&] {
    CUresult result = CUDA_SUCCESS;
    std::thread([&] {
      CUdeviceptr address = 0;
      EXPECT_OK(driver.cuCtxSetCurrent(context));
      result = driver.cuMemAlloc_v2(&address, 16);
    }).join();
    return result;
  };
  begin(order, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  EXPECT_OK(allocate_elsewhere());
  EXPECT_OK(driver.cuGraphDestroy(end(order)));
  begin(order);
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, allocate_elsewhere());
  expect_invalidated(order);
}

TEST_F(CaptureTest, TheDefaultStreamMayNotDependOnACapture) {
  const CUstream blocking = stream(CU_STREAM_DEFAULT);
  begin(blocking, CU_STREAM_CAPTURE_MODE_RELAXED);
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, driver.cuStreamIsCapturing(nullptr, &status));
  EXPECT_OK(driver.cuMemsetD8Async(memory, 0, 4, blocking));  // asking broke nothing
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, driver.cuMemsetD8Async(memory, 0, 4, nullptr));
  expect_invalidated(blocking);
  const CUstream independent = stream();
  begin(independent, CU_STREAM_CAPTURE_MODE_RELAXED);
  EXPECT_OK(driver.cuMemsetD8Async(memory, 0, 4, nullptr));
  EXPECT_OK(driver.cuGraphDestroy(end(independent)));
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                driver.cuStreamBeginCapture_v2(nullptr, CU_STREAM_CAPTURE_MODE_GLOBAL));
}

TEST_F(CaptureTest, EventsDoNotCrossTheBorderOfACapture) {
  const CUstream first = stream();
  const CUstream second = stream();
  const CUevent outside = event();
  const CUevent inside = event();
  EXPECT_OK(driver.cuEventRecord(outside, second));
  begin(first);
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, driver.cuStreamWaitEvent(first, outside, 0));
  expect_invalidated(first);
  begin(first);
  EXPECT_OK(driver.cuEventRecord(inside, first));
  EXPECT_RESULT(CUDA_ERROR_CAPTURED_EVENT, driver.cuEventQuery(inside));
  expect_invalidated(first);
  begin(first);
  begin(second);
  EXPECT_OK(driver.cuEventRecord(inside, first));
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_MERGE, driver.cuStreamWaitEvent(second, inside, 0));
  // Both are broken now; ending the first one first makes synchronising it legal while the second still captures.
  CUgraph graph = nullptr;
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, driver.cuStreamEndCapture(first, &graph));
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, driver.cuStreamEndCapture(second, &graph));
}

TEST_F(CaptureTest, TheEndMustMatchTheBeginning) {
  const CUstream first = stream();
  const CUstream second = stream();
  const CUevent fork = event();
  CUgraph graph = nullptr;
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_STATE, driver.cuStreamEndCapture(first, &graph));
  begin(first);
  EXPECT_RESULT(CUDA_ERROR_ILLEGAL_STATE, driver.cuStreamBeginCapture_v2(first, CU_STREAM_CAPTURE_MODE_GLOBAL));
  CUresult elsewhere = CUDA_SUCCESS;
  std::thread([&] {
    EXPECT_OK(driver.cuCtxSetCurrent(context));
    CUgraph other = nullptr;
    elsewhere = driver.cuStreamEndCapture(first, &other);
  }).join();
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, elsewhere);
  EXPECT_OK(driver.cuEventRecord(fork, first));
  EXPECT_OK(driver.cuStreamWaitEvent(second, fork, 0));
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, driver.cuStreamEndCapture(second, &graph));
  expect_invalidated(first);
}

TEST_F(CaptureTest, CapturedAllocationsLiveWithTheGraph) {
  const CUstream order = stream();
  begin(order);
  CUdeviceptr inside = 0;
  EXPECT_OK(driver.cuMemAllocAsync(&inside, 64, order));
  EXPECT_OK(driver.cuMemsetD32Async(inside, 42, 16, order));
  EXPECT_OK(driver.cuMemcpyDtoDAsync_v2(memory, inside, 64, order));
  EXPECT_OK(driver.cuMemFreeAsync(inside, order));
  const CUgraph graph = end(order);
  EXPECT_EQ(node_count(graph), 4U);
  CUgraphExec exec = nullptr;
  ASSERT_OK(driver.cuGraphInstantiateWithFlags(&exec, graph, 0));
  EXPECT_OK(driver.cuGraphDestroy(graph));
  for (int i = 0; i < 3; ++i) EXPECT_OK(driver.cuGraphLaunch(exec, order));
  EXPECT_OK(driver.cuStreamSynchronize(order));
  EXPECT_EQ(read<int>(memory, 16), std::vector<int>(16, 42));
  EXPECT_OK(driver.cuGraphExecDestroy(exec));
  EXPECT_RESULT(CUDA_ERROR_NOT_FOUND, driver.cuMemGetAddressRange_v2(nullptr, nullptr, inside));
}

}  // namespace
}  // namespace driver_test
