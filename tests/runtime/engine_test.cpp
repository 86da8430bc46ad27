// The Engine on a driver that only keeps books.
#include "osdn/engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "runtime/engine_state.hpp"
#include "support.hpp"
#include "watch.hpp"

namespace osdn::runtime::testing {
namespace {

using null_driver::Books;

Engine make(const EngineOptions& options = null_options()) {
  return Engine::create(options).value_or_throw();
}

TEST(Engine, DescribesTheDevice) {
  fresh_books();
  const Engine engine = make();
  const DeviceDescription& device = engine.device();
  EXPECT_EQ(device.name, "Null device");
  EXPECT_FALSE(device.emulated);
  EXPECT_EQ(device.arch, 80);
  EXPECT_EQ(device.multiprocessors, 108);
  EXPECT_EQ(device.shared_per_block, 163U * 1024);
  EXPECT_EQ(device.driver_version, 13000);
  EXPECT_EQ(device.driver_library, OSDN_NULL_DRIVER);
  EXPECT_EQ(device.nvrtc_version, 13000);
  EXPECT_EQ(device.nvrtc_library, OSDN_FAKE_NVRTC);
}

TEST(Engine, LaunchesEveryKernelOfThePlanWithItsArguments) {
  Books& books = fresh_books();
  Engine engine = make();
  const PreparedOperation operation = engine.prepare(small_problem()).value_or_throw();
  ASSERT_EQ(operation.kernels().size(), 2U);
  EXPECT_EQ(operation.kernels()[0].phase, "preconditioner");
  EXPECT_EQ(operation.kernels()[1].phase, "delta_rule");
  EXPECT_EQ(operation.kernels()[0].source, "compiled");
  EXPECT_EQ(operation.kernels()[0].registers, 32);

  ForwardArguments a = some_arguments(operation);
  a.initial_state = 0x60000;
  a.final_d = 0x70000;
  a.hyperparameters.eta = 0.25F;
  set_current()(primary_context()());
  auto* const stream = reinterpret_cast<Stream>(0x77);
  operation.launch(a, stream).value_or_throw();
  set_current()(nullptr);

  ASSERT_EQ(books.launches.size(), 2U);
  const auto& plan = operation.state()->plan();
  for (std::size_t i = 0; i < 2; ++i) {
    const null_driver::Launch& launch = books.launches[i];
    EXPECT_EQ(launch.kernel, plan.kernels[i].entry);
    EXPECT_EQ(launch.grid, 2U * 4U * static_cast<unsigned>(plan.kernels[i].ctas_per_head));
    EXPECT_EQ(launch.threads, static_cast<unsigned>(plan.kernels[i].threads));
    EXPECT_EQ(launch.shared_bytes, plan.kernels[i].dynamic_shared);
    EXPECT_EQ(launch.stream, stream);
    const ForwardParameters& p = launch.parameters;
    EXPECT_EQ(p.tokens, 130);
    EXPECT_EQ(p.sequences, 2);
    EXPECT_EQ(p.key_heads, 2);
    EXPECT_EQ(p.value_heads, 4);
    EXPECT_EQ(reinterpret_cast<DevicePointer>(p.q), a.q);
    EXPECT_EQ(reinterpret_cast<DevicePointer>(p.k), a.k);
    EXPECT_EQ(reinterpret_cast<DevicePointer>(p.v), a.v);
    EXPECT_EQ(reinterpret_cast<DevicePointer>(p.beta), a.beta);
    EXPECT_EQ(reinterpret_cast<DevicePointer>(p.o), a.o);
    EXPECT_EQ(reinterpret_cast<DevicePointer>(p.initial_state), a.initial_state);
    EXPECT_EQ(p.final_state, nullptr);
    EXPECT_EQ(reinterpret_cast<DevicePointer>(p.final_d), a.final_d);
    const auto workspace = plan.workspace(a.shape);
    EXPECT_EQ(reinterpret_cast<DevicePointer>(p.gain), a.workspace + workspace.gain_offset);
    EXPECT_EQ(reinterpret_cast<DevicePointer>(p.d_chunks), a.workspace + workspace.d_chunks_offset);
    EXPECT_EQ(p.eta, 0.25F);
    EXPECT_EQ(p.scale, 1.0F / std::sqrt(64.0F));
    EXPECT_EQ(p.cu_seqlens_is_int64, 1);
  }
}

TEST(Engine, LaunchCallsTheDriverToLaunchAndNothingElse) {
  Books& books = fresh_books();
  Engine engine = make();
  const PreparedOperation operation = engine.prepare(small_problem()).value_or_throw();
  const ForwardArguments a = some_arguments(operation);
  set_current()(primary_context()());
  {
    const std::lock_guard lock(books.mutex);
    books.calls.clear();
  }
  operation.launch(a).value_or_throw();
  EXPECT_EQ(books.calls, (std::vector<std::string>{"cuLaunchKernel", "cuLaunchKernel"}));

  books.recording = false;  // the books themselves allocate and lock
  const Watch watch;
  const bool launched = operation.launch(a).has_value();
  const Watch::Counts counts = watch.counts();
  set_current()(nullptr);
  EXPECT_TRUE(launched);
  EXPECT_EQ(counts.allocations, 0);
  EXPECT_EQ(counts.locks, 0);
  EXPECT_EQ(counts.environment, 0);
}

TEST(Engine, TheWatchSeesWhatItWatchesFor) {
  const Watch watch;
  const auto held = std::make_unique<int>(1);
  std::mutex mutex;
  const std::lock_guard lock(mutex);
  [[maybe_unused]] const char* volatile home = std::getenv("HOME");
  EXPECT_EQ(watch.counts().allocations, 1);
  EXPECT_EQ(watch.counts().locks, 1);
  EXPECT_EQ(watch.counts().environment, 1);
}

TEST(Engine, AnEmptyBatchLaunchesNothing) {
  Books& books = fresh_books();
  Engine engine = make();
  const PreparedOperation operation = engine.prepare(small_problem()).value_or_throw();
  ForwardArguments a;
  a.shape.b = 0;
  operation.launch(a).value_or_throw();
  EXPECT_TRUE(books.launches.empty());

  a.shape.n = 3;  // packed sequences are one batch entry: this is a wrong shape, not an empty one
  const auto refused = operation.launch(a);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("shape field b was '0'"), std::string::npos) << refused.error().message;
}

TEST(Engine, AnEmptySequenceStillWritesItsStates) {
  Books& books = fresh_books();
  Engine engine = make();
  const PreparedOperation operation = engine.prepare(small_problem()).value_or_throw();
  ForwardArguments a = some_arguments(operation);
  a.shape.t = 0;
  a.q = a.k = a.v = a.beta = a.o = 0;
  a.final_state = 0x60000;
  operation.launch(a).value_or_throw();
  EXPECT_EQ(books.launches.size(), 2U);
}

TEST(Engine, FindsAPreparedOperationAgain) {
  Books& books = fresh_books();
  Engine engine = make();
  const PreparedOperation first = engine.prepare(small_problem()).value_or_throw();
  const CacheStatistics before = engine.cache_statistics();
  EXPECT_EQ(before.misses, 2U);
  EXPECT_EQ(before.memory_hits, 0U);
  const std::size_t calls = books.calls.size();
  const PreparedOperation second = engine.prepare(small_problem()).value_or_throw();
  EXPECT_EQ(books.calls.size(), calls);
  EXPECT_EQ(second.kernels()[0].source, "memory");
  EXPECT_EQ(first.kernels()[0].source, "compiled");
  EXPECT_EQ(engine.cache_statistics().misses, 2U);
  EXPECT_EQ(engine.cache_statistics().memory_hits, 2U);
  EXPECT_EQ(first.config(), second.config());
}

TEST(Engine, ADamagedEntryIsReplacedWithOneWarning) {
  fresh_books();
  const TemporaryDirectory cache;
  Messages messages;
  EngineOptions options = null_options();
  options.cache_directory = cache.path().string();
  options.disk_cache = true;
  options.log = messages.callback();
  ASSERT_TRUE(make(options).prepare(small_problem()));
  int entries = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(cache.path())) {
    if (entry.path().extension() != ".osdn") continue;
    ++entries;
    if (entries == 1) std::filesystem::resize_file(entry.path(), entry.file_size() / 2);
  }
  ASSERT_EQ(entries, 2);
  for (const bool damaged : {true, false}) {  // the second time what replaced it is found
    Engine engine = make(options);
    ASSERT_TRUE(engine.prepare(small_problem()));
    EXPECT_EQ(engine.cache_statistics().disk_hits, damaged ? 1U : 2U);
    EXPECT_EQ(engine.cache_statistics().rejected, damaged ? 1U : 0U);
    EXPECT_EQ(messages.warnings().size(), 1U) << messages.all();
  }
}

