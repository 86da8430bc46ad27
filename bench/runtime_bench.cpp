// What it costs to get a compiled kernel, cold, from disk and from memory, and to launch it. The driver does nothing,
// so what is left is NVRTC's time and ours.
#include <benchmark/benchmark.h>
#include <dlfcn.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "bench/subject.hpp"
#include "osdn/engine.hpp"
#include "runtime/compiler.hpp"
#include "tests/runtime/null_driver.hpp"
#include "tests/temporary_directory.hpp"

namespace osdn::bench {
namespace {

/// The driver that does nothing, its books closed: they are for tests.
const char* null_driver_library() {
  void* const library = ::dlopen(OSDN_NULL_DRIVER, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(::dlerror());
  reinterpret_cast<null_driver::GetBooks>(::dlsym(library, "null_driver_books"))()->recording = false;
  return OSDN_NULL_DRIVER;
}

Engine make_engine(const std::string& cache_folder = {}) {
  return Engine::create({.driver_library = null_driver_library(),
                         .cache_directory = cache_folder,
                         .disk_cache = !cache_folder.empty()})
      .value_or_throw();
}

/// NVRTC's time for one kernel of the plan, with what the assembler says of it.
void compile_kernel(benchmark::State& state) {
  const auto made = plan(subject(), architecture());
  const auto& kernel = made.kernels.at(static_cast<std::size_t>(state.range(0)));
  runtime::CompilerOptions options;
  options.disk_cache = false;
  runtime::Compiler compiler(options);
  runtime::Resources resources;
  for (auto _ : state) {
    resources = compiler.compile(runtime::compile_input(kernel, "sm_80")).value_or_throw().kernel.resources;
  }
  state.SetLabel(kernel.phase);
  state.counters["registers"] = resources.registers;
  state.counters["spilled_bytes"] = static_cast<double>(resources.spill_store_bytes + resources.spill_load_bytes);
}
BENCHMARK(compile_kernel)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();

/// From a problem to loaded kernels with nothing cached: plan, compile all kernels at the same time, load.
void prepare_cold(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto engine = make_engine();
    state.ResumeTiming();
    benchmark::DoNotOptimize(engine.prepare(subject()).value_or_throw());
  }
}
BENCHMARK(prepare_cold)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();

/// The same in a new process that finds the kernels on disk.
void prepare_from_disk(benchmark::State& state) {
  const osdn::test::TemporaryDirectory folder;
  (void)make_engine(folder.path()).prepare(subject()).value_or_throw();
  for (auto _ : state) {
    state.PauseTiming();
    auto engine = make_engine(folder.path());
    state.ResumeTiming();
    benchmark::DoNotOptimize(engine.prepare(subject()).value_or_throw());
    if (engine.cache_statistics().misses != 0) state.SkipWithError("a kernel was compiled");
  }
}
BENCHMARK(prepare_from_disk)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();

/// The same problem once more in the same Engine.
void prepare_again(benchmark::State& state) {
  auto engine = make_engine();
  (void)engine.prepare(subject()).value_or_throw();
  for (auto _ : state) benchmark::DoNotOptimize(engine.prepare(subject()).value_or_throw());
}
BENCHMARK(prepare_again)->Unit(benchmark::kNanosecond);

/// Our share of a launch: argument checks, parameters, one driver call a kernel.
void launch(benchmark::State& state) {
  auto engine = make_engine();
  const auto forward = engine.prepare(subject()).value_or_throw();
  const Shape shape{.b = 4, .t = 8192, .h = 32, .hv = 32};
  constexpr DevicePointer somewhere = DevicePointer{1} << 40;
  ForwardArguments arguments{.shape = shape, .q = somewhere, .k = somewhere, .v = somewhere, .beta = somewhere};
  arguments.log_gamma = somewhere;
  arguments.o = somewhere;
  arguments.workspace = somewhere;
  arguments.workspace_bytes = forward.workspace_bytes(shape);
  for (auto _ : state) forward.launch(arguments).value_or_throw();
  state.counters["kernels"] = static_cast<double>(forward.kernels().size());
}
BENCHMARK(launch)->Unit(benchmark::kNanosecond);

}  // namespace
}  // namespace osdn::bench
