#include "generator/plan.hpp"

#include <map>
#include <mutex>

#include "generator/constraints.hpp"
#include "generator/render.hpp"
#include "templates/layout.cuh"

namespace osdn::generator {
namespace {

// A phase's headers depend on the templates alone.
expected<std::vector<Header>> headers(const Phase& phase, const std::string& source) {
  static std::mutex mutex;
  static std::map<std::string_view, std::vector<Header>> known;
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(phase.name); found != known.end()) return found->second;
  auto closure = include_closure(source, templates::all());
  if (closure) known.emplace(phase.name, *closure);
  return closure;
}

/// The phases of a pass, in the order they are first launched.
std::vector<const Phase*> phases(const Problem& problem, const Config& config) {
  if (is_decode(problem)) return {&decode};
  const bool preconditioned = problem.precondition != Precondition::none;
  if (config.schedule == Schedule::hopper_fused) return {&fused_hopper};
  if (config.cut == Cut::never) {
    if (!preconditioned) return {&delta_rule_of(config)};
    return {&preconditioner, &delta_rule_of(config)};
  }
  if (!preconditioned) return {&segment_transfer, &segment_states, &delta_rule_of(config)};
  return {&preconditioner,   &segment_jacobian, &segment_correction,
          &segment_transfer, &segment_states,   &delta_rule_of(config)};
}

/// CTAs per segment (of segment_states and segment_correction: per sequence) and head.
int ctas_per_head(const Phase& phase, const Problem& problem, const Config& config) {
  const auto divided = [](int a, int b) { return (a + b - 1) / b; };
  if (phase.reader == decode_phase) return config.value_split;
  if (phase.name == segment_jacobian.name) return divided(problem.k / 16, segment_warps);
  if (phase.name == segment_states.name) return problem.v / 16;
  if (phase.reader == preconditioner_phase) return 1;
  // The operator's columns are split into as many blocks as its CTAs can hold tiles.
  const int tiles = problem.v / 16 / config.value_split;
  return config.value_split + (phase.name == segment_transfer.name ? divided(problem.k / 16, tiles) : 0);
}

expected<KernelPlan> plan_kernel(const Phase& phase, const Problem& problem, const Config& config,
                                 const Architecture& architecture) {
  KernelPlan kernel;
  kernel.of = &phase;
  kernel.phase = phase.name;
  kernel.entry = entry(phase);
  kernel.source = render(phase, problem, config);
  auto closure = headers(phase, kernel.source);
  if (!closure) return closure.error();
  kernel.headers = *std::move(closure);
  kernel.threads = threads(phase, config);
  kernel.dynamic_shared = shared_bytes(phase, problem, config);
  kernel.ctas_per_head = ctas_per_head(phase, problem, config);
  kernel.hopper = phase.hopper;
  kernel.most_ctas = phase.hopper ? architecture.multiprocessors : 0;
  return kernel;
}

}  // namespace

expected<Plan> plan(const Problem& given, const Config& config, const Architecture& architecture) {
  const auto problem = canonical(given);
  if (!problem) return problem.error();
  if (auto ok = check(*problem, config, architecture); !ok) return ok.error();
  Plan out{*problem, config, architecture, {}};
  for (const Phase* phase : phases(*problem, config)) {
    auto kernel = plan_kernel(*phase, *problem, config, architecture);
    if (!kernel) return kernel.error();
    out.kernels.push_back(*std::move(kernel));
  }
  return out;
}

}  // namespace osdn::generator
