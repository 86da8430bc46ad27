// The adversarial inputs of the gate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "reference/case.hpp"

namespace osdn::autotune {

struct GateCase {
  std::string name;  ///< "ragged tails"
  reference::Case inputs;
  bool states_out = true;  ///< final_state and final_d are asked for
  bool shifted = false;    ///< tensors begin where the alignment that is asked for just holds
  reference::Expected answers;
};

/// The cases of a canonical problem with their answers, the same for every configuration. Errors: internal: the
/// reference does not take the problem.
expected<std::vector<GateCase>> gate_cases(const Problem& problem, std::uint64_t seed);

}  // namespace osdn::autotune
