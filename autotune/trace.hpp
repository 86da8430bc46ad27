// Problems and shapes as files: what a host application met (TunerOptions::trace), or what somebody wrote down. One
// JSON object a line: {"problem": "osdn_forward:…", "shape": "b=1,t=…"}; empty lines and lines that begin with # are
// skipped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "osdn/error.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::autotune {

struct TraceLine {
  Problem problem;  ///< canonical
  Shape shape;

  friend bool operator==(const TraceLine&, const TraceLine&) = default;
};

/// In order of first appearance, each once. A torn last line of a live trace is dropped. Errors: corrupt, with the
/// line.
expected<std::vector<TraceLine>> parse_trace(std::string_view text);
/// With the newline.
[[nodiscard]] std::string to_text(const TraceLine& line);
/// Appends to a file, one write. Errors: io.
expected<void> append_trace(const std::string& path, const TraceLine& line);

}  // namespace osdn::autotune
