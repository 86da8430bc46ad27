// What a launch costs when many threads launch one operation, each into a stream of its own: a lock, or memory that all
// of them write, would make it dearer with their number. The driver does nothing, and the thread's context is current.
#include <benchmark/benchmark.h>
#include <osdn/osdn.h>

#include <cstdint>

#include "bench/null_driver.hpp"
#include "bench/subject.hpp"
#include "osdn/engine.hpp"

namespace osdn::bench {
namespace {

constexpr std::uint64_t somewhere = std::uint64_t{1} << 40;

void enter_context() {
  null_driver_entry<null_driver::SetCurrent>("null_driver_set_current")(
      null_driver_entry<null_driver::GetContext>("null_driver_primary")());
}

void* stream_of(const benchmark::State& state) {
  return reinterpret_cast<void*>(0x100 * (std::uintptr_t{1} + static_cast<unsigned>(state.thread_index())));
}

/// Never destroyed, like the handles below: the driver's own thread-local stack of contexts goes before anything
/// static.
const PreparedOperation& operation() {
  static const auto& prepared =
      *new PreparedOperation(Engine::create({.driver_library = null_driver_library(), .disk_cache = false})
                                 .value_or_throw()
                                 .prepare(subject())
                                 .value_or_throw());
  return prepared;
}

void cpp_launch(benchmark::State& state) {
  const PreparedOperation& forward = operation();
  enter_context();
  const Shape shape{.b = 4, .t = 8192, .h = 32, .hv = 32};
  ForwardArguments arguments{.shape = shape, .q = somewhere, .k = somewhere, .v = somewhere, .beta = somewhere};
  arguments.log_gamma = arguments.o = arguments.workspace = somewhere;
  arguments.workspace_bytes = forward.workspace_bytes(shape);
  void* const stream = stream_of(state);
  for (auto _ : state) {
    if (!forward.launch(arguments, stream)) state.SkipWithError("a launch was refused");
  }
}

struct Handles {
  osdn_engine* engine = nullptr;
  osdn_operation* operation = nullptr;
};

const Handles& handles() {
  static const Handles made = [] {
    Handles out;
    osdn_engine_options options;
    (void)osdn_engine_options_init(&options, sizeof(options));
    options.driver_library = null_driver_library();
    options.disk_cache = 0;
    (void)osdn_engine_create(&options, &out.engine);
    (void)osdn_prepare_text(out.engine, to_string(subject()).c_str(), nullptr, &out.operation);
    return out;
  }();
  return made;
}

void c_launch(benchmark::State& state) {
  const osdn_operation* const forward = handles().operation;
  enter_context();
  osdn_forward_arguments arguments;
  (void)osdn_forward_arguments_init(&arguments, sizeof(arguments));
  arguments.b = 4;
  arguments.t = 8192;
  arguments.h = arguments.hv = 32;
  arguments.q = arguments.k = arguments.v = arguments.beta = arguments.log_gamma = somewhere;
  arguments.o = arguments.workspace = somewhere;
  arguments.workspace_bytes = somewhere;
  void* const stream = stream_of(state);
  for (auto _ : state) {
    if (osdn_launch_forward(forward, &arguments, stream) != OSDN_OK) state.SkipWithError(osdn_last_error());
  }
}

BENCHMARK(cpp_launch)->ThreadRange(1, 32)->Unit(benchmark::kNanosecond);
BENCHMARK(c_launch)->ThreadRange(1, 32)->Unit(benchmark::kNanosecond);

}  // namespace
}  // namespace osdn::bench
