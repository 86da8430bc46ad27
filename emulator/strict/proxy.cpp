#include "strict/proxy.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "execute/block.hpp"
#include "execute/warpgroup.hpp"
#include "strict/race_lane.hpp"

namespace emulator {
namespace {

constexpr std::size_t kKeptProducts = 4096;  // of a warpgroup: more are never in flight

}  // namespace

AsyncProxy::AsyncProxy(Block& block, Races& races)
    : block_(block), races_(races), products_(block.warps() / kWarpgroup + 1) {}

void AsyncProxy::reset() {
  next_ = 0;
  for (Issued& each : products_) each = {};
}

AsyncProxy::Agent AsyncProxy::begin(const Warp& warp, unsigned lane) {
  const Agent agent = races_.clocks_.first_agent() + block_.warps() / kWarpgroup * kLanes + next_;
  next_ = (next_ + 1) % kLanes;
  races_.clocks_.begin(agent, warp.index, 1u << lane);
  races_.issuers_[agent - races_.clocks_.first_agent()] = warp.index * kLanes + lane;
  return agent;
}

AsyncProxy::Agent AsyncProxy::product(const Warp& warp, std::uint64_t number) {
  const unsigned group = warp.index / kWarpgroup;
  const Agent agent = races_.clocks_.first_agent() + group * kLanes;
  Issued& issued = products_[group];
  if (number == issued.first + issued.stamps.size()) {
    issued.stamps.push_back(races_.clocks_.begin(agent, warp.index, kAllLanes));
    if (issued.stamps.size() > kKeptProducts) {
      issued.stamps.pop_front();
      ++issued.first;
    }
  } else {
    races_.clocks_.gather(agent, warp.index, kAllLanes);
  }
  races_.issuers_[agent - races_.clocks_.first_agent()] = warp.index * kLanes;
  return agent;
}

void AsyncProxy::products_done(const Warp& warp, std::uint64_t number) {
  const unsigned group = warp.index / kWarpgroup;
  const Issued& issued = products_[group];
  if (number < issued.first) return;
  const Stamp stamp = issued.stamps[number - issued.first];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    races_.clocks_.learn(warp.index * kLanes + lane, races_.clocks_.first_agent() + group * kLanes, stamp);
  }
}

void AsyncProxy::fence(const Warp& warp, std::uint32_t lanes) {
  for (; lanes != 0; lanes &= lanes - 1) {
    races_.clocks_.fence_proxy(warp.index * kLanes + static_cast<unsigned>(__builtin_ctz(lanes)));
  }
}

Touch AsyncProxy::touch(Agent agent, const Instruction& in) const {
  Touch touch;
  touch.stamp = races_.clocks_.now(agent);
  touch.code = static_cast<std::uint32_t>(&in - block_.program().code.data());
  touch.lanes = 1u << agent % kLanes;
  touch.warp = static_cast<std::uint8_t>(agent / kLanes);
  touch.async_proxy = true;
  return touch;
}

/// The latest write of the cell happened before what the agent does, and is there for the async proxy.
void AsyncProxy::check_write(Agent agent, const Races::Lane& lane, SharedCell& cell, std::uint64_t at) {
  const char* mine = lane.writes() ? "a write by the async proxy" : "a read by the async proxy";
  const Touch& before = cell.write;
  if (before.in_flight) {
    races_.raise_in_flight(lane, before,
                           lane.writes() ? "writes, by the async proxy, the target of a copy in flight"
                                         : "reads, by the async proxy, the target of a copy in flight");
  }
  if (!races_.ordered(agent_warp(agent), 1u << agent % kLanes, before)) {
    throw FaultRaised{races_.shared_fault(lane, at, before, mine, "a write")};
  }
  if (before.async_proxy) return;
  for (std::uint32_t left = before.lanes; left != 0; left &= left - 1) {
    const unsigned thread = before.warp * unsigned{kLanes} + static_cast<unsigned>(__builtin_ctz(left));
    if (races_.clocks_.crossed(agent, thread, before.stamp)) continue;
    Fault fault =
        fault_at(lane.warp, lane.in, lane.lane, Fault::Kind::proxy,
                 fmt::format("{} of shared memory at offset {:#x} that a thread wrote by the generic proxy: without "
                             "fence.proxy.async by the thread that wrote, ahead of the barrier, the write may not be "
                             "seen here",
                             mine, at));
    fault.related.push_back(
        {"a write", true, block_.place().block, races_.place_of(thread), block_.program().notes[before.code].line, {}});
    throw FaultRaised{std::move(fault)};
  }
}

void AsyncProxy::read(Agent agent, Warp& warp, const Instruction& in, unsigned lane, std::uint64_t at,
                      std::size_t bytes) {
  const Touch mine = touch(agent, in);
  const Races::Lane by{
      warp, in, block_.program().notes[mine.code], mine.code, lane, Access::Kind::load, false, false, false, at, 0, {}};
  const Stamp floor = races_.clocks_.floor(agent);
  races_.trace_.each(at, bytes, false, [&](SharedCell& cell, std::uint64_t where, std::size_t) {
    check_write(agent, by, cell, where);
    remember_read(cell, floor, mine);
  });
}

void AsyncProxy::write(Agent agent, Warp& warp, const Instruction& in, unsigned lane, std::uint64_t at,
                       std::size_t bytes) {
  Touch mine = touch(agent, in);
  mine.in_flight = true;
  const Races::Lane by{
      warp, in, block_.program().notes[mine.code], mine.code, lane, Access::Kind::store, false, false, false, at,
      0,    {}};
  races_.trace_.each(at, bytes, true, [&](SharedCell& cell, std::uint64_t where, std::size_t count) {
    check_write(agent, by, cell, where);
    for (const Touch& each : cell.reads) {
      if (races_.ordered(agent_warp(agent), mine.lanes, each)) continue;
      throw FaultRaised{races_.shared_fault(by, where, each, "a write by the async proxy", "a read")};
    }
    cell.write = cell.weak = mine;
    cell.reads = {};
    races_.in_flight_ += count;
  });
}

void AsyncProxy::wrote(Agent agent, const Instruction& in, std::uint64_t at, std::size_t bytes) {
  Touch mine = touch(agent, in);
  races_.trace_.each(at, bytes, true, [&](SharedCell& cell, std::uint64_t, std::size_t count) {
    if (cell.write.in_flight) races_.in_flight_ -= count;
    cell.write = cell.weak = mine;
  });
}

void AsyncProxy::done_at(Agent agent, std::uint64_t object) {
  Knowledge& arriving = races_.objects_[object].arriving;
  races_.clocks_.release_agent(agent, arriving);
}

void AsyncProxy::done_for(Agent agent, const Warp& warp, unsigned lane) {
  races_.clocks_.learn(warp.index * kLanes + lane, agent, races_.clocks_.now(agent));
}

}  // namespace emulator
