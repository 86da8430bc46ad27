// The write scale d of OSDN (arXiv 2605.13473, eq. 4): how it forgets (APF) and how one token moves it. Both phases
// step d with `advance`, so given the same gains they see the same d.
#pragma once

#include "device/warp.cuh"
#include "osdn/axes.hpp"
#include "osdn/log_gamma.hpp"
#include "parameters.cuh"
#include "sequence.cuh"

namespace osdn {

/// log γ of a sequence's token and a value head: of its first feature where each has one.
template <class Traits>
inline const float* log_gamma_of(const ForwardParameters& p, const Sequence& s, long long token, int head) {
  if constexpr (!log_gamma_axes(Traits::apf).tokens) return p.log_gamma + head * p.log_gamma_strides.head;
  return first_row(p.log_gamma, p.log_gamma_strides, s, head) + token * p.log_gamma_strides.token;
}

/// log γ of a token and value head. Not for per_channel.
template <class Traits>
inline float log_forgetting(const ForwardParameters& p, const Sequence& s, long long token, int head) {
  if constexpr (Traits::apf == Apf::constant) return p.log_gamma_constant;
  if constexpr (log_gamma_axes(Traits::apf).any()) return *log_gamma_of<Traits>(p, s, token, head);
  return 0.0F;
}

template <class Traits>
struct Forgetting {
  static constexpr bool active = Traits::apf != Apf::none;
  static constexpr bool per_channel = log_gamma_axes(Traits::apf).features;

  /// γ of a sequence's token and a value head: the factor that d − ρ keeps. Not for per_channel.
  static float gamma(const ForwardParameters& p, const Sequence& s, long long token, int head) {
    if constexpr (active && !per_channel) return expf(log_forgetting<Traits>(p, s, token, head));
    return 1.0F;
  }

  /// γ of a token, value head and key feature.
  static float gamma(const ForwardParameters& p, const Sequence& s, long long token, int head, int feature) {
    if constexpr (per_channel) return expf(log_gamma_of<Traits>(p, s, token, head)[feature]);
    return gamma(p, s, token, head);
  }
};

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
