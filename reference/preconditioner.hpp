// The preconditioner d of one head over one sequence, and its adjoint.
#pragma once

#include <cstddef>
#include <vector>

#include "osdn/problem.hpp"
#include "reference/forward.hpp"

namespace osdn::reference {

/// What d is learned from: keys, β and γ of one head, row by row.
struct PreconditionerInputs {
  std::size_t tokens = 0;
  std::size_t features = 0;
  bool beta_aware = true;
  Norm norm = Norm::max;
  Numbers numbers;
  const double* k = nullptr;          ///< [T,K]
  const double* beta = nullptr;       ///< [T]
  const double* log_gamma = nullptr;  ///< [T,K]
};

/// d at every token and the one after the last: [T+1, K]. Row 0 is `initial`, untouched by the clip.
std::vector<double> precondition(const PreconditionerInputs& inputs, const double* initial);

struct PreconditionerAdjoint {
  std::vector<double> k;          ///< [T,K]
  std::vector<double> beta;       ///< [T]
  std::vector<double> log_gamma;  ///< [T,K]
  std::vector<double> initial;    ///< [K]
  double eta = 0;
  double anchor = 0;
};

/// `d` is what precondition() returned; `d_adjoint` [T+1,K] the adjoint of each of its rows from elsewhere: of d_t by
/// the write keys, of the last row by final_d.
PreconditionerAdjoint precondition_backward(const PreconditionerInputs& inputs, const std::vector<double>& d,
                                            const std::vector<double>& d_adjoint);

}  // namespace osdn::reference
