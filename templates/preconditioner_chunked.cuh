// A sequence by whole chunks. One warpgroup does everything in turn, or one prepares chunks while another moves d
// through those that are prepared: these hand each other buffers at named barriers.
#pragma once

#include "device/copy.cuh"
#include "preconditioner_ahead.cuh"
#include "preconditioner_exact.cuh"
#include "preconditioner_head.cuh"
#include "preconditioner_step.cuh"

namespace osdn {

/// A CTA of the phase of its own: its warpgroups and their barriers.
template <int warps>
struct PreconditionerCta {
  using All = WholeCta<warps>;
  using First = Warpgroup<1>;
  using Second = Warpgroup<2>;
  static bool is_first() { return warpgroup_id() == 0; }

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
};

/// Whose reader is launched behind it.
struct NobodyWaits {
  void publish(long long) const {}
};

/// What of it a warpgroup does.
enum class PreconditionerRole { move, prepare, both };

/// `Team`: the threads that work on it. `Reader` is told how many of the chunks are done, by one warp.
template <class Traits, class Team, class Reader>
struct PreconditionerChunked {
  static constexpr int K = Traits::K;
  static constexpr PreconditionerChunkedLayout layout = preconditioner_chunked_layout(
      sizeof(typename Element<Traits::type>::Storage), K, Traits::chunk, Traits::preconditioner_warps);
  static constexpr int stride = padded(K);
  using All = typename Team::All;
  using Head = PreconditionerHead<Traits, All>;
  using Storage = typename Head::Storage;
  using Keys = PaddedKeys<Traits::type, stride>;
  static constexpr int C = solve_chunk(Traits::chunk);
  template <class Group>
  using Chunk = PreconditionerChunk<Traits, Keys, Group>;

  const ForwardParameters& p;
  const Head head;
  const Reader reader;
  const long long chunks;

  PreconditionerChunked(const ForwardParameters& parameters, const Segment& segment, int value_head,
                        const Reader& waiting, int first_byte = 0)
      : p(parameters),
        head(parameters, segment, value_head, first_byte),
        reader(waiting),
        chunks((head.sequence.length + C - 1) / C) {}

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

  // d comes and goes through all threads of the team, each with the features that are its own wherever segments meet.
  void begin() const {
    Chunk<All> first = chunk<All>(0);
    All::sync();  // a segment before this one is done with
    first.clear();
    float d[Head::per_thread];
    head.load_d(d);
    Head::for_each_feature([&](int slot, int feature) { first.set_d(feature, d[slot]); });
    All::sync();
  }
  void end() const {
    const float* const now = chunk<All>(0).d();
    All::sync();
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
    now.step([&](int i, float gain) { head.store_gain(c * C + i, gain); }, [&] { reader.publish(c); });
    Group::sync();
    if (c + 1 == chunks && Group::warp() == Group::warps - 1) reader.publish(chunks);
  }

  void in_turn() const {
    using Group = typename Team::First;
    for (long long c = -1; c < chunks; ++c) {
      const auto row = load<Group>(c + 1);
      if (c >= 0) step<Group>(c);
      copy_async_wait<0>();
      Group::sync();
      if (c + 1 < chunks) chunk<Group>(c + 1).prepare(row);
    }
  }

  void move() const {
    using Group = typename Team::First;
    for (long long c = 0; c < chunks; ++c) {
      Team::template sync<Team::prepared>(c);
      step<Group>(c);
      if (c + 2 < chunks) Team::template arrive<Team::done>(c);
    }
  }

  void prepare() const {
    using Group = typename Team::Second;
    auto row = load<Group>(0);
    for (long long c = 0; c < chunks; ++c) {
      if (c >= 2) Team::template sync<Team::done>(c);
      const auto next = load<Group>(c + 1);  // where chunk c − 2 was
      copy_async_wait<1>();
      Group::sync();
      chunk<Group>(c).prepare(row);
      Team::template arrive<Team::prepared>(c);
      row = next;
    }
  }

  /// All but the end.
  template <PreconditionerRole role>
  void run() const {
    begin();
    if constexpr (role == PreconditionerRole::both) {
      in_turn();
    } else if constexpr (role == PreconditionerRole::move) {
      move();
    } else {
      prepare();
    }
  }
};

template <class Traits>
inline void preconditioner_chunked(const ForwardParameters& p, const Segment& segment, int value_head) {
  using Team = PreconditionerCta<Traits::preconditioner_warps>;
  const PreconditionerChunked<Traits, Team, NobodyWaits> all(p, segment, value_head, NobodyWaits{});
  if constexpr (Traits::preconditioner_warps == 4) {
    all.template run<PreconditionerRole::both>();
  } else if (Team::is_first()) {
    all.template run<PreconditionerRole::move>();
  } else {
    all.template run<PreconditionerRole::prepare>();
  }
  all.end();
}

}  // namespace osdn
