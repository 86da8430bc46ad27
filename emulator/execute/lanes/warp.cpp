// Shuffles, votes, matches and reductions inside a warp (PTX ISA 9.7.9 shfl.sync, 9.7.13 vote, match, redux, elect).
#include "execute/lanes/collective.hpp"
#include "execute/lanes/sets.hpp"
#include "execute/shuffle.hpp"

namespace emulator::EMULATOR_SET {
namespace {

/// shfl.sync d|p, a, b, c, members: operands d, a, b, c, members, p; flags bit 0: has p, bit 1: d is the sink.
template <ShuffleMode kMode>
void shfl(Warp& warp, const Instruction& in, u32 mask) {
  const u32* b = row<u32>(warp, in.operand[2]);
  const u32* c = row<u32>(warp, in.operand[3]);
  collective(warp, in, mask, row<u32>(warp, in.operand[1]), [&](const u32* source, u32 lanes_here, u32 all) {
    alignas(64) u32 result[kLanes];
    u32 in_range = 0;
    for (u32 lane = 0; lane < kLanes; ++lane) {
      u32 from = 0;
      const bool valid = shuffle_source(kMode, lane, b[lane], c[lane], from);
      // The manual leaves the value of a lane that takes no part open: poison shows a program that uses it.
      result[lane] = (all >> from & 1u) != 0 ? source[from] : ~0u;
      in_range |= static_cast<u32>(valid) << lane;
    }
    if ((in.flags & 2) == 0) commit(row<u32>(warp, in.operand[0]), result, lanes_here);
    if ((in.flags & 1) != 0) commit_mask(mask_row(warp, in.operand[5]), in_range, lanes_here);
  });
}

/// vote.sync d, p, members: mode bit 0: !p.
template <VoteMode kMode>
void vote_row(Warp& warp, const Instruction& in, u32 mask) {
  const u32 p = mask_row(warp, in.operand[1]) ^ (in.mode != 0 ? kAllLanes : 0);
  u8 source[kLanes];
  for (unsigned i = 0; i < kLanes; ++i) source[i] = static_cast<u8>((p >> i) & 1u);
  collective(warp, in, mask, source, [&](const u8* values, u32 lanes_here, u32 all) {
    u32 yes = 0;
    for (unsigned i = 0; i < kLanes; ++i) yes |= static_cast<u32>(values[i]) << i;
    yes &= all;
    if constexpr (kMode == VoteMode::ballot) {
      u32 result[kLanes];
      for (u32& r : result) r = yes;
      commit(row<u32>(warp, in.operand[0]), result, lanes_here);
    } else {
      const bool holds = kMode == VoteMode::all   ? yes == all
                         : kMode == VoteMode::any ? yes != 0
                                                  : yes == all || yes == 0;
      commit_mask(mask_row(warp, in.operand[0]), holds ? kAllLanes : 0, lanes_here);
    }
  });
}

/// match.sync d|p, a, members: operands d, a, -, -, members, p.
template <class T, MatchMode kMode>
void match_row(Warp& warp, const Instruction& in, u32 mask) {
  collective(warp, in, mask, row<T>(warp, in.operand[1]), [&](const T* values, u32 lanes_here, u32 all) {
    u32 result[kLanes] = {};
    u32 equal = 0;
    for_lanes(lanes_here, [&](unsigned i) {
      u32 same = 0;
      for_lanes(all, [&](unsigned j) { same |= values[j] == values[i] ? 1u << j : 0u; });
      if (kMode == MatchMode::all) {
        equal |= same == all ? 1u << i : 0u;
        same = same == all ? all : 0;
      }
      result[i] = same;
    });
    if ((in.flags & 2) == 0) commit(row<u32>(warp, in.operand[0]), result, lanes_here);
    if ((in.flags & 1) != 0) commit_mask(mask_row(warp, in.operand[5]), equal, lanes_here);
  });
}

template <class T, ReduceOp kOp>
void reduce_row(Warp& warp, const Instruction& in, u32 mask) {
  collective(warp, in, mask, row<T>(warp, in.operand[1]), [&](const T* values, u32 lanes_here, u32 all) {
    T sum = values[__builtin_ctz(all)];
    for_lanes(all & (all - 1), [&](unsigned i) {
      const T v = values[i];
      switch (kOp) {
        case ReduceOp::add:
          sum = static_cast<T>(static_cast<u32>(sum) + static_cast<u32>(v));
          break;
        case ReduceOp::min:
          sum = v < sum ? v : sum;
          break;
        case ReduceOp::max:
          sum = v > sum ? v : sum;
          break;
        case ReduceOp::bit_and:
          sum &= v;
          break;
        case ReduceOp::bit_or:
          sum |= v;
          break;
        case ReduceOp::bit_xor:
          sum ^= v;
          break;
      }
    });
    T result[kLanes];
    for (T& r : result) r = sum;
    commit(row<T>(warp, in.operand[0]), result, lanes_here);
  });
}

template <class T>
Handler reduce_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::add:
      return reduce_row<T, ReduceOp::add>;
    case ReduceOp::min:
      return reduce_row<T, ReduceOp::min>;
    case ReduceOp::max:
      return reduce_row<T, ReduceOp::max>;
    case ReduceOp::bit_and:
      return reduce_row<T, ReduceOp::bit_and>;
    case ReduceOp::bit_or:
      return reduce_row<T, ReduceOp::bit_or>;
    case ReduceOp::bit_xor:
      return reduce_row<T, ReduceOp::bit_xor>;
  }
  return nullptr;
}

}  // namespace

Handler shuffle(ShuffleMode mode) {
  switch (mode) {
    case ShuffleMode::up:
      return shfl<ShuffleMode::up>;
    case ShuffleMode::down:
      return shfl<ShuffleMode::down>;
    case ShuffleMode::bfly:
      return shfl<ShuffleMode::bfly>;
    case ShuffleMode::idx:
      return shfl<ShuffleMode::idx>;
  }
  return nullptr;
}

Handler vote(VoteMode mode) {
  switch (mode) {
    case VoteMode::all:
      return vote_row<VoteMode::all>;
    case VoteMode::any:
      return vote_row<VoteMode::any>;
    case VoteMode::uni:
      return vote_row<VoteMode::uni>;
    case VoteMode::ballot:
      return vote_row<VoteMode::ballot>;
  }
  return nullptr;
}

Handler match(MatchMode mode, int bytes) {
  if (bytes == 8) return mode == MatchMode::any ? match_row<u64, MatchMode::any> : match_row<u64, MatchMode::all>;
  return mode == MatchMode::any ? match_row<u32, MatchMode::any> : match_row<u32, MatchMode::all>;
}

Handler reduce(ReduceOp op, ptx::Type type) {
  return type == ptx::Type::s32 ? reduce_of<s32>(op) : reduce_of<u32>(op);
}

/// elect.sync d|p, members: the lowest member is the leader.
void elect(Warp& warp, const Instruction& in, u32 mask) {
  collective(warp, in, mask, row<u32>(warp, in.operand[kMembers]), [&](const u32*, u32 lanes_here, u32 all) {
    const auto leader = static_cast<u32>(__builtin_ctz(all));
    u32 result[kLanes];
    for (u32& r : result) r = leader;
    if ((in.flags & 2) == 0) commit(row<u32>(warp, in.operand[0]), result, lanes_here);
    if ((in.flags & 1) != 0) commit_mask(mask_row(warp, in.operand[5]), 1u << leader, lanes_here);
  });
}

}  // namespace emulator::EMULATOR_SET
