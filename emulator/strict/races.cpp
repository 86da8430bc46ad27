#include "strict/races.hpp"

#include "execute/block.hpp"
#include "execute/warpgroup.hpp"
#include "strict/race_lane.hpp"

namespace emulator {
namespace {

template <class F>
void for_lanes(std::uint32_t mask, F f) {
  for (; mask != 0; mask &= mask - 1) f(static_cast<unsigned>(__builtin_ctz(mask)));
}

/// One for each warpgroup, each in a row of its own, and a warp of them for copies.
std::size_t agents_of(const Block& block) {
  return block.program().async_proxy ? (block.warps() / kWarpgroup + 1) * kLanes : 0;
}

unsigned first_thread(const Warp& warp) {
  return warp.index * kLanes;
}

}  // namespace

Races::Races(Block& block, LaunchRaces& launch)
    : block_(block),
      launch_(launch),
      clocks_(std::size_t{block.warps()} * kLanes, agents_of(block)),
      trace_(block.shared_bytes()),
      issuers_(agents_of(block)) {
  for (Arrivals& each : barriers_) each.waiting.resize(block.warps());
}

void Races::reset() {
  clocks_.reset();
  if (in_flight_ != 0) trace_.clear();
  in_flight_ = 0;
  for (Arrivals& each : barriers_) {
    std::fill(each.waiting.begin(), each.waiting.end(), 0u);
    each.brought = {};
    each.partial = false;
  }
  objects_.clear();
  released_.clear();
  seen_.clear();
  suspicions_.clear();
  index_ = static_cast<std::uint32_t>(block_.index());
  epoch_ = 1;
  fenced_ = 0;
  known_.clear();
  pending_.clear();
}

void Races::access(Warp& warp, const Instruction& in, const Access* accesses, unsigned count) {
  using Order = InstructionNote::Order;
  const auto code = static_cast<std::uint32_t>(&in - warp.code);
  const InstructionNote& note = block_.program().notes[code];
  looked_at_.clear();
  LaunchRaces::Guard guard(launch_);
  for (unsigned k = 0; k < count; ++k) {
    const Access& access = accesses[k];
    if (note.matrix) {
      shared_matrix(warp, in, access);
      continue;
    }
    for_lanes(access.mask, [&](unsigned i) {
      Lane lane{warp,
                in,
                note,
                code,
                i,
                access.kind,
                note.order != Order::weak,
                access.asynchronous,
                false,
                access.address[i],
                access.used[i],
                {}};
      if (access.space[i] == ptx::Space::shared) {
        shared(lane);
      } else if (access.space[i] == ptx::Space::global) {
        global(lane, guard);
      }
    });
  }
}

void Races::executed(Warp& warp, const Instruction& in, std::uint32_t done) {
  const InstructionNote& note = block_.program().notes[static_cast<std::size_t>(&in - warp.code)];
  if (note.exchange && done != 0) clocks_.share(warp.index, done);
  if (!looked_at_.empty()) acquire_global(note);
  if (!note.fence || done == 0) return;
  convict(warp, done);
  for_lanes(done, [&](unsigned i) {
    const unsigned thread = first_thread(warp) + i;
    if (const auto seen = seen_.find(thread); seen != seen_.end()) {
      for (const std::uint64_t at : seen->second) clocks_.acquire(thread, released_[at]);
      seen_.erase(seen);
    }
    clocks_.fence(thread);
  });
  if (note.scope == InstructionNote::Scope::cta || note.scope == InstructionNote::Scope::cluster) return;
  join(known_, pending_);
  pending_.clear();
  fenced_ = epoch_++;
}

void Races::warp_synchronised(const Warp& warp, std::uint32_t lanes) {
  convict(warp, lanes);
  clocks_.synchronise_lanes(warp.index, lanes);
}

void Races::arrived(const Warp& warp, unsigned id, std::uint32_t lanes, bool wait) {
  convict(warp, lanes);
  Arrivals& barrier = barriers_[id];
  if (wait) {
    barrier.waiting[warp.index] |= lanes;  // they do nothing until the barrier is complete
    return;
  }
  barrier.partial = true;
  for_lanes(lanes, [&](unsigned i) { clocks_.release(first_thread(warp) + i, barrier.brought); });
}

void Races::exited(const Warp& warp, std::uint32_t lanes) {
  convict(warp, lanes);
}

void Races::completed(unsigned id, bool counted) {
  Arrivals& barrier = barriers_[id];
  // What is in flight is known to nobody, so that not even a meeting of all threads orders everything.
  bool all = !barrier.partial && !clocks_.has_agents();
  for (unsigned w = 0; w < block_.warps(); ++w) {
    const Warp& warp = block_.warp(w);
    all = all && barrier.waiting[w] == (counted ? warp.present : warp.present & ~warp.exited);
  }
  if (all) {
    clocks_.synchronise_all();
  } else {
    const auto each_waiting = [&](auto f) {
      for (unsigned w = 0; w < block_.warps(); ++w) {
        for_lanes(barrier.waiting[w], [&](unsigned i) { f(w * kLanes + i); });
      }
    };
    each_waiting([&](unsigned thread) { clocks_.release(thread, barrier.brought); });
    each_waiting([&](unsigned thread) { clocks_.acquire(thread, barrier.brought); });
  }
  std::fill(barrier.waiting.begin(), barrier.waiting.end(), 0u);
  barrier.brought = {};
  barrier.partial = false;
}

void Races::object_arrived(const Warp& warp, std::uint32_t lanes, std::uint64_t object) {
  convict(warp, lanes);
  for_lanes(lanes, [&](unsigned i) { clocks_.release(first_thread(warp) + i, objects_[object].arriving); });
}

void Races::object_completed(std::uint64_t object) {
  Object& phases = objects_[object];
  phases.completed = std::move(phases.arriving);
  phases.arriving = {};
}

void Races::object_awaited(const Warp& warp, std::uint32_t lanes, std::uint64_t object) {
  const auto found = objects_.find(object);
  if (found == objects_.end()) return;
  for_lanes(lanes, [&](unsigned i) { clocks_.acquire(first_thread(warp) + i, found->second.completed); });
}

}  // namespace emulator
