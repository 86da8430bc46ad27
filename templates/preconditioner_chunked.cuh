// The phase by whole chunks. One warpgroup does everything in turn, or one prepares chunks while another moves d
// through those that are prepared: these hand each other buffers at named barriers.
#pragma once

#include "device/copy.cuh"
#include "preconditioner_ahead.cuh"
#include "preconditioner_exact.cuh"
#include "preconditioner_head.cuh"

namespace osdn {

template <class Traits>
struct PreconditionerChunked {
  static constexpr int K = Traits::K;
  static constexpr bool two_roles = Traits::warps == 8;
  static constexpr PreconditionerChunkedLayout layout =
      preconditioner_chunked_layout(sizeof(typename Element<Traits::type>::Storage), K, Traits::chunk, Traits::warps);
  static constexpr int stride = padded(K);
  using Head = PreconditionerHead<Traits>;
  using Storage = typename Head::Storage;
  using Keys = PaddedKeys<Traits::type, stride>;
  static constexpr int C = solve_chunk(Traits::chunk);
  using Cta = WholeCta<Traits::warps>;
  template <class Group>
  using Chunk = PreconditionerChunk<Traits, Keys, Group>;

  const ForwardParameters& p;
  const Head head;
  const long long chunks;

  PreconditionerChunked(const ForwardParameters& parameters, const Segment& segment, int value_head)
      : p(parameters), head(parameters, segment, value_head), chunks((head.sequence.length + C - 1) / C) {}

  Storage* stage(long long c) const { return head.template at<Storage>(0) + c % layout.stages * C * stride; }
  int rows_of(long long c) const {
    const long long left = head.sequence.length - c * C;
    return left < C ? static_cast<int>(left) : C;
  }
  template <class Group>
  Chunk<Group> chunk(long long c) const {
    constexpr int bytes = Chunk<Group>::layout.ahead_bytes;
    return Chunk<Group>(p, head.shared + layout.ahead + c % layout.buffers * bytes, head.shared + layout.step,
                        Keys{stage(c)}, rows_of(c));
  }

  /// Starts loading chunk c's keys, and loads what else its rows bring.
  template <class Group>
  typename Chunk<Group>::RowInputs load(long long c) const {
    typename Chunk<Group>::RowInputs row{};
    if (c < chunks) {
      const long long first = c * C;
      copy_tile_async<C, K, stride, Group::threads>(stage(c), head.k_rows + first * head.key_row(), head.key_row(),
                                                    rows_of(c));
      row = Chunk<Group>::load_row(p, head.sequence, first, head.head, rows_of(c));
    }
    copy_async_commit();
    return row;
  }

  // d comes and goes through all threads of the CTA, each with the features that are its own wherever segments meet.
  void begin() const {
    Chunk<Cta> first = chunk<Cta>(0);
    __syncthreads();  // a segment before this one is done with
    first.clear();
    float d[Head::per_thread];
    head.load_d(d);
    Head::for_each_feature([&](int slot, int feature) { first.set_d(feature, d[slot]); });
    __syncthreads();
  }
  void end() const {
    const float* const now = chunk<Cta>(0).d();
    __syncthreads();
    float d[Head::per_thread];
    Head::for_each_feature([&](int slot, int feature) { d[slot] = now[feature]; });
    head.store_final_d(d);
  }

  template <class Group>
  void step(long long c) const {
    Chunk<Group> now = chunk<Group>(c);
    if (c * C % Traits::chunk == 0) {
      const long long number =
          head.head * all_chunks<Traits::chunk>(p) + head.sequence.first_chunk + c * C / Traits::chunk;
      Chunk<Group>::for_each_feature([&](int, int feature) { p.d_chunks[number * K + feature] = now.d()[feature]; });
    }
    now.step([&](int i, float gain) { head.store_gain(c * C + i, gain); });
    Group::sync();
  }

  void in_turn() const {
    using Group = Warpgroup<1>;
    for (long long c = -1; c < chunks; ++c) {
      const auto row = load<Group>(c + 1);
      if (c >= 0) step<Group>(c);
      copy_async_wait<0>();
      Group::sync();
      if (c + 1 < chunks) chunk<Group>(c + 1).prepare(row);
    }
  }

  // Barriers of all threads, one a buffer: it is prepared, it is done with.
  static constexpr int prepared = 3;
  static constexpr int done = 5;
  template <int barrier>
  static void sync(long long c) {
    c % 2 == 0 ? barrier_sync<barrier, 256>() : barrier_sync<barrier + 1, 256>();
  }
  template <int barrier>
  static void arrive(long long c) {
    c % 2 == 0 ? barrier_arrive<barrier, 256>() : barrier_arrive<barrier + 1, 256>();
  }

  void move() const {
    using Group = Warpgroup<1>;
    for (long long c = 0; c < chunks; ++c) {
      sync<prepared>(c);
      step<Group>(c);
      if (c + 2 < chunks) arrive<done>(c);
    }
  }

  void prepare() const {
    using Group = Warpgroup<2>;
    auto row = load<Group>(0);
    for (long long c = 0; c < chunks; ++c) {
      if (c >= 2) sync<done>(c);
      const auto next = load<Group>(c + 1);  // where chunk c − 2 was
      copy_async_wait<1>();
      Group::sync();
      chunk<Group>(c).prepare(row);
      arrive<prepared>(c);
      row = next;
    }
  }
};

template <class Traits>
inline void preconditioner_chunked(const ForwardParameters& p, const Segment& segment, int value_head) {
  const PreconditionerChunked<Traits> phase(p, segment, value_head);
  phase.begin();
  if constexpr (!PreconditionerChunked<Traits>::two_roles) {
    phase.in_turn();
  } else if (warpgroup_id() == 0) {
    phase.move();
  } else {
    phase.prepare();
  }
  phase.end();
}

}  // namespace osdn
