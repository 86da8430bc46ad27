#include "generator/plan.hpp"

#include <initializer_list>
#include <limits>
#include <map>
#include <mutex>

#include "generator/constraints.hpp"
#include "generator/render.hpp"

namespace osdn::generator {
namespace {

constexpr std::size_t workspace_alignment = 256;

std::size_t aligned(std::size_t bytes) {
  return (bytes + workspace_alignment - 1) / workspace_alignment * workspace_alignment;
}

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

expected<KernelPlan> plan_kernel(const Phase& phase, const Problem& problem, const Config& config) {
  KernelPlan kernel;
  kernel.phase = phase.name;
  kernel.entry = entry(phase);
  kernel.source = render(phase, problem, config);
  auto closure = headers(phase, kernel.source);
  if (!closure) return closure.error();
  kernel.headers = *std::move(closure);
  kernel.threads = threads(phase, config);
  kernel.dynamic_shared = shared_bytes(phase, problem, config);
  kernel.ctas_per_head = phase.reader == delta_rule_phase ? config.value_split : 1;
  return kernel;
}

/// The phases of a pass, in the order they are first launched.
std::vector<const Phase*> phases(const Problem& problem) {
  if (problem.precondition == Precondition::none) return {&delta_rule};
  return {&preconditioner, &delta_rule};
}

std::int64_t product_or_largest(std::initializer_list<std::int64_t> factors) {
  std::int64_t all = 1;
  for (const std::int64_t factor : factors) {
    if (__builtin_mul_overflow(all, factor, &all)) return std::numeric_limits<std::int64_t>::max();
  }
  return all;
}

}  // namespace

expected<Plan> plan(const Problem& given, const Config& config, const Architecture& architecture) {
  const auto problem = canonical(given);
  if (!problem) return problem.error();
  if (auto ok = check(*problem, config, architecture); !ok) return ok.error();
  Plan out{*problem, config, architecture, {}};
  for (const Phase* phase : phases(*problem)) {
    auto kernel = plan_kernel(*phase, *problem, config);
    if (!kernel) return kernel.error();
    out.kernels.push_back(*std::move(kernel));
  }
  return out;
}

Launches Plan::launches(const Shape& shape) const {
  Launches out;
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    out.add({i, product_or_largest({shape.sequences(), shape.hv, kernels[i].ctas_per_head})});
  }
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
