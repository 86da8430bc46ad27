// Token by token: one sum over the features a token. Correct by its likeness to the definition; its length is T times
// the latency of a sum over the CTA.
#pragma once

#include "preconditioner_head.cuh"

namespace osdn {

template <class Traits>
inline void preconditioner_serial(const ForwardParameters& p, const Segment& segment, int value_head) {
  using Head = PreconditionerHead<Traits>;
  Head head(p, segment, value_head);
  float d[Head::per_thread];
  head.load_d(d);
  for (long long token = 0; token < head.sequence.length; ++token) {
    if (token % Traits::chunk == 0) head.store_boundary(d, token);
    float key[Head::per_thread];
    float squares = 0;
    float read = 0;  // ⟨d, k ⊙ k⟩, before the key's norm is known
    Head::for_each_feature([&](int slot, int feature) {
      key[slot] = Head::Type::to_float(head.k_rows[token * head.key_row() + feature]);
      squares = fmaf(key[slot], key[slot], squares);
      read = fmaf(d[slot] * key[slot], key[slot], read);
    });
    const float2 sums = head.sum_2(squares, read);
    const float scale = l2_norm_scale<Traits>(sums.x);
    const float squared_norm = sums.x * scale * scale;
    const float b = Traits::beta_aware ? head.load_b(token) : 1.0F;
    const float z = 1.0F - b * (sums.y * scale * scale);
    const float gain = p.eta * b / hypergradient_norm<Traits>(squared_norm, p) * z;
    if (threadIdx.x == 0) head.store_gain(token, gain);
    const float gamma = Forgetting<Traits>::gamma(p, head.sequence, token, head.head);
    Head::for_each_feature([&](int slot, int feature) {
      const float normed = key[slot] * scale;
      const float forget = Forgetting<Traits>::per_channel
                               ? Forgetting<Traits>::gamma(p, head.sequence, token, head.head, feature)
                               : gamma;
      d[slot] = advance<Traits>(d[slot], forget, gain, normed * normed, p);
    });
  }
  head.store_final_d(d);
}

}  // namespace osdn
