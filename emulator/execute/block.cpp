#include "execute/block.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "execute/operations.hpp"
#include "execute/warpgroup.hpp"
#include "measure/meter.hpp"
#include "strict/strict.hpp"

namespace emulator {
namespace {

constexpr std::size_t kRowSlack = 256;  // who copies a row need not know how wide it is

unsigned popcount(std::uint32_t mask) {
  return static_cast<unsigned>(__builtin_popcount(mask));
}

std::array<unsigned, 3> unflatten(std::uint64_t index, const std::array<unsigned, 3>& extent) {
  return {static_cast<unsigned>(index % extent[0]), static_cast<unsigned>(index / extent[0] % extent[1]),
          static_cast<unsigned>(index / extent[0] / extent[1])};
}

}  // namespace

Block::Bytes Block::bytes(std::size_t count) {
  return Bytes(static_cast<std::byte*>(::operator new[](std::max<std::size_t>(count, 256), std::align_val_t{256})));
}

Block::Block(const Program& program, const Launch& launch, Memory& memory, const Profile& profile, LaunchRaces& races,
             const ModelPlan* plan)
    : program_(program), launch_(launch), memory_(memory), profile_(profile) {
  const std::size_t threads = std::size_t{launch.block[0]} * launch.block[1] * launch.block[2];
  const std::size_t warp_count = (threads + kLanes - 1) / kLanes;
  place_.grid = launch.grid;
  place_.threads = launch.block;
  register_bytes_ = (program.register_bytes + 255u) & ~std::size_t{255};
  shared_bytes_ = program.static_shared + launch.dynamic_shared;
  if (program.reserved_shared != 0) {
    reserved_shared_ = (shared_bytes_ + 255) & ~std::size_t{255};
    shared_bytes_ = reserved_shared_ + program.reserved_shared;
  }
  local_bytes_ = program.local_bytes;
  registers_ = bytes(register_bytes_ * warp_count + kRowSlack);
  shared_ = bytes(shared_bytes_);
  local_ = bytes(local_bytes_ * kLanes * warp_count);
  constants_ = bytes(program.constants.size() * sizeof(std::uint64_t) + kRowSlack);
  std::memcpy(constants_.get(), program.constants.data(), program.constants.size() * sizeof(std::uint64_t));
  counts_.resize(program.code.size());
  hints_.resize(program.code.size());
  warps_.resize(warp_count);
  for (std::size_t i = 0; i < warp_count; ++i) {
    Warp& warp = warps_[i];
    warp.index = static_cast<unsigned>(i);
    const std::size_t here = std::min<std::size_t>(threads - i * kLanes, kLanes);
    warp.present = here == kLanes ? kAllLanes : (1u << here) - 1;
    warp.program = &program;
    warp.code = program.code.data();
    warp.counts = counts_.data();
    warp.hints = hints_.data();
    warp.registers = registers_.get() + i * register_bytes_;
    warp.shared = shared_.get();
    warp.local = local_.get() + i * local_bytes_ * kLanes;
    warp.parameters = launch.parameters;
    warp.shared_bytes = shared_bytes_;
    warp.local_bytes = local_bytes_;
    warp.parameter_bytes = program.parameter_bytes;
    warp.block = this;
    warp.perturbation = launch.perturbation;
    warp.base[1] = constants_.get();
  }
  if (launch.strict) strict_ = std::make_unique<Strict>(*this, races);
  if (plan != nullptr) meter_ = std::make_unique<Meter>(program, *plan, warp_count);
  for (Warp& warp : warps_) {
    warp.strict = strict_.get();
    warp.meter = meter_.get();
  }
}

void Block::reset(std::uint64_t index) {
  index_ = index;
  place_.block = unflatten(index, launch_.grid);
  random_ = Random(launch_.seed * 0xD1342543DE82EF95u + index);
  wild_ = random_.below(4) == 0;
  executed_ = 0;
  gives_way_ = false;
  ways_given_ = 0;
  held_.reset();
  barriers_.fill({});
  requests_.assign((warps_.size() + kWarpgroup - 1) / kWarpgroup, {});
  register_pool_ = 0;
  arrivals_.clear();
  bulk_.reset();
  cluster_ = {};
  polls_.assign(warps_.size(), 0);
  std::memset(registers_.get(), 0xFF, register_bytes_ * warps_.size());
  std::memset(shared_.get(), 0xFF, shared_bytes_);
  if (program_.reserved_shared != 0) std::memset(shared_.get() + reserved_shared_, 0, program_.reserved_shared);
  std::memset(local_.get(), 0xFF, local_bytes_ * kLanes * warps_.size());
  for (Warp& warp : warps_) reset_warp(warp);
  if (strict_) strict_->reset();
  if (strict_ && program_.reserved_shared != 0) {
    strict_->definedness.initialised(reserved_shared_, program_.reserved_shared);
  }
  if (meter_) meter_->begin(index);
}

Block::~Block() = default;

void Block::reset_warp(Warp& warp) {
  warp.exited = 0;
  warp.parked = 0;
  warp.executed = 0;
  warp.copies.clear();
  warp.copies_begun = 0;
  warp.commits.fill(0);
  warp.products = {};
  warp.thread_registers = program_.thread_registers;
  warp.adjusted.clear();
  warp.arrived = false;
  warp.frames.assign(1, Frame{});
  warp.frames_kept = 0;
  warp.paths.clear();
  warp.paths.push_back({warp.code + program_.entry, warp.present, 0, 0, Path::State::ready});
}

void Block::begin(std::uint64_t index) {
  reset(index);
  ready_.clear();
  for (Warp& warp : warps_) ready_.push_back(&warp);
}

bool Block::advance(std::uint64_t warp_instructions) {
  const auto has_ready = [](const Warp& w) {
    return std::any_of(w.paths.begin(), w.paths.end(), [](const Path& p) { return p.state == Path::State::ready; });
  };
  const std::uint64_t end = executed_ + warp_instructions;
  while (!ready_.empty()) {
    gave_way_ = std::exchange(gives_way_, false);
    if (gave_way_ || executed_ >= end) return false;
    const std::size_t pick = ready_.size() == 1 ? 0 : random_.below(ready_.size());
    Warp& warp = *ready_[pick];
    take_turn(warp);
    if (!arrivals_.empty() && random_.below(2) == 0) settle_arrivals(1 + random_.below(arrivals_.size()));
    if (bulk_.any() && random_.below(2) == 0) bulk_.advance(random_);
    if (held_ && executed_ > held_until_) break;
    if (warp.arrived || !has_ready(warp)) {
      warp.arrived = false;
      ready_.clear();
      for (Warp& w : warps_) {
        if (has_ready(w)) ready_.push_back(&w);
      }
    }
  }
  settle_arrivals(arrivals_.size());
  if (held_) throw PatientFault(*held_);
  for (const Warp& warp : warps_) {
    if (alive(warp)) raise_stuck();
  }
  bulk_.finish();
  check_registers();
  if (meter_) meter_->end();
  return true;
}

void Block::take_turn(Warp& warp) {
  try {
    step(warp);
    if (warp.arrived) {
      check_barriers();
      check_cluster();
      wake_blocked();
    }
  } catch (const PatientFault& raised) {
    hold(warp, raised);
  } catch (const FaultRaised& raised) {
    if (held_ && raised.fault.kind != Fault::Kind::race) throw PatientFault(*held_);
    throw;
  }
}

void Block::hold(Warp& warp, const PatientFault& raised) {
  constexpr std::uint64_t kPatience = 1 << 18;  // those who wait for this warp in a loop wait for ever
  if (!held_) {
    held_ = raised;
    held_until_ = executed_ + kPatience;
  }
  warp.paths.clear();
}

void Block::step(Warp& warp) {
  // Quanta of very different lengths: short ones interleave warps finely, long ones let one warp run far ahead.
  std::int64_t quantum = std::int64_t{1} << random_.below(13);
  if (launch_.instruction_limit != 0) {
    if (executed_ >= launch_.instruction_limit) raise_limit(warp);
    quantum = std::min<std::int64_t>(quantum, static_cast<std::int64_t>(launch_.instruction_limit - executed_));
  }
  const std::uint64_t before = warp.executed;
  warp.budget = quantum;
  while (warp.budget > 0) {
    const bool ready =
        std::any_of(warp.paths.begin(), warp.paths.end(), [](const Path& p) { return p.state == Path::State::ready; });
    if (ready) {
      run_path(warp);
    } else if (!resolve_collectives(warp)) {
      break;
    }
  }
  // A warp whose paths all wait for each other must not be left as stuck when its quantum ends just then.
  while (
      std::none_of(warp.paths.begin(), warp.paths.end(), [](const Path& p) { return p.state == Path::State::ready; }) &&
      resolve_collectives(warp)) {
  }
  executed_ += warp.executed - before;
}

void Block::run_path(Warp& warp) {
  // The path that lags furthest behind runs, so that paths meet where control flow joins. Another one is drawn in wild
  // blocks, which show what relies on lanes running in step, and after long divergence: a lane that spins until a
  // sibling has acted must not starve it.
  const bool diverged = warp.paths.size() > 1;
  std::size_t pick = 0;
  warp.diverged_slices = diverged ? warp.diverged_slices + 1 : 0;
  const bool any = diverged && (wild_ || warp.diverged_slices > 64) && random_.below(8) == 0;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < warp.paths.size(); ++i) {
    if (warp.paths[i].state != Path::State::ready) continue;
    ++seen;
    if (seen == 1 || (any ? random_.below(seen) == 0 : warp.paths[i].ip < warp.paths[pick].ip)) pick = i;
  }
  enter_path(warp, pick);
  warp.stop = warp.code + program_.code.size();
  for (const Path& other : warp.paths) {
    if (other.state == Path::State::ready && other.frame == warp.paths[pick].frame && other.ip > warp.ip) {
      warp.stop = std::min(warp.stop, other.ip);
    }
  }
  // Diverged paths take turns at least this often.
  const std::int64_t whole = warp.budget;
  if (diverged) warp.budget = std::min<std::int64_t>(warp.budget, 256);
  const std::int64_t slice = warp.budget;
  if (warp.strict != nullptr || warp.meter != nullptr) {
    run_watched(warp);
  } else {
    lanes().run(warp);
  }
  warp.budget = gives_way_ || std::exchange(turn_over_, false) ? 0 : whole - (slice - warp.budget);
  Path& path = warp.paths[warp.current];
  path.ip = warp.ip;
  path.mask = warp.active;
  if (warp.paths.size() > 1 || path.mask == 0) {
    const std::size_t before = warp.paths.size();
    join_paths(warp);
    if (warp.paths.size() < before) warp.diverged_slices = 0;
  }
}

