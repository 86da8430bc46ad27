// What can be told of a candidate before it runs.
#pragma once

#include "autotune/trial.hpp"
#include "generator/plan.hpp"
#include "osdn/shape.hpp"

namespace osdn::autotune {

/// How often the device must be filled with CTAs until all of the plan's kernels are done: their waves, summed.
[[nodiscard]] double waves(const generator::Plan& plan, const Resources& resources, const Shape& shape);

/// Whether it spills, or needs many times the waves of the default: it is then tried after all others.
[[nodiscard]] bool hopeless(const Resources& resources, double waves, double waves_of_default);

}  // namespace osdn::autotune
