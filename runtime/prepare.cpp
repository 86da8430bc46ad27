// From a Problem to a plan's kernels.
#include <fmt/format.h>

#include <utility>

#include "runtime/engine_state.hpp"
#include "runtime/trace.hpp"

namespace osdn {

expected<generator::Architecture> EngineState::architecture() const {
  auto architecture = generator::find_architecture(fmt::format("sm_{}", description_.arch));
  if (!architecture) return architecture;
  architecture->shared_per_block = description_.shared_per_block;
  architecture->shared_per_multiprocessor = device_->shared_per_multiprocessor();
  architecture->multiprocessors = description_.multiprocessors;
  return architecture;
}

expected<PreparedOperation> EngineState::prepare(const Problem& problem, const std::optional<Config>& config) {
  if (const auto* found = operations_.find({problem, config})) {
    memory_hits_.fetch_add((*found)->plan().kernels.size(), std::memory_order_relaxed);
    return PreparedOperation(*found);
  }
  const runtime::Span span(options_.trace, TraceEvent::Kind::prepare);
  auto prepared = prepare_anew(problem, config);
  if (!prepared) {
    if (span.heard()) span.ended(to_string(problem), prepared.error().message, true);
    return prepared;
  }
  if (span.heard()) span.ended(to_string(prepared->problem()), to_string(prepared->config()));
  operations_.insert({problem, config}, prepared->state()->as_found_in_memory());
  return prepared;
}

expected<PreparedOperation> EngineState::prepare_anew(const Problem& problem, const std::optional<Config>& config) {
  auto architecture = this->architecture();
  if (!architecture) return std::move(architecture).error();
  auto exact = canonical(problem);
  if (!exact) return std::move(exact).error();
  auto chosen = config ? expected<Config>(*config) : generator::default_config(*exact, *architecture);
  if (!chosen) return std::move(chosen).error();
  auto plan = generator::plan(*exact, *chosen, *architecture);
  if (!plan) return std::move(plan).error();
  return prepare_plan(*std::move(plan));
}

}  // namespace osdn
