// Launches that a driver refuses: the error that a real one returns, and in words, through osdn_emulator_last_fault and
// on stderr, what was asked and what is allowed. Beside each stands a twin that differs in the one number and runs.
#include <cstring>

#include "api.hpp"

namespace driver_test {
namespace {

constexpr const char* kEntries = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry narrow(.param .u64 to, .param .u32 value, .param .u16 last) { ret; }
.visible .entry most() .maxntid 16, 4, 1 { ret; }
.visible .entry exact() .reqntid 16, 4 { ret; }
.visible .entry plain() { ret; }
.visible .entry shared() { .shared .align 4 .b8 fixed[1024]; ret; }
)";

class RefusalTest : public DriverTest {
 protected:
  using Extent = std::array<unsigned, 3>;

  CUresult launch(CUfunction kernel, Extent grid = {1, 1, 1}, Extent block = {1, 1, 1}, unsigned shared = 0,
                  CUstream into = nullptr) {
    return driver.cuLaunchKernel(kernel, grid[0], grid[1], grid[2], block[0], block[1], block[2], shared, into, nullptr,
                                 nullptr);
  }

  /// The call returns `code` and says all of `parts`, as the newest fault and on stderr.
  void refused(CUresult code, const std::vector<std::string>& parts, const std::function<CUresult()>& call) {
    testing::internal::CaptureStderr();
    EXPECT_RESULT(code, call());
    const std::string printed = testing::internal::GetCapturedStderr(), told = newest_fault();
    for (const std::string& part : parts) EXPECT_NE(told.find(part), std::string::npos) << part << " in: " << told;
    EXPECT_NE(printed.find(told), std::string::npos) << printed;
  }
  /// The twin runs and says nothing.
  void accepted(const std::function<CUresult()>& call) {
    testing::internal::CaptureStderr();
    EXPECT_OK(call());
    EXPECT_OK(driver.cuCtxSynchronize());
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  }
};

TEST_F(RefusalTest, ArgumentsOfTheWrongSize) {
  const CUfunction narrow = function(kEntries, "narrow");
  unsigned char packed[32] = {};
  std::size_t bytes = 14;  // 8 + 4 + 2; padding behind the last parameter does not count
  void* extra[] = {reinterpret_cast<void*>(1), packed, reinterpret_cast<void*>(2), &bytes, nullptr};
  const auto run = [&] { return driver.cuLaunchKernel(narrow, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, extra); };
  accepted(run);
  bytes = 13;
  refused(CUDA_ERROR_INVALID_VALUE, {"narrow", "a packed buffer of 13 bytes", "exactly 14"}, run);
  bytes = 16;
  refused(CUDA_ERROR_INVALID_VALUE, {"narrow", "a packed buffer of 16 bytes", "exactly 14"}, run);
  bytes = 14;
  accepted(run);
  extra[1] = nullptr;
  refused(CUDA_ERROR_INVALID_VALUE, {"narrow", "no CU_LAUNCH_PARAM_BUFFER_POINTER"}, run);
  extra[1] = packed;
  extra[2] = nullptr;
  refused(CUDA_ERROR_INVALID_VALUE, {"narrow", "no CU_LAUNCH_PARAM_BUFFER_SIZE", "14 bytes"}, run);
  extra[2] = reinterpret_cast<void*>(7);
  refused(CUDA_ERROR_INVALID_VALUE, {"narrow", "entry 2 of extra is 0x7"}, run);
  extra[2] = reinterpret_cast<void*>(2);
  accepted(run);
}

TEST_F(RefusalTest, ParametersThatAreNotThere) {
  const CUfunction narrow = function(kEntries, "narrow");
  CUdeviceptr to = 0;
  unsigned value = 0;
  unsigned short last = 0;
  void* parameters[] = {&to, &value, &last};
  void* extra[] = {nullptr};
  const auto run = [&](void** given, void** packed) {
    return driver.cuLaunchKernel(narrow, 1, 1, 1, 1, 1, 1, 0, nullptr, given, packed);
  };
  accepted([&] { return run(parameters, nullptr); });
  refused(CUDA_ERROR_INVALID_VALUE, {"narrow", "kernelParams is NULL", "3 parameters"},
          [&] { return run(nullptr, nullptr); });
  refused(CUDA_ERROR_INVALID_VALUE, {"narrow", "both in kernelParams and in extra"},
          [&] { return run(parameters, extra); });
  parameters[1] = nullptr;
  refused(CUDA_ERROR_INVALID_VALUE, {"narrow", "kernelParams[1] is NULL", "4 bytes"},
          [&] { return run(parameters, nullptr); });
  accepted([&] { return launch(function(kEntries, "plain")); });
}

TEST_F(RefusalTest, BlocksAndGrids) {
  const CUfunction plain = function(kEntries, "plain"), most = function(kEntries, "most"),
                   exact = function(kEntries, "exact");
  struct Case {
    CUfunction kernel;
    Extent grid, block;
    std::vector<std::string> parts;
    Extent twin_grid, twin_block;
  };
  for (const Case& one : {
           Case{
               plain, {1, 1, 1}, {0, 1, 1}, {"plain", "0 x 1 x 1 threads", "no extent may be 0"}, {1, 1, 1}, {1, 1, 1}},
           Case{plain, {1, 0, 1}, {1, 1, 1}, {"plain", "1 x 0 x 1 blocks", "no extent may be 0"}, {1, 1, 1}, {1, 1, 1}},
           Case{plain, {1, 1, 1}, {1025, 1, 1}, {"1025 x 1 x 1", "1024 x 1024 x 64"}, {1, 1, 1}, {1024, 1, 1}},
           Case{plain, {1, 1, 1}, {1, 1025, 1}, {"1 x 1025 x 1", "1024 x 1024 x 64"}, {1, 1, 1}, {1, 1024, 1}},
           Case{plain, {1, 1, 1}, {1, 1, 65}, {"1 x 1 x 65", "1024 x 1024 x 64"}, {1, 1, 1}, {1, 1, 64}},
           Case{plain, {1, 1, 1}, {64, 17, 1}, {"64 x 17 x 1 = 1088 threads", "1024 in all"}, {1, 1, 1}, {64, 16, 1}},
           Case{plain,
                {0x80000000u, 1, 1},
                {1, 1, 1},
                {"2147483648 x 1 x 1 blocks", "2147483647 x 65535 x 65535"},
                {1, 1, 1},
                {1, 1, 1}},
           Case{plain, {1, 65536, 1}, {1, 1, 1}, {"1 x 65536 x 1 blocks", "65535"}, {1, 65535, 1}, {1, 1, 1}},
           Case{plain, {1, 1, 65536}, {1, 1, 1}, {"1 x 1 x 65536 blocks", "65535"}, {1, 1, 65535}, {1, 1, 1}},
           // .maxntid limits the product alone (PTX ISA 11.4.2), .reqntid each extent (11.4.3).
           Case{most, {1, 1, 1}, {65, 1, 1}, {"most", "65 threads", ".maxntid allows 64"}, {1, 1, 1}, {64, 1, 1}},
           Case{exact,
                {1, 1, 1},
                {64, 1, 1},
                {"exact", "64 x 1 x 1", ".reqntid wants exactly 16 x 4 x 1"},
                {1, 1, 1},
                {16, 4, 1}},
           Case{exact,
                {1, 1, 1},
                {16, 2, 1},
                {"exact", "16 x 2 x 1", ".reqntid wants exactly 16 x 4 x 1"},
                {1, 1, 1},
                {16, 4, 1}},
       }) {
    refused(CUDA_ERROR_INVALID_VALUE, one.parts, [&] { return launch(one.kernel, one.grid, one.block); });
    accepted([&] { return launch(one.kernel, one.twin_grid, one.twin_block); });
  }
}

// An sm_80 block has 48 KiB without and 163 KiB with the opt-in, static memory included.
TEST_F(RefusalTest, SharedMemory) {
  const CUfunction shared = function(kEntries, "shared");
  const auto ask = [&](unsigned bytes) { return [=, this] { return launch(shared, {1, 1, 1}, {32, 1, 1}, bytes); }; };
  const auto allow = [&](int bytes) {
    return
        [=, this] { return driver.cuFuncSetAttribute(shared, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes); };
  };
  accepted(ask(47 * 1024));
  refused(CUDA_ERROR_INVALID_VALUE,
          {"shared", "48128", "49152 bytes of dynamic shared memory beside 1024 static ones",
           "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES", "up to 165888"},
          ask(48 * 1024));
  accepted(allow(162 * 1024));
  accepted(ask(162 * 1024));
  refused(CUDA_ERROR_INVALID_VALUE, {"shared", "165889", "1024 static", "166912 at most"}, ask(162 * 1024 + 1));
  refused(CUDA_ERROR_INVALID_VALUE, {"shared", "165889", "1024 static", "166912 at most"}, allow(162 * 1024 + 1));
}

TEST_F(RefusalTest, FunctionsThatAreGoneOrForeign) {
  CUmodule module = nullptr;
  CUfunction plain = nullptr;
  ASSERT_OK(driver.cuModuleLoadData(&module, kEntries));
  ASSERT_OK(driver.cuModuleGetFunction(&plain, module, "plain"));
  accepted([&] { return launch(plain); });
  CUcontext other = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v4(&other, nullptr, 0, 0));
  refused(CUDA_ERROR_INVALID_HANDLE, {"plain", "another context"}, [&] { return launch(plain); });
  accepted([&] { return launch(function(kEntries, "plain")); });
  EXPECT_OK(driver.cuCtxDestroy_v2(other));
  ASSERT_OK(driver.cuCtxSetCurrent(context));
  accepted([&] { return launch(plain); });
  EXPECT_OK(driver.cuModuleUnload(module));
  refused(CUDA_ERROR_INVALID_HANDLE, {"a launch was refused", "is gone"}, [&] { return launch(plain); });
  refused(CUDA_ERROR_INVALID_HANDLE, {"is not a function"}, [&] { return launch(reinterpret_cast<CUfunction>(64)); });
}

