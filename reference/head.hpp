// One value head of one sequence, cut out of the packed tensors: rows that lie one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "reference/delta_rule.hpp"
#include "reference/forward.hpp"
#include "reference/preconditioner.hpp"

namespace osdn::reference {

/// Where the rows of one head of one sequence stand. A token is its index in [0, B·T).
struct HeadPlace {
  std::size_t sequence = 0;
  std::size_t head = 0;      ///< value head
  std::size_t key_head = 0;  ///< head of q and k that it reads
  std::size_t first_token = 0;
  std::size_t tokens = 0;
};

/// Every (sequence, value head) of a validated problem.
std::vector<HeadPlace> head_places(const ForwardInputs& inputs);

/// The rows of one head. q and k are as stored, or divided by their lengths with qk_l2norm.
struct Head {
  HeadPlace place;
  std::vector<double> q;              ///< [T,K]
  std::vector<double> k;              ///< [T,K]
  std::vector<double> v;              ///< [T,V]
  std::vector<double> beta;           ///< [T]
  std::vector<double> log_gamma;      ///< [T,K], whatever the APF variant
  std::vector<double> initial_state;  ///< [K,V]
  std::vector<double> initial_d;      ///< [K]
};

Head gather_head(const ForwardInputs& inputs, const HeadPlace& place);

/// Element index of log γ of (token, head, feature) in the tensor of this APF variant. Precondition: it has one.
std::size_t log_gamma_index(const ForwardInputs& inputs, std::size_t token, std::size_t head, std::size_t feature);

/// What the preconditioner learns from; points into `head`.
PreconditionerInputs preconditioner_inputs(const ForwardInputs& inputs, const Head& head);

/// d at every token and after the last, [T+1,K]: the write scale of the family. All ones without a preconditioner.
std::vector<double> write_scale(const ForwardInputs& inputs, const Head& head);

/// The member of the family: how e, w, ν and q̂ are made of k, v, β, q and d.
DeltaRuleRows delta_rule_rows(const ForwardInputs& inputs, const Head& head, const std::vector<double>& d);

/// The factor of o.
double output_scale(const ForwardInputs& inputs);

/// ε of the in-kernel L2 norm: x / sqrt(Σx² + ε).
inline constexpr double l2norm_eps = 1e-6;

}  // namespace osdn::reference
