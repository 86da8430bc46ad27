// The state recurrence of one head over one sequence, in the family's form, and its adjoint:
//
//   h̄ = h ;  u = ν − h̄ᵀe ;  h = h̄ + w uᵀ ;  o = hᵀq̂
//
// The erase key e, write key w, value ν and query q̂ are rows that the caller makes: of a member of the family only they
// differ (OSDN: e = βk, w = d ⊙ k, ν = βv, q̂ = scale · q; DeltaNet: w = k).
#pragma once

#include <cstddef>
#include <vector>

namespace osdn::reference {

struct DeltaRuleRows {
  std::size_t tokens = 0;
  std::size_t features = 0;   ///< K
  std::size_t values = 0;     ///< V
  std::vector<double> erase;  ///< [T,K]
  std::vector<double> write;  ///< [T,K]
  std::vector<double> value;  ///< [T,V]
  std::vector<double> query;  ///< [T,K]
};

struct DeltaRuleOutputs {
  std::vector<double> o;            ///< [T,V]
  std::vector<double> final_state;  ///< [K,V]
};

/// `initial` is [K,V].
DeltaRuleOutputs delta_rule(const DeltaRuleRows& rows, const double* initial);

struct DeltaRuleAdjoint {
  DeltaRuleRows rows;                 ///< the adjoint of each row
  std::vector<double> initial_state;  ///< [K,V]
};

/// `o_adjoint` [T,V] and `state_adjoint` [K,V] are the adjoints of the outputs. Keeps the state of every token: memory
/// grows as T·K·V.
DeltaRuleAdjoint delta_rule_backward(const DeltaRuleRows& rows, const double* initial, const double* o_adjoint,
                                     const double* state_adjoint);

}  // namespace osdn::reference
