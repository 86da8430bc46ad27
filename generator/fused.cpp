#include "generator/fused.hpp"

#include <algorithm>

#include "generator/constraints.hpp"

namespace osdn::generator {
namespace {

// Cycles of a chunk, from the timing model (docs/performance.md); only their ratios matter. That of a chain lies
// between its issue slots, 2,970, and what the model makes of its latencies, 11,700: a guess until a GPU has run it.
struct ChunkCost {
  std::int64_t chain;  ///< of a chain that has its multiprocessor to itself
  std::int64_t alone;  ///< of d in a team alone on its multiprocessor
  std::int64_t issue;  ///< of d, at least, for each team that shares the multiprocessor
};
constexpr ChunkCost cost_of(int preconditioner_warps) {
  return {5900, preconditioner_warps == 8 ? 4200 : 6400, 2200};
}

std::int64_t divided(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace

FusedGrid fused_grid(const Problem& problem, const Config& config, const Architecture& architecture,
                     const Shape& shape) {
  const std::int64_t pairs = shape.sequences() * shape.hv;
  const std::int64_t chains = pairs * config.value_split;
  const std::int64_t multiprocessors = std::max<std::int64_t>(2, architecture.multiprocessors);
  const std::int64_t teams = teams_of(problem, config).teams;
  const ChunkCost cost = cost_of(config.preconditioner_warps);
  FusedGrid best;
  std::int64_t least = 0;
  std::int64_t least_ahead = 0;
  for (std::int64_t ctas = 1; ctas < multiprocessors && ctas <= pairs; ++ctas) {
    const std::int64_t busy = std::min(teams, divided(pairs, ctas));  // teams of a CTA
    const std::int64_t ahead = divided(pairs, ctas * teams) * std::max(cost.alone, busy * cost.issue);
    const std::int64_t behind = divided(chains, multiprocessors - ctas) * cost.chain;
    const std::int64_t time = std::max(ahead, behind);
    const bool better = time < least || (time == least && ahead < least_ahead);
    if (best.preconditioners != 0 && !better) continue;
    least = time;
    least_ahead = ahead;
    best = {ctas, std::min(chains, multiprocessors - ctas)};
  }
  return best;
}

std::size_t progress_words(const Shape& shape) {
  return 1 + static_cast<std::size_t>(shape.sequences() * shape.hv);
}

}  // namespace osdn::generator
