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

/// Depends on the shape and the number of multiprocessors alone. Allocates nothing: it is on the launch path.
[[nodiscard]] FusedGrid fused_grid(const Problem& problem, const Config& config, const Architecture& architecture,
                                   const Shape& shape);

/// Words of ForwardParameters::progress.
[[nodiscard]] std::size_t progress_words(const Shape& shape);

}  // namespace osdn::generator
