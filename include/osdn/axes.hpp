// The axes along which kernels differ. Included by host and device code alike (the library carries this text for
// NVRTC), so an axis has one definition: no other header is included here and only built-in types are used.
#pragma once

namespace osdn {

// ---- of a Problem ---------------------------------------------------------------------------------------------------

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

/// Type that a decoding step's states are stored in; d is always fp32. Kernels compute in fp32 and round to nearest
/// even.
enum class StateType { fp32, bf16 };

/// State decay g_t of the family's recurrence (GDN: scalar, KDA: vector). Only `none` has kernels.
enum class Decay { none, scalar, vector };

/// Erase key e_t: none (linear attention), βk (delta rules), or its own vector. Only `beta` has kernels.
enum class Erase { none, beta, vector };

/// Coefficient of the value: v, βv, or its own vector. Only `beta` has kernels.
enum class ValueCoefficient { one, beta, vector };

// ---- of a Config ----------------------------------------------------------------------------------------------------

/// How the preconditioner phase finds the hypergradient gates z_t.
enum class PreconditionerAlgorithm {
  serial,    ///< token by token: one cross-lane reduction per token
  parallel,  ///< 16 tokens at a time: a unit lower triangular solve, then a replay with the clip, repeated until exact
  chunked,   ///< up to 64 tokens at a time on tensor cores; 16 at a time where the clip may bind
};

/// How (I + L)^{-1} of a chunk is formed.
enum class InverseAlgorithm {
  substitution,  ///< row by row over the whole chunk, in fp32
  blocked,       ///< 16×16 diagonal blocks in fp32, merged on tensor cores in 3×TF32
};

/// Which kernels run the forward pass, and in which order.
enum class Schedule {
  portable,      ///< preconditioner, then delta rule, with mma.sync: every supported architecture
  hopper,        ///< preconditioner, then a warp-specialised delta rule with wgmma and bulk tensor copies: sm_90a
  hopper_fused,  ///< the same in one launch: some CTAs precondition ahead of the others' chains: sm_90a
};

/// Whether a sequence is cut into segments that run at the same time: exact, about twice the work.
enum class Cut {
  never,
  fixed,      ///< always, every Config::segment tokens: results do not depend on the batch
  automatic,  ///< where heads leave multiprocessors idle, into segments of at least Config::segment tokens
};

}  // namespace osdn