void Block::give_way(Warp& warp) {
  // What a lock or a flag fails to order shows only when another block takes it up before this one's next fence. Not
  // for ever: blocks that do little else than write so would do little else than take turns.
  constexpr unsigned kWays = 16;
  if (gives_way_ || ways_given_ >= kWays || random_.below(2) == 0) return;
  ++ways_given_;
  gives_way_ = true;
  warp.stop = warp.ip;
}

bool Block::complete(unsigned id) const {
  const Barrier& barrier = barriers_[id];
  if (barrier.arrived == 0) return false;
  std::uint32_t needed = barrier.expected;
  std::uint32_t arrived = barrier.arrived;
  if (needed == 0) {
    for (const Warp& warp : warps_) needed += popcount(warp.present & ~warp.exited);
  } else {
    // Barriers count whole warps: the lanes that a partly filled warp lacks come with the others.
    for (const Warp& warp : warps_) {
      const bool waits = std::any_of(warp.paths.begin(), warp.paths.end(),
                                     [&](const Path& p) { return p.state == Path::State::barrier && p.members == id; });
      if (waits) arrived += kLanes - popcount(warp.present & ~warp.exited);
    }
  }
  return arrived >= needed;
}

void Block::check_barriers() {
  for (unsigned id = 0; id < barriers_.size(); ++id) {
    if (complete(id)) release(id);
  }
}