TEST_F(RefusalTest, StreamsThatAreGoneOrForeign) {
  const CUfunction plain = function(kEntries, "plain");
  const CUstream gone = stream(), here = stream();
  const auto into = [&](CUstream stream_of_launch) {
    return [=, this] { return launch(plain, {1, 1, 1}, {1, 1, 1}, 0, stream_of_launch); };
  };
  accepted(into(gone));
  EXPECT_OK(driver.cuStreamDestroy_v2(gone));
  refused(CUDA_ERROR_INVALID_HANDLE, {"plain", "its stream was destroyed"}, into(gone));
  refused(CUDA_ERROR_INVALID_HANDLE, {"plain", "is not a stream"}, into(reinterpret_cast<CUstream>(64)));
  CUcontext other = nullptr;
  ASSERT_OK(driver.cuCtxCreate_v4(&other, nullptr, 0, 0));
  const CUstream there = stream();
  ASSERT_OK(driver.cuCtxSetCurrent(context));
  refused(CUDA_ERROR_INVALID_HANDLE, {"plain", "another context"}, into(there));
  accepted(into(here));
  EXPECT_OK(driver.cuCtxDestroy_v2(other));
}

TEST_F(RefusalTest, LaunchesThatACaptureForbids) {
  const CUfunction plain = function(kEntries, "plain");
  const auto into = [&](CUstream stream_of_launch) {
    return [=, this] { return launch(plain, {1, 1, 1}, {1, 1, 1}, 0, stream_of_launch); };
  };
  CUgraph graph = nullptr;
  // The default stream waits for blocking streams, so it may not be used while one is captured ...
  const CUstream blocking = stream(CU_STREAM_DEFAULT);
  ASSERT_OK(driver.cuStreamBeginCapture_v2(blocking, CU_STREAM_CAPTURE_MODE_RELAXED));
  refused(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, {"plain", "default stream", "CU_STREAM_NON_BLOCKING"}, into(nullptr));
  // ... and the attempt breaks the capture.
  refused(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, {"plain", "broken before", "cuStreamEndCapture"}, into(blocking));
  EXPECT_RESULT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, driver.cuStreamEndCapture(blocking, &graph));
  // The twin captures a stream that the default stream does not wait for.
  const CUstream free = stream(CU_STREAM_NON_BLOCKING);
  ASSERT_OK(driver.cuStreamBeginCapture_v2(free, CU_STREAM_CAPTURE_MODE_RELAXED));
  EXPECT_OK(into(nullptr)());
  EXPECT_OK(into(free)());
  ASSERT_OK(driver.cuStreamEndCapture(free, &graph));
  CUgraphExec exec = nullptr;
  ASSERT_OK(driver.cuGraphInstantiateWithFlags(&exec, graph, 0));
  accepted([&] { return driver.cuGraphLaunch(exec, free); });
  EXPECT_OK(driver.cuGraphExecDestroy(exec));
  EXPECT_OK(driver.cuGraphDestroy(graph));
}

}  // namespace
}  // namespace driver_test
