// Cases with random inputs, for tests, `osdn verify --problem` and measurements. The same seed gives the same case.
#pragma once

#include <cstdint>

#include "osdn/error.hpp"
#include "reference/case.hpp"

namespace osdn::reference {

enum class Keys {
  unit,          ///< random directions, |k| = 1
  scaled,        ///< random directions, lengths spread over a factor of four
  nearly_equal,  ///< one direction with a little noise, β near 1: the hard case of the inverse
  zero,          ///< zeros
};

struct RandomOptions {
  std::uint64_t seed = 1;
  Keys keys = Keys::unit;
  bool initial_state = true;
  bool initial_d = true;  ///< ignored without a preconditioner
  /// Lengths of the packed sequences (some may be 0), exactly when shape.n > 0; empty: drawn at random.
  std::vector<std::int64_t> lengths;
};

/// The type of each tensor is the problem's; values are rounded to it. Errors: invalid_argument when problem, shape and
/// numbers do not fit each other.
expected<Case> random_case(const Problem& problem, const Shape& shape, const Numbers& numbers,
                           const RandomOptions& options = {});

}  // namespace osdn::reference
