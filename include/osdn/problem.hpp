// Problem: what is computed, and all that changes the generated code. Sizes that only change at run time are in
// shape.hpp, numbers that only change at run time in hyperparameters.hpp.
#pragma once

#include <string>
#include <string_view>

#include "osdn/error.hpp"

namespace osdn {

enum class Operation { osdn_forward };

/// Element type of q, k, v and o.
enum class ElementType { bf16, fp16, fp32 };

/// How tensor cores multiply fp32 operands; of no meaning for the 16-bit types.
enum class Fp32Math {
  tf32,    ///< one TF32 product: 10 fraction bits an operand
  tf32x3,  ///< operands split in two, three TF32 products: close to true fp32, about three times the tensor work
};

/// Where the write key w_t = d_t ⊙ k_t takes d from (OSDN, arXiv 2605.13473, eq. 4).
enum class Precondition {
  none,  ///< d ≡ 1: DeltaNet (arXiv 2406.06484)
  osdn,  ///< the online hypergradient recurrence
};

/// Adaptive Preconditioner Forgetting: the factor γ_t that d forgets with, given as log γ ≤ 0.
enum class Apf {
  none,         ///< γ = 1
  constant,     ///< one number, Hyperparameters::log_gamma
  per_head,     ///< log_gamma [HV]
  per_token,    ///< log_gamma [B,T,HV]
  per_channel,  ///< log_gamma [B,T,HV,K]
};

/// What the hypergradient is divided by.
enum class Norm {
  max,  ///< max(|k|², ε)
  add,  ///< |k|² + ε
  one,  ///< 1
};

/// Type that β is stored in.
enum class BetaType { fp32, element };

/// State decay g_t of the family's recurrence (GDN: scalar, KDA: vector). Only `none` has kernels.
enum class Decay { none, scalar, vector };

/// Erase key e_t: none (linear attention), βk (delta rules), or its own vector. Only `beta` has kernels.
enum class Erase { none, beta, vector };

/// Coefficient of the value: v, βv, or its own vector. Only `beta` has kernels.
enum class ValueCoefficient { one, beta, vector };

struct Problem {
  Operation operation = Operation::osdn_forward;
  ElementType type = ElementType::bf16;
  int k = 128;  ///< key head dimension: a multiple of 16 from 16 to 256
  int v = 128;  ///< value head dimension: likewise, independently
  Precondition precondition = Precondition::osdn;
  Apf apf = Apf::none;
  Norm norm = Norm::max;
  bool beta_aware = true;  ///< b_t = β_t in the hypergradient; false: b_t = 1
  bool qk_l2norm = false;  ///< q and k are divided by sqrt(Σx² + 1e-6) first, in the kernel
  BetaType beta_type = BetaType::fp32;
  Fp32Math math = Fp32Math::tf32;
  Decay decay = Decay::none;
  Erase erase = Erase::beta;
  ValueCoefficient value = ValueCoefficient::beta;
  int micro_steps = 1;  ///< rows per output (DeltaProduct); only 1 has kernels

  friend bool operator==(const Problem&, const Problem&) = default;
};

/// Checks every field and brings fields without a meaning here (math of a 16-bit type; apf, norm and b mode without a
/// preconditioner) to their defaults, so that problems with the same kernels compare equal.
/// Errors: invalid_argument, unsupported, naming field, value and what is allowed.
expected<Problem> canonical(const Problem& problem);

/// Canonical text: `osdn_forward:type=bf16,k=128,v=128,precondition=osdn,apf=per_token,norm=max,beta_aware=1,…`.
/// parse_problem(to_string(p)) gives p back for canonical p. Fields may come in any order and default when absent.
[[nodiscard]] std::string to_string(const Problem& problem);
expected<Problem> parse_problem(std::string_view text);

}  // namespace osdn
