// What a pass at a shape launches, and the device memory that it takes.
#pragma once

#include <string>

#include "cli/report.hpp"
#include "generator/plan.hpp"

namespace osdn::cli {

/// Bytes of a call: `tensors` (q, k, v, o), `workspace` and its share of those, `call` (every input and output of a
/// call with all states, and the workspace). β counts in its own type; cu_seqlens as int64.
[[nodiscard]] Json memory_json(const generator::Plan& plan, const Shape& shape);

/// The launches, too.
[[nodiscard]] Json plan_json(const generator::Plan& plan, const Shape& shape);
[[nodiscard]] std::string plan_text(const Json& plan);

/// `workspace 1.5 MiB, 1.2 % of q, k, v and o; 130 MiB in all`
[[nodiscard]] std::string memory_text(const Json& memory);

}  // namespace osdn::cli
