// Inputs at the ends of what is allowed: where rounding and cancellation are worst.
#pragma once

#include <span>
#include <string_view>

#include "reference/random_case.hpp"

namespace osdn::tests {

struct Extreme {
  std::string_view name;
  std::string_view what;  ///< one phrase, for tables
  reference::Keys keys = reference::Keys::unit;
  bool one_key = false;   ///< every token has the first one's key
  bool beta_one = false;  ///< β = 1 everywhere
  double d = 0;           ///< d held at this number; 0: learned, from 1
};

/// The first is no extreme: random inputs, for comparison.
[[nodiscard]] std::span<const Extreme> extremes();

/// A case of it: no states carried in. The problem's write scale must be OSDN's where d is held.
expected<reference::Case> extreme_case(const Extreme& extreme, const Problem& problem, const Shape& shape,
                                       std::uint64_t seed);

}  // namespace osdn::tests
