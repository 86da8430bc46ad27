// The async proxy of a block's shared memory (PTX ISA 8.7, 9.7.15.4): what wgmma and bulk copies read and write there,
// and when. Part of Races: it puts touches of its own into the same trace.
//
// An asynchronous operation belongs to an *agent*, which stands for a thread of its own: what its issuer was ordered
// behind when it issued it happened before, and what it does is known to those who wait for it, and to nobody else.
//
//   Agent agent = proxy.begin(warp, lane);            // issue: the agent knows what the lane knows
//   proxy.read(agent, warp, in, lane, at, bytes);     // issue: it reads these bytes from now until it is waited for
//   proxy.write(agent, warp, in, lane, at, bytes);    // issue: it writes these bytes; nobody may touch them
//   proxy.wrote(agent, in, at, bytes);                // the bytes have landed
//   proxy.done_at(agent, object);                     // landed and counted by the mbarrier at this offset: call it
//                                                     // before the phase completes; who awaits the phase knows
//   proxy.done_for(agent, warp, lane);                // the lane has waited for it (a bulk group's wait)
//
// read() and write() raise when the operation collides with what other threads did or do: a race where nothing orders
// them, an operation in flight, or a missing fence.proxy.async. Who wrote by the generic proxy (st, atom, cp.async,
// stmatrix) what the async proxy then reads or writes must have executed that fence in between: fence() in the thread
// that wrote, before what orders it with the issuer, or in the issuer, behind that. The other way round needs none: a
// completion that was waited for makes writes of the async proxy visible to all, and reading by the generic proxy
// before it writes needs order alone.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "strict/races.hpp"

namespace emulator {

class AsyncProxy {
 public:
  using Agent = unsigned;

  AsyncProxy(Block& block, Races& races);
  void reset();

  Agent begin(const Warp& warp, unsigned lane);
  void read(Agent agent, Warp& warp, const Instruction& in, unsigned lane, std::uint64_t at, std::size_t bytes);
  void write(Agent agent, Warp& warp, const Instruction& in, unsigned lane, std::uint64_t at, std::size_t bytes);
  void wrote(Agent agent, const Instruction& in, std::uint64_t at, std::size_t bytes);
  void done_at(Agent agent, std::uint64_t object);
  void done_for(Agent agent, const Warp& warp, unsigned lane);

  /// The lanes have executed fence.proxy.async of shared memory.
  void fence(const Warp& warp, std::uint32_t lanes);

  // wgmma: products of a warpgroup come to their end in order, and all four warps' at once.
  /// The warp is about to issue its product number `number`, from 1: its agent.
  Agent product(const Warp& warp, std::uint64_t number);
  /// The warp has waited for its products up to this number.
  void products_done(const Warp& warp, std::uint64_t number);

 private:
  struct Issued {
    std::uint64_t first = 1;   ///< number of the first one kept
    std::deque<Stamp> stamps;  ///< when each began
  };
  Touch touch(Agent agent, const Instruction& in) const;
  void check_write(Agent agent, const Races::Lane& lane, SharedCell& cell, std::uint64_t at);
  [[nodiscard]] unsigned agent_warp(Agent agent) const { return agent / kLanes; }

  Block& block_;
  Races& races_;
  unsigned next_ = 0;             ///< of the agents of copies
  std::vector<Issued> products_;  ///< by warpgroup
};

}  // namespace emulator
