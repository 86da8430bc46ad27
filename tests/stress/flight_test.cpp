// What is destroyed while work is in flight, and memory that runs out.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/driver.hpp"
#include "tests/stress/job.hpp"

namespace osdn::tests {
namespace {

namespace cuda = runtime::cuda;

/// An engine with an operation, and the memory of a launch in the hands of another engine: nothing but `operation` and
/// `engine` keeps the kernels.
struct Launching {
  explicit Launching(const Job& given) : job(given) {}
  void destroy() {
    operation.reset();
    engine.reset();
  }
  expected<std::string> verdict() const {
    auto outputs = memory.outputs();
    if (!outputs) return std::move(outputs).error();
    return judged(job, *outputs);
  }

  const Job& job;
  Engine keeper = Engine::create(options()).value_or_throw();
  std::optional<Engine> engine = Engine::create(options()).value_or_throw();
  std::optional<PreparedOperation> operation = engine->prepare(job.problem.problem).value_or_throw();
  JobMemory memory = JobMemory::create(keeper, job, *operation).value_or_throw();
};

void nap(void*) {
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

/// The driver as a host uses it, in the engines' context.
class Host {
 public:
  Host() : driver_(runtime::load_driver(OSDN_EMULATOR_LIBRARY).value_or_throw()) {
    cuda::Context context = nullptr;
    EXPECT_EQ(driver().primary_context_retain(&context, 0), cuda::success);
    EXPECT_EQ(driver().context_push(context), cuda::success);
    void* const library = ::dlopen(OSDN_EMULATOR_LIBRARY, RTLD_NOW);
    launch_host_ = reinterpret_cast<LaunchHost>(::dlsym(library, "cuLaunchHostFunc"));
  }
  ~Host() {
    cuda::Context context = nullptr;
    driver().context_pop(&context);
    driver().primary_context_release(0);
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  [[nodiscard]] const runtime::Driver& driver() const { return *driver_; }
  /// Work behind this does not begin at once.
  void hold_up(cuda::Stream stream) const { EXPECT_EQ(launch_host_(stream, nap, nullptr), cuda::success); }

 private:
  using LaunchHost = cuda::Result (*)(cuda::Stream, void (*)(void*), void*);
  std::shared_ptr<const runtime::Driver> driver_;
  LaunchHost launch_host_ = nullptr;
};

TEST(Flight, EngineAndOperationMayGoBeforeTheWorkIsDone) {
  const std::vector<Job> jobs = make_jobs(input_seed());
  const Host host;
  Launching launching(jobs[2]);
  host.hold_up(nullptr);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(launching.operation->launch(launching.memory.arguments()));
  launching.destroy();
  EXPECT_EQ(launching.verdict().value_or_throw(), "");
}

TEST(Flight, AGraphOfWorkThatWasCapturedMeanwhileKeepsItsKernels) {
  const std::vector<Job> jobs = make_jobs(input_seed());
  const Host host;
  const runtime::Driver& driver = host.driver();
  Launching launching(jobs[2]);
  cuda::Stream stream = nullptr;
  cuda::Graph graph = nullptr;
  cuda::GraphExec executable = nullptr;
  ASSERT_EQ(driver.stream_create(&stream, 0), cuda::success);  // one that the legacy stream knows of
  ASSERT_EQ(driver.stream_begin_capture(stream, cuda::capture_mode_thread_local), cuda::success);
  ASSERT_TRUE(launching.operation->launch(launching.memory.arguments(), stream));
  launching.destroy();  // neither breaks the capture nor takes the code away
  ASSERT_EQ(driver.stream_end_capture(stream, &graph), cuda::success);
  ASSERT_EQ(driver.graph_instantiate(&executable, graph, 0), cuda::success);
  ASSERT_EQ(driver.graph_launch(executable, stream), cuda::success);
  ASSERT_EQ(driver.stream_synchronize(stream), cuda::success);
  EXPECT_EQ(launching.verdict().value_or_throw(), "");
  EXPECT_EQ(driver.graph_exec_destroy(executable), cuda::success);
  EXPECT_EQ(driver.graph_destroy(graph), cuda::success);
  EXPECT_EQ(driver.stream_destroy(stream), cuda::success);
}

TEST(Flight, ExhaustedDeviceMemoryIsAnErrorAndTheEngineGoesOn) {
  const std::vector<Job> jobs = make_jobs(input_seed());
  auto engine = Engine::create(options()).value_or_throw();
  ASSERT_EQ(run(engine, jobs[2]), "");
  {
    std::vector<DeviceBuffer> hoard;
    std::size_t bytes = engine.device().memory_bytes;
    while (bytes >= 256) {  // halves: until not even a tensor fits
      auto buffer = engine.allocate(bytes);
      if (buffer) {
        hoard.push_back(*std::move(buffer));
        continue;
      }
      EXPECT_EQ(buffer.error().code, ErrorCode::out_of_memory) << buffer.error().message;
      bytes /= 2;
    }
    const std::string refused = run(engine, jobs[2]);
    EXPECT_NE(refused.find("allocating"), std::string::npos) << refused;
  }
  EXPECT_EQ(run(engine, jobs[2]), "");
}

}  // namespace
}  // namespace osdn::tests
