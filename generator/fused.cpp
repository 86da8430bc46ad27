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

/// What fused_cycles needs of its arguments, looked up once.
class Balance {
 public:
  Balance(const Problem& problem, const Config& config, const Architecture& architecture, const Shape& shape)
      : pairs_(shape.sequences() * shape.hv),
        chains_(pairs_ * config.value_split),
        multiprocessors_(std::max<std::int64_t>(2, architecture.multiprocessors)),
        teams_(teams_of(problem, config).teams),
        cost_(cost_of(config.preconditioner_warps)) {}

  [[nodiscard]] std::int64_t most() const { return std::min(multiprocessors_ - 1, pairs_); }
  [[nodiscard]] std::int64_t chains_beside(std::int64_t ctas) const {
    return std::min(chains_, multiprocessors_ - ctas);
  }
  [[nodiscard]] std::int64_t ahead(std::int64_t ctas) const {
    const std::int64_t busy = std::min(teams_, divided(pairs_, ctas));  // teams of a CTA
    return divided(pairs_, ctas * teams_) * std::max(cost_.alone, busy * cost_.issue);
  }
  [[nodiscard]] std::int64_t behind(std::int64_t ctas) const {
    return divided(chains_, multiprocessors_ - ctas) * cost_.chain;
  }

 private:
  std::int64_t pairs_;
  std::int64_t chains_;
  std::int64_t multiprocessors_;
  std::int64_t teams_;
  ChunkCost cost_;
};

/// The first of from … to that `holds`, as then all behind it do; `to` if none before it does.
template <class Holds>
std::int64_t first_that(std::int64_t from, std::int64_t to, Holds holds) {
  while (from < to) {
    const std::int64_t middle = from + (to - from) / 2;
    if (holds(middle)) {
      to = middle;
    } else {
      from = middle + 1;
    }
  }
  return from;
}

}  // namespace

FusedCycles fused_cycles(const Problem& problem, const Config& config, const Architecture& architecture,
                         const Shape& shape, std::int64_t preconditioners) {
  const Balance balance(problem, config, architecture, shape);
  return {balance.ahead(preconditioners), balance.behind(preconditioners)};
}

FusedGrid fused_grid(const Problem& problem, const Config& config, const Architecture& architecture,
                     const Shape& shape) {
  const Balance balance(problem, config, architecture, shape);
  // More CTAs ahead need less time, and leave less to those behind: the best is where the two cross, or just before. To
  // try all of them would take longer than the rest of a launch.
  const std::int64_t most = balance.most();
  const auto crossing = first_that(1, most, [&](auto ctas) { return balance.ahead(ctas) <= balance.behind(ctas); });
  std::int64_t least = std::max(balance.ahead(crossing), balance.behind(crossing));
  if (crossing > 1) least = std::min(least, balance.ahead(crossing - 1));
  // Of several that are as good, d as early as can be, by as few CTAs as that takes.
  const auto last = first_that(1, most + 1, [&](auto ctas) { return balance.behind(ctas) > least; }) - 1;
  const std::int64_t earliest = balance.ahead(last);
  const auto ctas = first_that(1, last, [&](auto few) { return balance.ahead(few) <= earliest; });
  return {ctas, balance.chains_beside(ctas)};
}

std::size_t progress_words(const Shape& shape) {
  return 1 + static_cast<std::size_t>(shape.sequences() * shape.hv);
}

}  // namespace osdn::generator