void Block::wake_blocked() {
  for (Warp& warp : warps_) {
    for (Path& path : warp.paths) {
      if (path.state == Path::State::blocked) path.state = Path::State::ready;
    }
  }
}

void Block::release(unsigned id) {
  const Barrier barrier = barriers_[id];
  barriers_[id] = {};
  for (Warp& warp : warps_) {
    const Instruction* at = nullptr;
    for (std::size_t i = 0; i < warp.paths.size(); ++i) {
      Path& path = warp.paths[i];
      if (path.state != Path::State::barrier || path.members != id) continue;
      const Instruction& in = *path.ip;
      if (at != nullptr && at != &in && (in.flags & kBarrierAligned) != 0) {
        raise(warp, in, static_cast<unsigned>(__builtin_ctz(path.mask)), Fault::Kind::divergent_barrier,
              "the lanes of a warp reach an aligned barrier at different instructions");
      }
      at = &in;
      if (in.mode >= kBarrierPopc) {
        enter_path(warp, i);
        const std::uint32_t result = in.mode == kBarrierPopc  ? barrier.yes
                                     : in.mode == kBarrierAnd ? (barrier.yes == barrier.voted ? kAllLanes : 0)
                                                              : (barrier.yes != 0 ? kAllLanes : 0);
        auto* d = reinterpret_cast<std::uint32_t*>(warp.base[0] + in.operand[0]);
        if (in.mode == kBarrierPopc) {
          for (unsigned lane = 0; lane < kLanes; ++lane) d[lane] = (path.mask >> lane & 1u) != 0 ? result : d[lane];
        } else {
          *d = (*d & ~path.mask) | (result & path.mask);
        }
      }
      path.ip += 1;
      path.state = Path::State::ready;
    }
    join_paths(warp);
  }
  if (strict_) {
    strict_->meetings.completed(id, barrier.expected != 0);
    strict_->races.completed(id, barrier.expected != 0);
  }
  if (meter_) meter_->completed(id);
}

