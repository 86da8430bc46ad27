// The judge: errors of a run against float64, and how large they may be.
#pragma once

#include <string>
#include <vector>

#include "reference/case.hpp"

namespace osdn::reference {

struct Verdict {
  std::string tensor;   ///< "o", "final_state", "final_d"
  std::string measure;  ///< "relative RMS", "RMS" (nothing to be relative to), "max abs"
  double error = 0;
  double tolerance = 0;
  double ratio = 0;  ///< error / tolerance
  bool passed = false;
  std::string reason;  ///< why not, where the error does not say it: "not finite", "has 3 elements, not 4"
};

/// Whether the mean distance of a key from the mean key of its head is below 0.05 of the mean key length: then L is far
/// from the identity and rounding is amplified.
[[nodiscard]] bool keys_nearly_equal(const Case& problem);

/// Allowed relative RMS error of o.
[[nodiscard]] double rms_tolerance(const Case& problem);

/// Allowed relative RMS error of final_state: the same, and its rounding where it is not stored in fp32.
[[nodiscard]] double state_tolerance(const Case& problem);

/// Allowed absolute error of final_d.
[[nodiscard]] double d_tolerance(const Case& problem);

/// One verdict per tensor.
std::vector<Verdict> judge(const Case& problem, const Expected& answers, const Outputs& outputs);

[[nodiscard]] bool all_passed(const std::vector<Verdict>& verdicts);

}  // namespace osdn::reference