TEST(Engine, PlansShareKernelsOfTheSameSource) {
  fresh_books();
  Engine engine = make();
  const PreparedOperation one = engine.prepare(small_problem()).value_or_throw();
  Config config = one.config();
  config.warps = config.warps == 1 ? 2 : 1;  // of the delta rule only
  const PreparedOperation other = engine.prepare(small_problem(), config).value_or_throw();
  EXPECT_EQ(other.kernels()[0].source, "memory");
  EXPECT_EQ(other.kernels()[1].source, "compiled");
  EXPECT_EQ(engine.cache_statistics().misses, 3U);
}

TEST(Engine, ManyThreadsPrepareAndLaunchWhatIsCompiledOnce) {
  Books& books = fresh_books();
  const ScopedVariable slow("FAKE_NVRTC_DELAY_MS", "20");
  Engine engine = make();
  constexpr int threads = 16;
  constexpr int launches = 50;
  std::atomic<int> failures{0};
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&] {
      auto operation = engine.prepare(small_problem());
      if (!operation) {
        ++failures;
        return;
      }
      const ForwardArguments a = some_arguments(*operation);
      for (int i = 0; i < launches; ++i) failures += operation->launch(a).has_value() ? 0 : 1;
    });
  }
  for (std::thread& thread : all) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(engine.cache_statistics().misses, 2U);
  EXPECT_EQ(books.launches.size(), 2U * threads * launches);
  EXPECT_EQ(books.modules.size(), 2U);
}

