// What it costs to write kernels, before anything is compiled.
#include <benchmark/benchmark.h>

#include "bench/subject.hpp"

namespace osdn::bench {
namespace {

void render_plan(benchmark::State& state) {
  const Problem problem = subject();
  const auto arch = architecture();
  std::size_t bytes = 0;
  for (auto _ : state) {
    const auto made = plan(problem, arch);
    bytes = 0;
    for (const auto& kernel : made.kernels) bytes += kernel.source.size();
    benchmark::DoNotOptimize(bytes);
  }
  state.counters["source_bytes"] = static_cast<double>(bytes);
}
BENCHMARK(render_plan)->Unit(benchmark::kMicrosecond);

void configuration_space(benchmark::State& state) {
  const auto arch = architecture();
  std::size_t candidates = 0;
  for (auto _ : state) {
    candidates = generator::configuration_space(subject(), arch).value_or_throw().size();
    benchmark::DoNotOptimize(candidates);
  }
  state.counters["candidates"] = static_cast<double>(candidates);
}
BENCHMARK(configuration_space)->Unit(benchmark::kMicrosecond);

void parse_problem_text(benchmark::State& state) {
  const std::string text = to_string(subject());
  for (auto _ : state) benchmark::DoNotOptimize(parse_problem(text).value_or_throw());
}
BENCHMARK(parse_problem_text)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace osdn::bench