void Block::raise_limit(const Warp& warp) {
  const Path& path = warp.paths[0];
  raise(warp, *path.ip, static_cast<unsigned>(__builtin_ctz(path.mask)), Fault::Kind::instruction_limit,
        "the block has used up its instruction budget");
}

void Block::raise_stuck() {
  const Warp* first = nullptr;
  for (const Warp& warp : warps_) {
    for (const Path& path : warp.paths) {
      const auto lane = static_cast<unsigned>(__builtin_ctz(path.mask));
      if (path.state == Path::State::collective || path.state == Path::State::aligned) {
        raise(warp, *path.ip, lane, Fault::Kind::divergent_barrier, "waits for lanes of its warp that wait elsewhere");
      }
      if (path.state == Path::State::blocked) raise_blocked(warp, *path.ip);
      if (first == nullptr) first = &warp;
    }
  }
  std::uint32_t live = 0;
  for (const Warp& warp : warps_) live += popcount(warp.present & ~warp.exited);
  for (const Warp& warp : warps_) {
    for (const Path& path : warp.paths) {
      const Barrier& barrier = barriers_[path.members & 15u];
      const auto lane = static_cast<unsigned>(__builtin_ctz(path.mask));
      if (barrier.expected > live) {
        raise(warp, *path.ip, lane, Fault::Kind::divergent_barrier,
              "a barrier that waits for more threads than have not exited");
      }
      if ((path.ip->flags & kBarrierAligned) != 0 && path.mask != (warp.present & ~warp.exited)) {
        raise(warp, *path.ip, lane, Fault::Kind::divergent_barrier,
              "an aligned barrier that the other lanes of the warp never reach");
      }
    }
  }
  const Path& path = first->paths[0];
  raise(*first, *path.ip, static_cast<unsigned>(__builtin_ctz(path.mask)), Fault::Kind::deadlock,
        "every thread of the block waits and none can go on");
}

}  // namespace emulator
