// How fast the emulator executes the forward pass: strict, or not with OSDN_EMULATOR_STRICT=0. Its speed says nothing
// about a GPU's.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string_view>
#include <vector>

#include "bench/subject.hpp"
#include "emulator/osdn_emulator.h"
#include "osdn/engine.hpp"

namespace osdn::bench {
namespace {

/// Zeros in, zeros out: the instructions are the same for any data.
void forward(benchmark::State& state) {
  const Shape shape{.b = 1, .t = state.range(0), .h = 2, .hv = 2};
  const auto rows = static_cast<std::size_t>(shape.t * shape.hv);
  auto engine = Engine::create({.driver_library = OSDN_EMULATOR_LIBRARY}).value_or_throw();
  const auto operation = engine.prepare(subject(Apf::none)).value_or_throw();
  const auto zeros = [&](std::size_t bytes) {
    auto buffer = engine.allocate(bytes).value_or_throw();
    buffer.upload(std::vector<char>(bytes).data()).value_or_throw();
    return buffer;
  };
  const auto q = zeros(rows * 256);
  const auto k = zeros(rows * 256);
  const auto v = zeros(rows * 256);
  const auto beta = zeros(rows * 4);
  const auto o = zeros(rows * 256);
  const auto workspace = zeros(operation.workspace_bytes(shape));
  ForwardArguments arguments{
      .shape = shape, .q = q.address(), .k = k.address(), .v = v.address(), .beta = beta.address(), .o = o.address()};
  arguments.workspace = workspace.address();
  arguments.workspace_bytes = workspace.bytes();

  osdn_emulator_reset_statistics();
  for (auto _ : state) {
    operation.launch(arguments).value_or_throw();
    engine.synchronize().value_or_throw();
  }
  osdn_emulator_counts counts{};
  counts.struct_size = sizeof counts;
  if (osdn_emulator_statistics(nullptr, &counts) != 0) state.SkipWithError("no statistics");
  using benchmark::Counter;
  const auto iterations = static_cast<double>(state.iterations());
  const double token_heads = static_cast<double>(rows) * iterations;
  const char* strict = std::getenv("OSDN_EMULATOR_STRICT");
  state.SetLabel(strict != nullptr && std::string_view(strict) == "0" ? "not strict" : "strict");
  state.counters["thread_instructions/s"] = Counter(static_cast<double>(counts.thread_instructions), Counter::kIsRate);
  state.counters["warp_instructions/s"] = Counter(static_cast<double>(counts.warp_instructions), Counter::kIsRate);
  state.counters["token_heads/s"] = Counter(token_heads, Counter::kIsRate);
  state.counters["global_bytes/th"] =
      static_cast<double>(counts.global_load_bytes + counts.global_store_bytes + counts.async_copy_bytes) / token_heads;
  state.counters["tensor_flop/th"] = static_cast<double>(counts.tensor_flops) / token_heads;
}
BENCHMARK(forward)->Arg(512)->Arg(2048)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace osdn::bench
