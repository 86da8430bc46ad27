// The recurrence of Online Scaled DeltaNet in float64, token by token: what every kernel must equal.
//
//   w_t = d_t ⊙ k_t                       write key, d_t before its update
//   u_t = β_t (v_t − h_{t−1}ᵀ k_t)        read with the plain key
//   h_t = h_{t−1} + w_t u_tᵀ
//   o_t = scale · h_tᵀ q_t
//   z_t = 1 − b_t ⟨d_t, s_t⟩              s_t = k_t ⊙ k_t
//   d_{t+1} = clip(ρ + γ_t ⊙ (d_t − ρ) + (η b_t z_t / n_t) s_t, d_min, d_max)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "osdn/error.hpp"
#include "osdn/hyperparameters.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::reference {

/// Hyperparameters in float64: 0.003 is not a float, and the answers are compared far below a float's precision.
struct Numbers {
  double eta = 0.003;
  double d_min = 0.5;
  double d_max = 2.0;
  double norm_eps = 1e-6;
  double anchor = 0.0;
  double log_gamma = 0.0;       ///< of Apf::constant
  std::optional<double> scale;  ///< K^{-1/2} when absent

  friend bool operator==(const Numbers&, const Numbers&) = default;
};

[[nodiscard]] Hyperparameters to_float(const Numbers& numbers);
[[nodiscard]] Numbers to_double(const Hyperparameters& hyperparameters);

/// Checks that the numbers mean something for this problem and survive as floats. Errors: invalid_argument.
expected<void> validate(const Numbers& numbers, const Problem& problem);

/// Dense, row-major, laid out as in osdn/arguments.hpp. An empty span is "not given".
struct ForwardInputs {
  Problem problem;
  Shape shape;
  Numbers numbers;
  std::span<const double> q;                 ///< [B,T,H,K]
  std::span<const double> k;                 ///< [B,T,H,K]
  std::span<const double> v;                 ///< [B,T,HV,V]
  std::span<const double> beta;              ///< [B,T,HV]
  std::span<const double> log_gamma;         ///< [HV] | [B,T,HV] | [B,T,HV,K] by Apf
  std::span<const double> initial_state;     ///< [N,HV,K,V]; zeros when not given
  std::span<const double> initial_d;         ///< [N,HV,K]; ones when not given
  std::span<const std::int64_t> cu_seqlens;  ///< [N+1], exactly when shape.packed()
};

struct ForwardOutputs {
  std::vector<double> o;            ///< [B,T,HV,V]
  std::vector<double> final_state;  ///< [N,HV,K,V]
  std::vector<double> final_d;      ///< [N,HV,K]; ones without a preconditioner
};

/// Number of elements log_gamma has for this problem and shape; 0 where there is none.
[[nodiscard]] std::int64_t log_gamma_elements(const Problem& problem, const Shape& shape);
/// Empty where there is no such tensor.
[[nodiscard]] std::vector<std::int64_t> log_gamma_shape(const Problem& problem, const Shape& shape);

/// Checks that sizes, cu_seqlens and numbers fit each other. Values of the tensors are not looked at.
expected<void> validate(const ForwardInputs& inputs);

/// Errors: invalid_argument naming the field; unsupported for members of the family that are not OSDN or DeltaNet.
/// A NaN in an input reaches everything that depends on it and nothing else.
expected<ForwardOutputs> forward(const ForwardInputs& inputs);

}  // namespace osdn::reference