TEST(Engine, APlansKernelsAreCompiledAtTheSameTime) {
  fresh_books();
  EngineOptions options = null_options();
  options.compile_threads = 2;
  Engine engine = make(options);
  const ScopedVariable both("FAKE_NVRTC_MEET", "2");
  const auto operation = engine.prepare(small_problem());
  ASSERT_TRUE(operation) << operation.error().message;
  EXPECT_EQ(operation->kernels().size(), 2U);
}

TEST(Engine, AFailedCompilationIsToldAndTriedAgain) {
  Books& books = fresh_books();
  Engine engine = make();
  const PreparedOperation good = engine.prepare(small_problem()).value_or_throw();
  generator::Plan plan = good.state()->plan();
  plan.kernels[1].source = "#error no\nsecond line";
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto failed = engine.state()->prepare_plan(plan);
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::compile_failed);
    EXPECT_NE(failed.error().message.find(plan.kernels[1].entry), std::string::npos);
    EXPECT_NE(failed.error().context.find("#error directive"), std::string::npos);
    EXPECT_NE(failed.error().context.find("    2 | second line"), std::string::npos);
    EXPECT_NE(failed.error().context.find("--gpu-architecture=sm_80"), std::string::npos);
    EXPECT_NE(failed.error().context.find("problem: " + to_string(plan.problem) + "\n"), std::string::npos);
    EXPECT_NE(failed.error().context.find("configuration: " + to_string(plan.config) + "\n"), std::string::npos);
  }
  EXPECT_EQ(books.modules.size(), 2U);
}

TEST(Engine, UsesTheCallersContextAndNeverMakesOne) {
  Books& books = fresh_books();
  set_current()(other_context()());
  {
    Engine engine = make();
    EXPECT_EQ(books.retained, 0);
    EXPECT_EQ(engine.state()->device().context(), other_context()());
  }
  set_current()(nullptr);
  {
    Engine engine = make();
    EXPECT_EQ(books.retained, 1);
    EXPECT_EQ(engine.state()->device().context(), primary_context()());
  }
  EXPECT_EQ(books.retained, 0);
  // What is not in the driver's table cannot be called.
#define EXPECT_MAKES_NONE(member, plain, symbol, parameters) \
  EXPECT_FALSE(std::string_view(#symbol).starts_with("cuCtxCreate")) << #symbol;
  OSDN_DRIVER_ENTRIES(EXPECT_MAKES_NONE)
#undef EXPECT_MAKES_NONE
}

TEST(Engine, AThreadWithoutAContextMayLaunchAndOneWithAnotherIsTold) {
  fresh_books();
  Engine engine = make();
  const PreparedOperation operation = engine.prepare(small_problem()).value_or_throw();
  const ForwardArguments a = some_arguments(operation);
  operation.launch(a).value_or_throw();
  set_current()(other_context()());
  const auto refused = operation.launch(a);
  set_current()(nullptr);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::driver);
  EXPECT_NE(refused.error().message.find("0x1000"), std::string::npos);
  EXPECT_NE(refused.error().message.find("0x2000"), std::string::npos);
}

TEST(Engine, OperationsAndBuffersOutliveTheEngine) {
  Books& books = fresh_books();
  {
    std::optional<PreparedOperation> operation;
    DeviceBuffer buffer;
    {
      Engine engine = make();
      operation = engine.prepare(small_problem()).value_or_throw();
      buffer = engine.allocate(100).value_or_throw();
    }
    EXPECT_EQ(books.modules.size(), 2U);
    operation->launch(some_arguments(*operation)).value_or_throw();
    std::vector<char> bytes(100, 'x');
    buffer.upload(bytes.data()).value_or_throw();
    bytes.assign(100, ' ');
    buffer.download(bytes.data()).value_or_throw();
    EXPECT_EQ(bytes, std::vector<char>(100, 'x'));
  }
  EXPECT_TRUE(books.modules.empty());
  EXPECT_TRUE(books.allocations.empty());
  EXPECT_EQ(books.retained, 0);
}

TEST(Engine, OutOfMemoryHasItsOwnCode) {
  Books& books = fresh_books();
  Engine engine = make();
  books.fail_with = 2;
  books.fail_at = static_cast<int>(books.calls.size()) + 2;  // get current, push, allocate
  const auto buffer = engine.allocate(1 << 20);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().code, ErrorCode::out_of_memory);
  EXPECT_NE(buffer.error().message.find("1048576 bytes"), std::string::npos);
}

