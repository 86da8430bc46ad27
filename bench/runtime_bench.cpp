// What it costs to get a compiled kernel, cold, from disk and from memory, and to launch it. The driver does nothing,
// so what is left is NVRTC's time and ours.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include "bench/null_driver.hpp"
#include "bench/subject.hpp"
#include "osdn/engine.hpp"
#include "runtime/compiler.hpp"
#include "runtime/pack.hpp"
#include "tests/temporary_directory.hpp"

namespace osdn::bench {
namespace {

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

std::string write_pack(const std::string& file) {
  runtime::Compiler compiler(runtime::CompilerOptions{});
  runtime::PackContents contents;
  for (const auto& kernel : plan(subject(), architecture()).kernels) {
    const auto input = runtime::compile_input(kernel, "sm_80");
    const auto made = compiler.compile(input).value_or_throw().kernel;
    contents.entries.push_back(
        runtime::encode_entry(runtime::cache_record(input, made.nvrtc_version), kernel.entry, made));
  }
  std::ofstream(file, std::ios::binary) << runtime::encode_pack(contents).value_or_throw();
  return file;
}

/// A container with a driver and a pack and no NVRTC, its context made: from nothing to the first launch that is
/// enqueued. On the null driver our share; on the emulator with its loading of the PTX.
void first_call_from_pack(benchmark::State& state) {
  const bool emulated = state.range(0) != 0;
  const osdn::test::TemporaryDirectory folder;
  const EngineOptions options{.driver_library = emulated ? OSDN_EMULATOR_LIBRARY : null_driver_library(),
                              .nvrtc_library = "/nowhere/libnvrtc.so",
                              .disk_cache = false,
                              .packs = {write_pack(folder / "kernels.osdnpack")}};
  auto holds_the_context = Engine::create(options).value_or_throw();
  constexpr std::size_t room = 1 << 20;
  const auto memory = holds_the_context.allocate(room).value_or_throw();
  ForwardArguments arguments{.shape = {.b = 1, .t = 1, .h = 1, .hv = 1}};
  for (DevicePointer* tensor : {&arguments.q, &arguments.k, &arguments.v, &arguments.beta, &arguments.log_gamma}) {
    *tensor = memory.address();
  }
  arguments.o = memory.address() + room / 4;
  arguments.workspace = memory.address() + room / 2;
  arguments.workspace_bytes = room / 2;
  const std::string zeros(room, '\0');
  memory.upload(zeros.data()).value_or_throw();
  for (auto _ : state) {
    auto engine = Engine::create(options).value_or_throw();
    engine.prepare(subject()).value_or_throw().launch(arguments).value_or_throw();
    state.PauseTiming();
    engine.synchronize().value_or_throw();
    if (engine.cache_statistics().pack_hits != 2) state.SkipWithError("a kernel did not come from the pack");
    state.ResumeTiming();
  }
  state.SetLabel(emulated ? "emulator" : "null driver");
}
BENCHMARK(first_call_from_pack)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime()->MeasureProcessCPUTime();

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
