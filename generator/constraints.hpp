// What a Config must satisfy for a Problem on an architecture: one named rule per constraint.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "generator/architecture.hpp"
#include "generator/render.hpp"
#include "osdn/config.hpp"
#include "osdn/error.hpp"
#include "osdn/problem.hpp"
#include "templates/hopper/layout.cuh"

namespace osdn::generator {

/// Bytes of dynamic shared memory that a phase's CTA asks for: the sum that templates/layout.cuh makes, for host and
/// device alike.
[[nodiscard]] std::size_t shared_bytes(const Phase& phase, const Problem& problem, const Config& config);

/// How a preconditioning CTA of the fused Hopper kernel divides itself.
[[nodiscard]] TeamsLayout teams_of(const Problem& problem, const Config& config);

/// Value tiles (of 16 columns) that one warp of the delta rule phase holds the state of.
[[nodiscard]] int tiles_per_warp(const Problem& problem, const Config& config);

struct Constraint {
  std::string_view name;
  /// Why the Config breaks it, with the numbers; empty when it does not. The rules before it hold.
  std::string (*broken)(const Problem&, const Config&, const Architecture&);
};

/// Of the problem's operation, in the order they are checked.
[[nodiscard]] std::span<const Constraint> constraints(const Problem& problem);

/// Errors: constraint; the message is the broken rule's sentence, the context its name.
expected<void> check(const Problem& problem, const Config& config, const Architecture& architecture);

}  // namespace osdn::generator
