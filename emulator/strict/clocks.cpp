#include "strict/clocks.hpp"

namespace emulator {
namespace {

void raise_to(Stamp* row, const Stamp* other, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) row[i] = std::max(row[i], other[i]);
}

}  // namespace

Clocks::Clocks(std::size_t threads, std::size_t agents)
    : real_(threads),
      threads_(threads + agents),
      clock_(threads_, 1),
      floor_(threads_, 0),
      fenced_(threads_, 0),
      known_(threads_ * threads_, 0),
      wide_(threads_ / kLanes, 0) {
  if (agents == 0) return;
  crossed_known_.resize(known_.size());
  crossed_floor_.resize(threads_);
  crossings_.resize(threads_);
}

void Clocks::reset() {
  synchronise_all();
  std::fill(fenced_.begin(), fenced_.end(), Stamp{0});
  begun_ = floor_[0];
  for (auto& each : crossings_) each.clear();
}

void Clocks::synchronise_all() {
  // Stamps never come again, so rows need not be cleared: all that they hold is now at most the floor.
  std::fill(floor_.begin(), floor_.end(), latest_);
  ++latest_;
  std::fill(clock_.begin(), clock_.end(), latest_);
  std::fill(wide_.begin(), wide_.end(), std::uint8_t{0});
}

void Clocks::synchronise_lanes(unsigned warp, std::uint32_t lanes) {
  // Of other warps the lanes know no more than their floors, unless something told them.
  const std::size_t begin = wide_[warp] != 0 ? 0 : warp * kLanes;
  const std::size_t count = wide_[warp] != 0 ? threads_ : kLanes;
  const unsigned first = warp * kLanes + static_cast<unsigned>(__builtin_ctz(lanes));
  Stamp* const together = row(first) + begin;
  Stamp floor = 0;
  for (std::uint32_t left = lanes; left != 0; left &= left - 1) {
    const unsigned thread = warp * kLanes + static_cast<unsigned>(__builtin_ctz(left));
    if (thread != first) raise_to(together, row(thread) + begin, count);
    floor = std::max(floor, floor_[thread]);
  }
  for (std::uint32_t left = lanes; left != 0; left &= left - 1) {
    const unsigned thread = warp * kLanes + static_cast<unsigned>(__builtin_ctz(left));
    row(first)[thread] = std::max(row(first)[thread], clock_[thread]);
  }
  ++latest_;
  for (std::uint32_t left = lanes; left != 0; left &= left - 1) {
    const unsigned thread = warp * kLanes + static_cast<unsigned>(__builtin_ctz(left));
    if (thread != first) std::copy(together, together + count, row(thread) + begin);
    floor_[thread] = floor;
    clock_[thread] = latest_;
  }
}

void Clocks::share(unsigned warp, std::uint32_t lanes) {
  if (wide_[warp] == 0) return;  // nobody knows more than the floor
  const std::size_t begin = warp * kLanes, end = begin + kLanes;
  std::vector<Stamp> together(threads_, 0);
  for (std::uint32_t left = lanes; left != 0; left &= left - 1) {
    raise_to(together.data(), row(warp * kLanes + static_cast<unsigned>(__builtin_ctz(left))), threads_);
  }
  for (std::uint32_t left = lanes; left != 0; left &= left - 1) {
    Stamp* const mine = row(warp * kLanes + static_cast<unsigned>(__builtin_ctz(left)));
    raise_to(mine, together.data(), begin);
    raise_to(mine + end, together.data() + end, threads_ - end);
  }
}

void Clocks::join(unsigned thread, Knowledge& into, Stamp own) {
  into.floor = std::max(into.floor, floor_[thread]);
  into.known.resize(threads_, 0);
  raise_to(into.known.data(), row(thread), threads_);
  into.known[thread] = std::max(into.known[thread], own);
}

void Clocks::release(unsigned thread, Knowledge& into) {
  join(thread, into, clock_[thread]);
  clock_[thread] = ++latest_;
}

void Clocks::release_fenced(unsigned thread, Knowledge& into) {
  join(thread, into, fenced_[thread]);
}

void Clocks::acquire(unsigned thread, const Knowledge& from) {
  floor_[thread] = std::max(floor_[thread], from.floor);
  if (from.known.empty()) return;
  raise_to(row(thread), from.known.data(), threads_);
  wide_[thread / kLanes] = 1;
}

void Clocks::fence(unsigned thread) {
  fenced_[thread] = clock_[thread];
  clock_[thread] = ++latest_;
}

Stamp Clocks::begin(unsigned agent, unsigned warp, std::uint32_t lanes) {
  gather(agent, warp, lanes);
  return clock_[agent] = ++latest_;
}

void Clocks::gather(unsigned agent, unsigned warp, std::uint32_t lanes) {
  Stamp* const mine = row(agent);
  Stamp* const crossed = crossed_known_.data() + agent * threads_;
  std::fill(mine, mine + threads_, Stamp{0});
  std::fill(crossed, crossed + threads_, Stamp{0});
  floor_[agent] = crossed_floor_[agent] = 0;
  for (std::uint32_t left = lanes; left != 0; left &= left - 1) {
    const unsigned thread = warp * kLanes + static_cast<unsigned>(__builtin_ctz(left));
    raise_to(mine, row(thread), threads_);
    raise_to(crossed, crossed_known_.data() + thread * threads_, threads_);
    floor_[agent] = std::max(floor_[agent], floor_[thread]);
    crossed_floor_[agent] = std::max(crossed_floor_[agent], crossed_floor_[thread]);
  }
  for (std::uint32_t left = lanes; left != 0; left &= left - 1) {
    const unsigned thread = warp * kLanes + static_cast<unsigned>(__builtin_ctz(left));
    mine[thread] = std::max(mine[thread], clock_[thread]);
  }
}

void Clocks::learn(unsigned thread, unsigned agent, Stamp stamp) {
  row(thread)[agent] = std::max(row(thread)[agent], stamp);
  wide_[thread / kLanes] = 1;
}

void Clocks::release_agent(unsigned agent, Knowledge& into) const {
  into.known.resize(threads_, 0);
  into.known[agent] = std::max(into.known[agent], clock_[agent]);
}

void Clocks::fence_proxy(unsigned thread) {
  constexpr std::size_t kKept = 256;  // older writes than that are taken to be fenced later than they were
  if (!has_agents()) return;
  std::vector<Stamp>& fences = crossings_[thread];
  if (fences.size() == 2 * kKept) fences.erase(fences.begin(), fences.begin() + kKept);
  fences.push_back(clock_[thread]);
  std::copy_n(row(thread), threads_, crossed_known_.data() + thread * threads_);
  crossed_floor_[thread] = floor_[thread];
  clock_[thread] = ++latest_;
}

bool Clocks::crossed(unsigned agent, unsigned other, Stamp stamp) const {
  if (stamp <= begun_ || stamp <= crossed_floor_[agent]) return true;
  if (stamp <= crossed_known_[agent * threads_ + other]) return true;
  const std::vector<Stamp>& fences = crossings_[other];
  const auto fence = std::lower_bound(fences.begin(), fences.end(), stamp);
  return fence != fences.end() && ordered(agent, other, *fence + 1);
}

}  // namespace emulator
