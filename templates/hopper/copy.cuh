// The copy role: one thread brings the tiles of q, k and v, as far ahead as there are stages.
#pragma once

#include "device/bulk_copy.cuh"
#include "hopper/chain.cuh"

namespace osdn {

/// Boxes of 64 tokens × 64 columns of one head, panel behind panel.
template <int Columns>
inline void load_panels(unsigned char* panels, const TensorMap& map, int column, int head, int token, int entry,
                        Mbarrier& barrier) {
#pragma unroll
  for (int i = 0; i < Columns / 64; ++i) {
    load_box(panels + i * hopper_panel, &map, column + 64 * i, head, token, entry, barrier);
  }
}

/// Rows behind a sequence's end arrive as they are: another packed sequence's, or zeros behind an entry's last token.
template <class Traits>
inline void copy_chains(const ForwardParameters& p, const HopperMaps& maps) {
  using Shared = HopperShared<Traits>;
  const Shared shared;
  typename Shared::Loaded ring;
  for_each_chain<Traits>(p, [&](unsigned number) {
    const Chain<Traits> chain(p, number);
    const int entry = static_cast<int>(chain.sequence.entry);
    int token = static_cast<int>(chain.sequence.first);
    const int end = token + chain.tokens;
#pragma unroll 1
    for (; token < end; token += Traits::chunk) {
      Mbarrier& full = shared.full(ring.place());
      shared.empty(ring.place()).wait(ring.parity() ^ 1);
      full.arrive_expecting(2 * Shared::layout.key_stage + Shared::layout.value_stage);
      load_panels<Traits::K>(shared.k(ring.place()), maps.k, 0, chain.key_head, token, entry, full);
      load_panels<Traits::K>(shared.q(ring.place()), maps.q, 0, chain.key_head, token, entry, full);
      load_panels<Shared::block_v>(shared.v(ring.place()), maps.v, chain.split * Shared::block_v, chain.head, token,
                                   entry, full);
      ring.next();
    }
  });
}

}  // namespace osdn
