#include "measure/meter.hpp"

#include <algorithm>
#include <iterator>

#include "execute/block.hpp"
#include "execute/operations.hpp"
#include "measure/banks.hpp"
#include "measure/sectors.hpp"

namespace emulator {
namespace {

/// Bytes of the lanes that lie in a space.
std::uint64_t bytes_in(const Access& access, ptx::Space space, bool matrix) {
  std::uint64_t bytes = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((access.mask >> lane & 1u) != 0 && access.space[lane] == space) bytes += matrix ? 16 : access.used[lane];
  }
  return bytes;
}

constexpr std::size_t kMaxEvents = std::size_t{1} << 22;  // of one block: 64 MiB

void count(Tally& tally, Event& event, const Access& access, bool matrix) {
  const std::uint64_t global = bytes_in(access, ptx::Space::global, matrix);
  const std::uint64_t shared = bytes_in(access, ptx::Space::shared, matrix);
  const std::uint64_t local = bytes_in(access, ptx::Space::local, matrix);
  if (access.kind != Access::Kind::store) {
    tally.global_load_bytes += global;
    tally.shared_load_bytes += shared;
    tally.local_load_bytes += local;
  }
  if (access.kind != Access::Kind::load) {
    tally.global_store_bytes += global;
    tally.shared_store_bytes += shared;
    tally.local_store_bytes += local;
  }
  if (global != 0) {
    const Sectors wanted = sectors(access);
    tally.global_requests += 1;
    tally.sectors += wanted.touched;
    tally.least_sectors += wanted.least;
    event.sectors = static_cast<std::uint16_t>(event.sectors + wanted.touched);
  }
  if (shared != 0) {
    const BankPasses banks = bank_passes(access);
    tally.shared_requests += 1;
    tally.passes += banks.passes;
    tally.least_passes += banks.least;
    event.passes = static_cast<std::uint16_t>(event.passes + banks.passes);
  }
}

/// Operands of wgmma: taken to come from all banks at once. Returns the passes.
std::uint16_t count_operands(Tally& tally, const InstructionNote& note) {
  constexpr unsigned kPassBytes = 128;
  const unsigned bytes = note.bytes * unsigned{kLanes};
  const unsigned passes = (bytes + kPassBytes - 1) / kPassBytes;
  tally.shared_load_bytes += bytes;
  tally.shared_requests += 1;
  tally.passes += passes;
  tally.least_passes += passes;
  return static_cast<std::uint16_t>(passes);
}

bool may_split(const Instruction& in) {
  return in.handler == control::branch || in.handler == control::branch_indexed || in.handler == control::call ||
         in.handler == control::ret;
}

}  // namespace

Meter::Meter(const Program& program, const ModelPlan& plan, std::size_t warps)
    : program_(program), plan_(plan), measures_(program.code.size()) {
  events_.warps.resize(warps);
  polling_.resize(warps);
}

void Meter::begin(std::uint64_t block) {
  block_ = block;
  issued_ = 0;
  recorded_ = 0;
  recording_ = plan_.sampled(block);
  measures_.touched.begin_block();
  for (auto& events : events_.warps) events.clear();
  events_.rounds.clear();
  round_.fill(kNoRound);
  phases_.clear();
  polling_.assign(polling_.size(), {});
}

void Meter::end() {
  measures_.work.push_back({block_, issued_});
  if (recorded_ == 0) return;
  reorder(events_, plan_.order);
  // A block too long to keep was recorded from its beginning: it stands for as many instructions as were kept.
  measures_.samples.push_back(
      {block_, recorded_, simulate(program_, events_, plan_.timing, plan_.copies, block_ < plan_.traced)});
  if (recorded_ < issued_) {
    std::uint64_t& ticks = measures_.samples.back().simulated.ticks;
    ticks = static_cast<std::uint64_t>(static_cast<double>(ticks) * static_cast<double>(issued_) /
                                       static_cast<double>(recorded_));
    measures_.samples.back().issued = issued_;
  }
}

void Meter::record(const Warp& warp, const Event& event) {
  ++issued_;
  if (!recording_) return;
  events_.warps[warp.index].push_back(event);
  recording_ = ++recorded_ < kMaxEvents;
}

