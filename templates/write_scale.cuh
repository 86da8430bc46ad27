// The write scale d of OSDN (arXiv 2605.13473, eq. 4): how it forgets (APF) and how one token moves it. Both phases
// step d with `advance`, so given the same gains they see the same d.
#pragma once

#include "device/warp.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"

namespace osdn {

template <class Traits>
struct Forgetting {
  static constexpr bool active = Traits::apf != Apf::none;
  static constexpr bool per_channel = Traits::apf == Apf::per_channel;

  /// γ of a token and value head: the factor that d − ρ keeps. Not for per_channel.
  static float gamma(const ForwardParameters& p, long long token, int head) {
    if constexpr (Traits::apf == Apf::none) return 1.0F;
    if constexpr (Traits::apf == Apf::constant) return expf(p.log_gamma_constant);
    if constexpr (Traits::apf == Apf::per_head) return expf(p.log_gamma[head]);
    if constexpr (Traits::apf == Apf::per_token) return expf(p.log_gamma[token * p.value_heads + head]);
    return 1.0F;
  }

  /// γ of a token, value head and key feature.
  static float gamma(const ForwardParameters& p, long long token, int head, int feature) {
    if constexpr (per_channel) return expf(p.log_gamma[(token * p.value_heads + head) * Traits::K + feature]);
    return gamma(p, token, head);
  }
};

/// log γ of a token and value head. Not for per_channel.
template <class Traits>
inline float log_forgetting(const ForwardParameters& p, long long token, int head) {
  if constexpr (Traits::apf == Apf::constant) return p.log_gamma_constant;
  if constexpr (Traits::apf == Apf::per_head) return p.log_gamma[head];
  if constexpr (Traits::apf == Apf::per_token) return p.log_gamma[token * p.value_heads + head];
  return 0.0F;
}

/// d before the clip: ρ + γ (d − ρ) + gain · s, with gain = μ_t z_t and s the squared key feature.
template <class Traits>
inline float advance_unclipped(float d, float gamma, float gain, float s, const ForwardParameters& p) {
  if constexpr (Forgetting<Traits>::active) d = fmaf(gamma, d - p.anchor, p.anchor);
  return fmaf(gain, s, d);
}

template <class Traits>
inline float advance(float d, float gamma, float gain, float s, const ForwardParameters& p) {
  return clip(advance_unclipped<Traits>(d, gamma, gain, s, p), p.d_min, p.d_max);
}

/// What the hypergradient is divided by.
template <class Traits>
inline float hypergradient_norm(float squared_key_norm, const ForwardParameters& p) {
  if constexpr (Traits::norm == Norm::max) return fmaxf(squared_key_norm, p.norm_eps);
  if constexpr (Traits::norm == Norm::add) return squared_key_norm + p.norm_eps;
  return 1.0F;
}

/// What an in-kernel L2 norm multiplies a row by, given the sum of its squares.
template <class Traits>
inline float l2_norm_scale(float sum_of_squares) {
  if constexpr (Traits::qk_l2norm) return 1.0F / sqrtf(sum_of_squares + 1e-6F);
  return 1.0F;
}

}  // namespace osdn
