// Problem: what is computed, and all that changes the generated code. Sizes that only change at run time are in
// shape.hpp, numbers that only change at run time in hyperparameters.hpp.
#pragma once

#include <string>
#include <string_view>

#include "osdn/axes.hpp"
#include "osdn/error.hpp"
#include "osdn/export.h"

namespace osdn {

enum class Operation {
  osdn_forward,  ///< a pass over whole sequences, chunk by chunk: ForwardArguments
  osdn_decode,   ///< a few new tokens of each sequence, states in a pool of slots: DecodeArguments
};

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
  Fp32Math math = Fp32Math::tf32;          ///< of osdn_forward: decoding has no tensor products and computes in fp32
  StateType state_type = StateType::fp32;  ///< of osdn_decode: type of the states in the pool
  Decay decay = Decay::none;
  Erase erase = Erase::beta;
  ValueCoefficient value = ValueCoefficient::beta;
  int micro_steps = 1;  ///< rows per output (DeltaProduct); only 1 has kernels

  friend bool operator==(const Problem&, const Problem&) = default;
};

/// Checks every field and brings fields without a meaning here (math of a 16-bit type and of decoding; state_type of
/// the forward pass; apf, norm and b mode without a preconditioner) to their defaults, so that problems with the same
/// kernels compare equal. Errors: invalid_argument, unsupported, naming field, value and what is allowed.
OSDN_API expected<Problem> canonical(const Problem& problem);

/// Canonical text: `osdn_forward:type=bf16,k=128,v=128,precondition=osdn,apf=per_token,norm=max,beta_aware=1,…`.
/// parse_problem(to_string(p)) gives p back for canonical p. Fields may come in any order and default when absent.
[[nodiscard]] OSDN_API std::string to_string(const Problem& problem);
OSDN_API expected<Problem> parse_problem(std::string_view text);

}  // namespace osdn
