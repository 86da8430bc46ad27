// Bulk copies and mbarrier objects, as the meter counts them and the timing model will play them again.
#include "execute/bulk.hpp"

#include <algorithm>

#include "execute/operations.hpp"
#include "measure/meter.hpp"

namespace emulator {
namespace {

constexpr std::uint64_t kSector = 32;
constexpr std::uint64_t kBankRow = 128;  // bytes that the banks take at once

template <class T>
T saturated(std::uint64_t value) {
  return static_cast<T>(std::min<std::uint64_t>(value, T(~T{0})));
}

}  // namespace

/// Of a tile each row, or what of it lies in one piece, asks for its sectors; the runs of a swizzled one follow each
/// other in global memory, so a sector that two of them share is asked for once.
void Meter::bulk(const BulkCopy& copy) {
  Tally& tally = measures_.tallies[event_.instruction];
  std::uint64_t bytes = 0, global = 0, wanted = 0, last = ~std::uint64_t{0};
  const bool loads = copy.op == BulkOp::load;
  const bool reduces = copy.op == BulkOp::reduce;
  for (const BulkRun& run : copy.runs) {
    bytes += run.bytes;
    if (run.global == 0) continue;
    global += run.bytes;
    const std::uint64_t first = run.global / kSector, behind = (run.global + run.bytes - 1) / kSector;
    wanted += behind - first + (first == last ? 0 : 1);
    last = behind;
    event_.cold |= measures_.touched.touch(run.global, run.bytes, !loads);
    if (reduces) measures_.touched.touch(run.global, run.bytes, false);
  }
  const std::uint64_t least = (global + kSector - 1) / kSector, passes = (bytes + kBankRow - 1) / kBankRow;
  if (loads || reduces) tally.global_load_bytes += global;
  if (!loads && global != 0) tally.global_store_bytes += global;
  (loads ? tally.shared_store_bytes : tally.shared_load_bytes) += bytes;
  if (copy.op == BulkOp::share || copy.op == BulkOp::share_reduce) tally.shared_store_bytes += bytes;
  tally.global_requests += global != 0 ? 1 : 0;
  tally.sectors += wanted;
  tally.least_sectors += std::min(least, wanted);
  tally.shared_requests += 1;
  tally.passes += passes;
  tally.least_passes += passes;
  event_.sectors = saturated<std::uint16_t>(event_.sectors + wanted);
  event_.passes = saturated<std::uint16_t>(event_.passes + passes);
  event_.atomic = reduces;
  event_.bulk = true;
  if (copy.to_shared()) adds_to(copy.barrier);
}

std::uint32_t Meter::open_phase(std::uint64_t object) {
  const auto [found, fresh] = phases_.try_emplace(object);
  if (fresh || found->second.open == kNoRound) {
    found->second.open = static_cast<std::uint32_t>(events_.rounds.size());
    events_.rounds.push_back({0, 0});
  }
  return found->second.open;
}

/// The instruction that is being executed is one of those that the object's phase waits for.
void Meter::adds_to(std::uint64_t object) {
  const std::uint32_t round = open_phase(object);
  if (event_.meets && event_.round == round) return;  // another lane of it was
  // It has ended one phase and begins the next: an event has one.
  if (event_.meets && !event_.waits) events_.rounds[event_.round].arrivals -= 1;
  events_.rounds[round].arrivals += 1;
  event_.meets = true;
  event_.round = round;
  event_.waits = false;
}

void Meter::phase_completed(std::uint64_t object) {
  Phase& phase = phases_[object];
  phase.completed = phase.open;
  phase.open = kNoRound;
}

/// A wait that finds its phase complete stands for all the tries before it: what the warp did for those is dropped.
void Meter::awaited(const Warp& warp, std::uint64_t object, bool complete) {
  constexpr std::size_t kLoop = 8;  // instructions of a loop that does nothing but wait
  auto& events = events_.warps[warp.index];
  Polling& polling = polling_[warp.index];
  const bool again = polling.instruction == event_.instruction && polling.at + kLoop >= events.size();
  if (again && polling.at < events.size()) {
    recorded_ -= events.size() - polling.at;
    issued_ -= events.size() - polling.at;
    events.resize(polling.at);
  }
  polling = {complete ? ~0u : event_.instruction, events.size()};
  const auto found = phases_.find(object);
  if (!complete || found == phases_.end() || found->second.completed == kNoRound) return;
  event_.meets = true;
  event_.waits = true;
  event_.round = found->second.completed;
}

}  // namespace emulator
