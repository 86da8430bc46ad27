// Which sequence, head and chunk a CTA works on. The host never reads cu_seqlens: sequence n's first chunk has the
// number ⌊begin / C⌋ + n, so ⌊B·T / C⌋ + N numbers are always enough.
#pragma once

#include "device/element.cuh"
#include "osdn/axes.hpp"
#include "parameters.cuh"

namespace osdn {

struct Sequence {
  long long begin;   // first token, counted over the whole batch
  long long length;  // tokens
  long long first_chunk;
  long long chunks;
};

inline long long cu_seqlen(const ForwardParameters& p, long long n) {
  return p.cu_seqlens_is_int64 ? static_cast<const long long*>(p.cu_seqlens)[n]
                               : static_cast<const int*>(p.cu_seqlens)[n];
}

template <int chunk>
inline Sequence find_sequence(const ForwardParameters& p, long long n) {
  Sequence s;
  s.begin = p.cu_seqlens != nullptr ? cu_seqlen(p, n) : n * p.tokens;
  s.length = p.cu_seqlens != nullptr ? cu_seqlen(p, n + 1) - s.begin : p.tokens;
  s.first_chunk = s.begin / chunk + n;
  s.chunks = (s.length + chunk - 1) / chunk;
  return s;
}

/// Tokens of the whole batch: B·T.
inline long long all_tokens(const ForwardParameters& p) {
  return p.cu_seqlens != nullptr ? p.tokens : p.sequences * p.tokens;
}

template <int chunk>
inline long long all_chunks(const ForwardParameters& p) {
  return all_tokens(p) / chunk + p.sequences;
}

/// β of a token and value head, in either type it may be stored in.
template <class Traits>
inline float load_beta(const ForwardParameters& p, long long token, int head) {
  const long long i = token * p.value_heads + head;
  if constexpr (Traits::beta_type == BetaType::fp32) {
    return static_cast<const float*>(p.beta)[i];
  } else {
    using Type = Element<Traits::type>;
    return Type::to_float(static_cast<const typename Type::Storage*>(p.beta)[i]);
  }
}

}  // namespace osdn
