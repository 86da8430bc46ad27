// The forward pass in one launch: the first CTAs that begin run the preconditioner, the others chains of chunks as
// delta_rule_hopper.cuh does, as far as its gains and d are there. Who waits drew a later ticket than all it waits for,
// and these wait for nobody.
#pragma once

#include "hopper/delta_rule_hopper.cuh"
#include "hopper/progress.cuh"
#include "preconditioner_chunked.cuh"

namespace osdn {

/// One of several teams of a CTA, each of one or two warpgroups. Barriers 1 … 4 are those of warpgroups, 5 … 8 say that
/// a team's buffer is prepared, 9 … 12 that it is done with, 13 and 14 join a team of two.
template <int warps_>
struct PreconditionerTeam {
  static constexpr int warps = warps_;
  static constexpr int threads = 32 * warps;
  static int number() { return warpgroup_id() * 4 / warps; }

  using First = EachWarpgroup<1>;
  using Second = First;
  static bool is_first() { return warpgroup_id() % (warps / 4) == 0; }

  struct Both {
    static constexpr int warps = warps_;
    static constexpr int threads = 32 * warps_;
    static int thread() { return threadIdx.x % threads; }
    static int warp() { return thread() / 32; }
    static void sync() { warps == 4 ? First::sync() : barrier_sync<threads>(13 + number()); }
  };
  using All = Both;

  static constexpr int prepared = 5;
  static constexpr int done = 9;
  template <int first>
  static void sync(long long c) {
    barrier_sync<threads>(first + 2 * number() + static_cast<int>(c % 2));
  }
  template <int first>
  static void arrive(long long c) {
    barrier_arrive<threads>(first + 2 * number() + static_cast<int>(c % 2));
  }
};

/// The pairs of sequence and head that this team takes, in the order of the chains; neighbours in different CTAs, so
/// that few of them share none.
template <class Traits, PreconditionerRole role, int teams>
inline void precondition_pairs(const ForwardParameters& p, unsigned ticket) {
  using Team = PreconditionerTeam<Traits::preconditioner_warps>;
  using Work = PreconditionerChunked<Traits, Team, ProgressOfChunks>;
  const unsigned pairs = static_cast<unsigned>(p.sequences * p.value_heads);
  const unsigned ctas = static_cast<unsigned>(p.preconditioners);
  const auto work = [&p](unsigned pair) {
    const unsigned heads = static_cast<unsigned>(p.value_heads);
    const unsigned n = pair / heads;
    const int head = static_cast<int>(pair - n * heads);
    const ProgressOfChunks progress{published_chunks(p, n, head)};
    return Work(p, find_work<Traits>(p, n), head, progress, Team::number() * Work::layout.bytes);
  };
#pragma unroll 1
  for (unsigned turn = 0;; ++turn) {
    const unsigned pair = ticket + ctas * (Team::number() + teams * turn);
    if (pair >= pairs) break;
    work(pair).template run<role>();
    const Work ending = work(forgotten(pair));
    ending.end();
    if (p.checkpoint_d != nullptr) {  // one of them may be what the sequence ends with
      Team::All::sync();
      if (role != PreconditionerRole::prepare && Team::All::warp() == 3) ending.reader.publish(ending.chunks + 1);
    }
  }
}

/// Four warpgroups begin with 128 registers a thread, three with 168: enough for those of a team of two. One that does
/// everything takes what a warpgroup that is left over gives.
template <class Traits>
inline void precondition_ahead(const ForwardParameters& p, unsigned ticket) {
  using Team = PreconditionerTeam<Traits::preconditioner_warps>;
  using Work = PreconditionerChunked<Traits, Team, ProgressOfChunks>;
  constexpr int teams =
      teams_layout(Traits::V / Traits::value_split, Traits::preconditioner_warps, Work::layout.bytes).teams;
  constexpr int left_over = HopperShared<Traits>::states + 2 - teams * Team::warps / 4;  // warpgroups
  if (Team::number() >= teams) {
    if constexpr (left_over != 0) give_registers<24>();
    return;
  }
  if constexpr (Team::warps == 4) {
    if constexpr (left_over != 0) take_registers<160>();
    precondition_pairs<Traits, PreconditionerRole::both, teams>(p, ticket);
  } else if (Team::is_first()) {
    precondition_pairs<Traits, PreconditionerRole::move, teams>(p, ticket);
  } else {
    precondition_pairs<Traits, PreconditionerRole::prepare, teams>(p, ticket);
  }
}

template <class Traits_>
inline void fused_hopper(const ForwardParameters& p, const HopperMaps& maps) {
  using Traits = Fused<Traits_>;
  const HopperShared<Traits> shared;
  if (threadIdx.x == 0) shared.ticket() = draw_ticket(p);
  __syncthreads();
  // The same in every lane, so that it may stand in a uniform register.
  const unsigned ticket = __shfl_sync(all_lanes, shared.ticket(), 0);
  __syncthreads();  // teams may use its place
  if (ticket < static_cast<unsigned>(p.preconditioners)) {
    precondition_ahead<Traits>(p, ticket);
  } else {
    delta_rule_hopper<Traits>(p, maps);
  }
}

}  // namespace osdn
