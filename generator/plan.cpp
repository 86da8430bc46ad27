#include "generator/plan.hpp"

#include "generator/constraints.hpp"
#include "generator/render.hpp"

namespace osdn::generator {
namespace {

constexpr std::size_t workspace_alignment = 256;

std::size_t aligned(std::size_t bytes) {
  return (bytes + workspace_alignment - 1) / workspace_alignment * workspace_alignment;
}

// A phase's headers depend on the templates alone.
const expected<std::vector<Header>>& headers(const Phase& phase, const std::string& source) {
  if (phase.reader == preconditioner_phase) {
    static const auto closure = include_closure(source, templates::all());
    return closure;
  }
  static const auto closure = include_closure(source, templates::all());
  return closure;
}

expected<KernelPlan> plan_kernel(const Phase& phase, const Problem& problem, const Config& config) {
  KernelPlan kernel;
  kernel.phase = phase.name;
  kernel.entry = entry(phase);
  kernel.source = render(phase, problem, config);
  const auto& closure = headers(phase, kernel.source);
  if (!closure) return closure.error();
  kernel.headers = *closure;
  kernel.threads = threads(phase, config);
  kernel.dynamic_shared = shared_bytes(phase, problem, config);
  kernel.ctas_per_head = phase.reader == delta_rule_phase ? config.value_split : 1;
  return kernel;
}

}  // namespace

expected<Plan> plan(const Problem& given, const Config& config, const Architecture& architecture) {
  const auto problem = canonical(given);
  if (!problem) return problem.error();
  if (auto ok = check(*problem, config, architecture); !ok) return ok.error();
  Plan out{*problem, config, architecture, {}};
  if (problem->precondition != Precondition::none) {
    auto kernel = plan_kernel(preconditioner, *problem, config);
    if (!kernel) return kernel.error();
    out.kernels.push_back(*std::move(kernel));
  }
  auto kernel = plan_kernel(delta_rule, *problem, config);
  if (!kernel) return kernel.error();
  out.kernels.push_back(*std::move(kernel));
  return out;
}

Plan::Workspace Plan::workspace(const Shape& shape) const {
  if (problem.precondition == Precondition::none) return {};
  const auto heads = static_cast<std::size_t>(shape.hv);
  const auto tokens = static_cast<std::size_t>(shape.b) * static_cast<std::size_t>(shape.t);
  // Every sequence may begin a chunk that it does not fill.
  const std::size_t chunks =
      tokens / static_cast<std::size_t>(config.chunk) + static_cast<std::size_t>(shape.sequences());
  Workspace out;
  out.d_chunks_offset = aligned(heads * tokens * sizeof(float));
  out.bytes = out.d_chunks_offset + aligned(heads * chunks * static_cast<std::size_t>(problem.k) * sizeof(float));
  return out;
}

}  // namespace osdn::generator
