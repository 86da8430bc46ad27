// The gradient of the recurrence in float64, token by token backwards: what every backward kernel must equal.
#pragma once

#include <span>
#include <vector>

#include "reference/forward.hpp"

namespace osdn::reference {

struct BackwardInputs {
  ForwardInputs forward;
  std::span<const double> o;            ///< adjoint of o [B,T,HV,V]
  std::span<const double> final_state;  ///< adjoint of final_state [N,HV,K,V]; zeros when not given
  std::span<const double> final_d;      ///< adjoint of final_d [N,HV,K]; zeros when not given
  bool detach_d = false;                ///< d is a constant: nothing flows back through it
};

struct Gradients {
  std::vector<double> q;              ///< [B,T,H,K], summed over the value heads of a key head
  std::vector<double> k;              ///< likewise
  std::vector<double> v;              ///< [B,T,HV,V]
  std::vector<double> beta;           ///< [B,T,HV]
  std::vector<double> log_gamma;      ///< shape by Apf; one element with Apf::constant
  std::vector<double> initial_state;  ///< [N,HV,K,V]
  std::vector<double> initial_d;      ///< [N,HV,K]; empty without a preconditioner
  double eta = 0;
  double anchor = 0;
};

/// Where a value lies exactly on a bound of the clip the gradient of the inside is taken.
/// Errors: invalid_argument, as forward().
expected<Gradients> backward(const BackwardInputs& inputs);

}  // namespace osdn::reference
