// How the grid of the fused Hopper kernel is shared out: which of its CTAs precondition, which run chains.
#pragma once

#include <cstddef>
#include <cstdint>

#include "generator/architecture.hpp"
#include "osdn/config.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::generator {

struct FusedGrid {
  std::int64_t preconditioners = 0;  ///< CTAs
  std::int64_t chains = 0;           ///< CTAs
};

/// Cycles that a chunk takes, modelled, on either side: the slower one sets the pace.
struct FusedCycles {
  std::int64_t ahead = 0;   ///< of d, for all sequences and heads
  std::int64_t behind = 0;  ///< of all chains
};
[[nodiscard]] FusedCycles fused_cycles(const Problem& problem, const Config& config, const Architecture& architecture,
                                       const Shape& shape, std::int64_t preconditioners);

/// The shortest pace; of those, the earliest d; of those, the fewest preconditioners. Depends on the shape and the
/// number of multiprocessors alone. Allocates nothing: it is on the launch path.
[[nodiscard]] FusedGrid fused_grid(const Problem& problem, const Config& config, const Architecture& architecture,
                                   const Shape& shape);

/// Words of ForwardParameters::progress.
[[nodiscard]] std::size_t progress_words(const Shape& shape);

}  // namespace osdn::generator
