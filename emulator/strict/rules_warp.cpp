// Rules for exchanges between the lanes of a warp. A lane's results depend on what the other participants bring, which
// may come from several paths: then it lies in the meeting.
#include "execute/shuffle.hpp"
#include "strict/look.hpp"

namespace emulator::rules {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

/// What each lane brings to the collective.
class Sources {
 public:
  Sources(const Look& look, unsigned bytes) : look_(look), bytes_(bytes) {}
  [[nodiscard]] u64 undefined(unsigned lane) const {
    if (look_.meeting.active) return look_.meeting.undefined[lane];
    if (bytes_ == 8) return look_.undefined<u64>(look_.in.operand[1])[lane];
    return look_.undefined<u32>(look_.in.operand[1])[lane];
  }
  [[nodiscard]] u64 value(unsigned lane) const {
    if (look_.meeting.active) return look_.meeting.value[lane];
    return bytes_ == 8 ? look_.value<u64>(look_.in.operand[1])[lane] : look_.value<u32>(look_.in.operand[1])[lane];
  }
  [[nodiscard]] OriginId origin(unsigned lane) const {
    return look_.meeting.active ? look_.meeting.origin[lane] : look_.origin_of(look_.in.operand[1], lane);
  }
  /// The lanes of `all` that bring something undefined.
  [[nodiscard]] u32 undefined_of(u32 all) const {
    u32 lanes = 0;
    each_lane(all, [&](unsigned i) { lanes |= static_cast<u32>(undefined(i) != 0) << i; });
    return lanes;
  }

 private:
  const Look& look_;
  unsigned bytes_;
};

/// Calls f(lanes, participants) for the groups of lanes with one member mask.
template <class F>
void groups(const Look& look, F f) {
  if (look.meeting.active) return f(look.mask, look.meeting.lanes);
  const u32* members = look.value<u32>(look.in.operand[4]);
  for (u32 left = look.mask; left != 0;) {
    const u32 wanted = members[__builtin_ctz(left)];
    u32 group = 0;
    each_lane(left, [&](unsigned i) { group |= members[i] == wanted ? 1u << i : 0u; });
    left &= ~group;
    f(group, group);
  }
}

void set_bit(u32& mask, unsigned lane, bool value) {
  mask = (mask & ~(1u << lane)) | static_cast<u32>(value) << lane;
}

bool shuffle_source(const Look& look, unsigned lane, u32& from) {
  return emulator::shuffle_source(static_cast<ShuffleMode>(look.flow.operation), lane,
                                  look.value<u32>(look.in.operand[2])[lane], look.value<u32>(look.in.operand[3])[lane],
                                  from);
}

constexpr unsigned kSinksValue = 2;  // Instruction::flags

}  // namespace

void shuffle(const Look& look, Origins& origins) {
  const Sources sources(look, 4);
  const u32* amount = look.undefined<u32>(look.in.operand[2]);
  const u32* clamp = look.undefined<u32>(look.in.operand[3]);
  auto* d = look.result<u32>(0);
  groups(look, [&](u32 lanes, u32 all) {
    each_lane(lanes, [&](unsigned lane) {
      unsigned from = 0;
      shuffle_source(look, lane, from);
      const bool lost = (amount[lane] | clamp[lane]) != 0;
      const bool absent = (all >> from & 1u) == 0;
      const u32 bits = lost || absent ? ~0u : static_cast<u32>(sources.undefined(from));
      if ((look.in.flags & kSinksValue) == 0) d[lane] = bits;
      set_bit(look.out.predicates[0], lane, lost);
      if (lost) {
        look.out.origin[lane] = look.origin_of(look.in.operand[amount[lane] != 0 ? 2 : 3], lane);
      } else if (absent) {
        const auto at = static_cast<u32>(&look.in - look.warp.code);
        look.out.origin[lane] = origins.add(Origin::Kind::absent_lane, at, 0);
      } else if (bits != 0) {
        look.out.origin[lane] = sources.origin(from);
      }
    });
  });
}

void vote(const Look& look) {
  const u32 unknown =
      look.meeting.active ? look.meeting.predicate_undefined : look.predicate_undefined(look.in.operand[1]);
  u32 value = look.meeting.active ? look.meeting.predicate : look.predicate(look.in.operand[1]);
  value ^= look.in.mode != 0 ? kAllLanes : 0;
  groups(look, [&](u32 lanes, u32 all) {
    const u32 open = unknown & all, yes = value & all & ~open, no = ~value & all & ~open;
    const auto mode = static_cast<VoteMode>(look.flow.operation);
    const bool decided = open == 0 || (mode == VoteMode::all && no != 0) || (mode == VoteMode::any && yes != 0) ||
                         (mode == VoteMode::uni && yes != 0 && no != 0);
    OriginId origin = kNoOrigin;
    if (open != 0) {
      const auto first = static_cast<unsigned>(__builtin_ctz(open));
      origin = look.meeting.active ? look.meeting.origin[first] : look.origin_of(first);
    }
    each_lane(lanes, [&](unsigned lane) {
      if (mode == VoteMode::ballot) {
        look.result<u32>(0)[lane] = open;
      } else {
        set_bit(look.out.predicates[0], lane, !decided);
      }
      look.out.origin[lane] = origin;
    });
  });
}

/// The bit of a lane says whether it brings the same: undefined where either is.
void match(const Look& look) {
  const Sources sources(look, look.flow.width);
  auto* d = look.result<u32>(0);
  groups(look, [&](u32 lanes, u32 all) {
    const u32 open = sources.undefined_of(all);
    bool differ = false;  // two lanes do for certain
    const u32 known = all & ~open;
    each_lane(known, [&](unsigned i) {
      differ = differ || sources.value(i) != sources.value(static_cast<unsigned>(__builtin_ctz(known)));
    });
    const bool any = static_cast<MatchMode>(look.flow.operation) == MatchMode::any;
    each_lane(lanes, [&](unsigned lane) {
      const u32 bits = any ? ((open >> lane & 1u) != 0 ? all & ~(1u << lane) : open) : (open == 0 || differ) ? 0 : all;
      if ((look.in.flags & kSinksValue) == 0) d[lane] = bits;
      set_bit(look.out.predicates[0], lane, !any && bits != 0);
      if (bits != 0) look.out.origin[lane] = sources.origin(static_cast<unsigned>(__builtin_ctz(open)));
    });
  });
}

void reduce(const Look& look) {
  const Sources sources(look, 4);
  groups(look, [&](u32 lanes, u32 all) {
    const u32 open = sources.undefined_of(all);
    const auto op = static_cast<ReduceOp>(look.flow.operation);
    u32 bits = 0, decided = 0;
    each_lane(all, [&](unsigned i) {
      const auto u = static_cast<u32>(sources.undefined(i)), v = static_cast<u32>(sources.value(i));
      bits |= u;
      if (op == ReduceOp::bit_and) decided |= ~v & ~u;
      if (op == ReduceOp::bit_or) decided |= v & ~u;
    });
    const bool bitwise = op == ReduceOp::bit_and || op == ReduceOp::bit_or || op == ReduceOp::bit_xor;
    bits = bitwise ? bits & ~decided : bits != 0 ? ~0u : 0u;
    each_lane(lanes, [&](unsigned lane) {
      look.result<u32>(0)[lane] = bits;
      if (bits != 0) look.out.origin[lane] = sources.origin(static_cast<unsigned>(__builtin_ctz(open)));
    });
  });
}

}  // namespace emulator::rules
