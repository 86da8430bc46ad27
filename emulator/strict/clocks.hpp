// What happened before what among the threads of a block, as vector clocks. Time is counted in stamps, which only grow:
// a thread's clock is the stamp of the last event that ordered it, its accesses carry that stamp, and a thread knows of
// every other up to which stamp it is ordered behind it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "execute/machine.hpp"

namespace emulator {

using Stamp = std::uint32_t;

/// What one or several threads knew when they released it.
struct Knowledge {
  Stamp floor = 0;           ///< of every thread
  std::vector<Stamp> known;  ///< of each thread; empty: no more than the floor
};

class Clocks {
 public:
  /// `threads` counts whole warps.
  explicit Clocks(std::size_t threads);

  /// A block begins: nothing that was before can race with it.
  void reset();

  [[nodiscard]] Stamp now(unsigned thread) const { return clock_[thread]; }

  /// Whether what `other` did at `stamp` happened before what `thread` does now.
  [[nodiscard]] bool ordered(unsigned thread, unsigned other, Stamp stamp) const {
    return stamp <= floor_[thread] || thread == other || stamp <= known_[thread * threads_ + other];
  }

  /// Everything that anybody did up to this stamp happened before what the thread does now.
  [[nodiscard]] Stamp floor(unsigned thread) const { return floor_[thread]; }

  /// Every thread that still runs waits for all others: all that was so far happened before all that follows.
  void synchronise_all();
  /// The lanes of a warp wait for each other.
  void synchronise_lanes(unsigned warp, std::uint32_t lanes);

  /// The lanes tell each other what they know of other warps, but do not wait for each other's memory.
  void share(unsigned warp, std::uint32_t lanes);

  /// Everything up to now of the thread joins `into`; what it does later does not.
  void release(unsigned thread, Knowledge& into);
  /// As release(), but of the thread's own doings only those before its last fence.
  void release_fenced(unsigned thread, Knowledge& into);
  void acquire(unsigned thread, const Knowledge& from);
  /// What the thread does from now on is behind a fence.
  void fence(unsigned thread);
  [[nodiscard]] bool fenced(unsigned thread) const { return fenced_[thread] != 0; }

 private:
  Stamp* row(unsigned thread) { return known_.data() + thread * threads_; }
  void join(unsigned thread, Knowledge& into, Stamp own);

  std::size_t threads_;
  Stamp latest_ = 1;
  std::vector<Stamp> clock_;
  std::vector<Stamp> floor_;
  std::vector<Stamp> fenced_;       ///< the clock that the last fence ended; 0: none yet
  std::vector<Stamp> known_;        ///< thread by thread
  std::vector<std::uint8_t> wide_;  ///< by warp: its threads know of other warps more than their floor
};

}  // namespace emulator