/// Notes the sectors of global memory.
void Meter::touch() {
  for (unsigned i = 0; i < made_; ++i) {
    const Access& access = accesses_[i];
    for (std::uint32_t left = access.mask; left != 0; left &= left - 1) {
      const auto lane = static_cast<unsigned>(__builtin_ctz(left));
      if (access.space[lane] != ptx::Space::global || access.used[lane] == 0) continue;
      const auto touch_as = [&](bool write) {
        event_.cold |= measures_.touched.touch(access.address[lane], access.used[lane], write);
      };
      if (access.kind != Access::Kind::store) touch_as(false);
      if (access.kind != Access::Kind::load) touch_as(true);
    }
  }
}

/// Loads that make one wider load: the first stands for all of them, if every lane's address is aligned.
void Meter::combine() {
  const Combination& part = plan_.combinations[event_.instruction];
  if (part.width == 1) return;
  Access& access = accesses_[0];
  const std::uint64_t bytes = 4ull * part.width;
  for (std::uint32_t left = access.mask; left != 0; left &= left - 1) {
    const auto lane = static_cast<unsigned>(__builtin_ctz(left));
    if ((access.address[lane] - 4ull * part.index) % bytes != 0) return;
  }
  event_.combined = part.index != 0;
  access.bytes = static_cast<std::uint8_t>(bytes);
  event_.passes = static_cast<std::uint16_t>(event_.combined ? 0 : bank_passes(access).passes);
}

void Meter::before(Warp& warp, const Instruction& in, std::uint32_t asked, std::uint32_t mask) {
  divergent_ = asked != (warp.present & ~warp.exited);
  paths_ = warp.paths.size();
  made_ = accesses_of(warp, in, mask, accesses_);
  event_ = Event{};
  event_.instruction = static_cast<std::uint32_t>(&in - warp.code);
}

void Meter::after(Warp& warp, const Instruction& in, std::uint32_t done) {
  if (done == 0) return;  // its lanes wait and will execute it again
  Tally& tally = measures_.tallies[event_.instruction];
  tally.splits += warp.paths.size() > paths_ && may_split(in) ? 1 : 0;
  tally.divergent += divergent_ ? 1 : 0;
  if (made_ != 0) {
    for (unsigned i = 0; i < made_; ++i) {
      count(tally, event_, accesses_[i], warp.program->notes[event_.instruction].matrix);
    }
    event_.atomic = accesses_[0].kind == Access::Kind::atomic;
    touch();
    combine();
  }
  if (warp.program->notes[event_.instruction].flow.rule == Flow::warpgroup_multiply) {
    event_.passes = count_operands(tally, warp.program->notes[event_.instruction]);
  }
  event_.all_copies = in.handler == control::copy_wait_all;
  record(warp, event_);
}

void Meter::skipped(Warp& warp, const Instruction& in, std::uint32_t asked) {
  event_ = Event{};
  event_.instruction = static_cast<std::uint32_t>(&in - warp.code);
  event_.skipped = true;
  measures_.tallies[event_.instruction].divergent += asked != (warp.present & ~warp.exited) ? 1 : 0;
  record(warp, event_);
}

void Meter::arrived(unsigned barrier, bool waits) {
  if (round_[barrier] == kNoRound) {
    round_[barrier] = static_cast<std::uint32_t>(events_.rounds.size());
    events_.rounds.push_back({0, static_cast<std::uint8_t>(barrier)});
  }
  events_.rounds[round_[barrier]].arrivals += 1;
  event_.round = round_[barrier];
  event_.waits = waits;
}

void Meter::completed(unsigned barrier) {
  round_[barrier] = kNoRound;
}

void Measures::add(Measures& other) {
  for (std::size_t i = 0; i < tallies.size(); ++i) tallies[i].add(other.tallies[i]);
  work.insert(work.end(), other.work.begin(), other.work.end());
  std::move(other.samples.begin(), other.samples.end(), std::back_inserter(samples));
  touched.add(other.touched);
}

void Measures::sort() {
  const auto before = [](const auto& a, const auto& b) { return a.block < b.block; };
  std::sort(work.begin(), work.end(), before);
  std::sort(samples.begin(), samples.end(), before);
}

void Tally::add(const Tally& other) {
  divergent += other.divergent;
  splits += other.splits;
  global_requests += other.global_requests;
  sectors += other.sectors;
  least_sectors += other.least_sectors;
  shared_requests += other.shared_requests;
  passes += other.passes;
  least_passes += other.least_passes;
  global_load_bytes += other.global_load_bytes;
  global_store_bytes += other.global_store_bytes;
  shared_load_bytes += other.shared_load_bytes;
  shared_store_bytes += other.shared_store_bytes;
  local_load_bytes += other.local_load_bytes;
  local_store_bytes += other.local_store_bytes;
}

}  // namespace emulator
