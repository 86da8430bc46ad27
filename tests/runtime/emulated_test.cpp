// The Engine on the software device: a hand-written kernel goes the whole way, through a real NVRTC.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "runtime/engine_state.hpp"
#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

constexpr const char* scaling = R"(#include "parameters.cuh"
extern "C" __global__ void scaling(osdn::ForwardParameters p) {
  const int count = int(p.tokens) * p.value_heads * 16;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
    static_cast<float*>(p.o)[i] = p.scale * static_cast<const float*>(p.v)[i];
}
)";

/// The plan of a tiny fp32 problem with one kernel in place of its own.
generator::Plan plan_of(const std::string& source, const std::string& entry) {
  Problem problem;
  problem.k = 16;
  problem.v = 16;
  problem.type = ElementType::fp32;
  problem.precondition = Precondition::none;
  const auto architecture = generator::find_architecture("sm_80").value_or_throw();
  generator::Plan plan =
      generator::plan(problem, generator::default_config(problem, architecture).value_or_throw(), architecture)
          .value_or_throw();
  generator::KernelPlan& kernel = plan.kernels.at(0);
  kernel.source = source;
  kernel.entry = entry;
  kernel.threads = 64;
  kernel.dynamic_shared = 0;
  return plan;
}

EngineOptions emulated(const std::string& cache) {
  EngineOptions options;
  options.driver_library = OSDN_EMULATOR_LIBRARY;
  options.cache_directory = cache;
  options.validate = true;
  return options;
}

struct Buffers {
  Buffers(Engine& engine, const Shape& shape)
      : rows(static_cast<std::size_t>(shape.b * shape.t * shape.hv)),
        keys(engine.allocate(rows * 64).value_or_throw()),
        values(engine.allocate(rows * 64).value_or_throw()),
        beta(engine.allocate(rows * 4).value_or_throw()),
        out(engine.allocate(rows * 64).value_or_throw()) {
    arguments.shape = shape;
    arguments.q = arguments.k = keys.address();
    arguments.v = values.address();
    arguments.beta = beta.address();
    arguments.o = out.address();
  }
  std::size_t rows;
  DeviceBuffer keys, values, beta, out;
  ForwardArguments arguments;
};

TEST(Emulated, AKernelGoesTheWholeWayAndComesFromDiskTheNextTime) {
  TemporaryDirectory home;
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (const char* source : {"compiled", "disk"}) {
    Engine engine = Engine::create(emulated(home / "cache")).value_or_throw();
    EXPECT_TRUE(engine.device().emulated);
    const PreparedOperation operation = engine.state()->prepare_plan(plan_of(scaling, "scaling")).value_or_throw();
    EXPECT_EQ(operation.kernels()[0].source, source);
    EXPECT_GT(operation.kernels()[0].registers, 0);
    EXPECT_GT(operation.kernels()[0].compile_ms, 0);

    Buffers buffers(engine, {1, 37, 1, 2, 0});
    std::vector<float> in(buffers.rows * 16);
    for (float& x : in) x = std::normal_distribution<float>()(random);
    std::vector<float> out(in.size(), std::numeric_limits<float>::quiet_NaN());
    buffers.values.upload(in.data()).value_or_throw();
    buffers.out.upload(out.data()).value_or_throw();
    operation.launch(buffers.arguments).value_or_throw();
    engine.synchronize().value_or_throw();
    buffers.out.download(out.data()).value_or_throw();
    for (std::size_t i = 0; i < in.size(); ++i) ASSERT_EQ(out[i], 0.25F * in[i]) << i;  // 16^{-1/2}
  }
}

/// An entry of the emulator that the runtime itself has no use for.
template <class... Arguments>
void call(const char* name, Arguments... arguments) {
  void* const library = ::dlopen(OSDN_EMULATOR_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  auto* const entry = reinterpret_cast<cuda::Result (*)(Arguments...)>(::dlsym(library, name));
  ASSERT_NE(entry, nullptr) << name;
  ASSERT_EQ(entry(arguments...), cuda::success) << name;
}

TEST(Emulated, ALaunchIsCapturedInAGraphAndReplayed) {
  TemporaryDirectory home;
  EngineOptions options = emulated(home / "cache");
  options.validate = false;
  Engine engine = Engine::create(options).value_or_throw();
  const PreparedOperation operation = engine.state()->prepare_plan(plan_of(scaling, "scaling")).value_or_throw();
  const Buffers buffers(engine, {1, 5, 1, 1, 0});
  std::vector<float> in(buffers.rows * 16, 8.0F);
  const std::vector<float> poison(in.size(), std::numeric_limits<float>::quiet_NaN());
  buffers.out.upload(poison.data()).value_or_throw();

  const ContextScope scope(engine.state()->device());
  void* stream = nullptr;
  void* graph = nullptr;
  void* executable = nullptr;
  call("cuStreamCreate", &stream, 1U);          // non-blocking
  call("cuStreamBeginCapture_v2", stream, 0U);  // global: the mode that refuses most
  const auto launched = operation.launch(buffers.arguments, stream);
  EXPECT_TRUE(launched) << launched.error().message;  // what a capture does not allow would have broken it
  call("cuStreamEndCapture", stream, &graph);
  call("cuGraphInstantiateWithFlags", &executable, graph, 0ULL);
  std::vector<float> out(in.size());
  buffers.out.download(out.data()).value_or_throw();
  for (const float x : out) ASSERT_TRUE(std::isnan(x)) << "it ran while it was captured";

  for (const float value : {8.0F, -3.0F}) {  // the graph reads what is there when it runs
    in.assign(in.size(), value);
    buffers.values.upload(in.data()).value_or_throw();
    call("cuGraphLaunch", executable, stream);
    engine.synchronize(stream).value_or_throw();
    buffers.out.download(out.data()).value_or_throw();
    EXPECT_EQ(out, std::vector<float>(in.size(), 0.25F * value));
  }
  call("cuGraphExecDestroy", executable);
  call("cuGraphDestroy", graph);
  call("cuStreamDestroy_v2", stream);
}

TEST(Emulated, AFaultOfAKernelIsAnError) {
  TemporaryDirectory home;
  Engine engine = Engine::create(emulated(home / "cache")).value_or_throw();
  const char* reaching = R"(#include "parameters.cuh"
extern "C" __global__ void reaching(osdn::ForwardParameters) { *reinterpret_cast<float*>(64) = 1; }
)";
  const PreparedOperation operation = engine.state()->prepare_plan(plan_of(reaching, "reaching")).value_or_throw();
  const Buffers buffers(engine, {1, 3, 1, 1, 0});
  const auto launched = operation.launch(buffers.arguments);
  const auto waited = engine.synchronize();
  ASSERT_FALSE(launched.has_value() && waited.has_value());
  const Error error = launched ? waited.error() : launched.error();
  EXPECT_EQ(error.code, ErrorCode::driver);
  EXPECT_NE(error.message.find("CUDA_ERROR_"), std::string::npos) << error.message;
}

TEST(Emulated, SourcesThatDoNotCompileAreTold) {
  TemporaryDirectory home;
  Engine engine = Engine::create(emulated(home / "cache")).value_or_throw();
  const auto failed = engine.state()->prepare_plan(plan_of("nonsense", "nothing"));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::compile_failed);
  const auto missing = engine.state()->prepare_plan(plan_of(scaling, "other_name"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::driver);
  EXPECT_NE(missing.error().message.find("other_name"), std::string::npos);
}

}  // namespace
}  // namespace osdn::runtime::testing