TEST(Engine, NoDevice) {
  Books& books = fresh_books();
  books.device_count = 0;
  const auto engine = Engine::create(null_options());
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::no_device);
  books.device_count = 2;
  EngineOptions options = null_options();
  options.device = 5;
  const auto other = Engine::create(options);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::no_device);
  EXPECT_NE(other.error().message.find("device 5"), std::string::npos);
  EXPECT_NE(other.error().message.find("0 to 1"), std::string::npos);
}

TEST(Engine, AMissingDriverNamesThePlacesTried) {
  const ScopedVariable unset("OSDN_CUDA_LIBRARY", "");
  EngineOptions options;
  options.driver_library = "/nowhere/libcuda.so.1";
  const auto engine = Engine::create(options);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::library_not_found);
  EXPECT_NE(engine.error().message.find("/nowhere/libcuda.so.1"), std::string::npos);
  EXPECT_NE(engine.error().context.find("cannot open shared object file"), std::string::npos);

  const ScopedVariable named("OSDN_CUDA_LIBRARY", "/nowhere/else.so");
  const auto by_variable = Engine::create();
  ASSERT_FALSE(by_variable);
  EXPECT_NE(by_variable.error().message.find("/nowhere/else.so (OSDN_CUDA_LIBRARY)"), std::string::npos);
}

TEST(Engine, ALibraryThatIsNoDriverIsRefused) {
  EngineOptions options;
  options.driver_library = OSDN_FAKE_NVRTC;
  const auto engine = Engine::create(options);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::library_not_found);
  EXPECT_NE(engine.error().message.find("cuInit"), std::string::npos);
}

TEST(Engine, AMissingNvrtcMattersOnlyWhenSomethingMustBeCompiled) {
  fresh_books();
  EngineOptions options = null_options();
  options.nvrtc_library = "/nowhere/libnvrtc.so.13";
  Engine engine = make(options);
  EXPECT_EQ(engine.device().nvrtc_version, 0);
  const auto operation = engine.prepare(small_problem());
  ASSERT_FALSE(operation);
  EXPECT_EQ(operation.error().code, ErrorCode::library_not_found);
  EXPECT_NE(operation.error().message.find("pip install 'nvidia-cuda-nvrtc==13.*'"), std::string::npos);
  EXPECT_NE(operation.error().context.find("/nowhere/libnvrtc.so.13"), std::string::npos);
}

TEST(Engine, AnNvrtcOfANewerMajorThanTheDriverIsRefused) {
  Books& books = fresh_books();
  books.driver_version = 12080;
  Engine engine = make();
  const auto operation = engine.prepare(small_problem());
  ASSERT_FALSE(operation);
  EXPECT_EQ(operation.error().code, ErrorCode::library_not_found);
  EXPECT_NE(operation.error().message.find("13.0"), std::string::npos);
  EXPECT_NE(operation.error().message.find("12.8"), std::string::npos);
  EXPECT_NE(operation.error().message.find("nvidia-cuda-nvrtc-cu12"), std::string::npos);
}

}  // namespace
}  // namespace osdn::runtime::testing
