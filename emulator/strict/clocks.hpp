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
  /// `threads` counts whole warps. Behind them come agents of asynchronous operations, if there are any: like threads,
  /// but nobody waits for them unless told to.
  explicit Clocks(std::size_t threads, std::size_t agents = 0);

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

  // Agents.
  [[nodiscard]] unsigned first_agent() const { return static_cast<unsigned>(real_); }
  [[nodiscard]] bool has_agents() const { return threads_ != real_; }
  /// What the agent does from now on is behind all that the lanes know together. Returns its new stamp.
  Stamp begin(unsigned agent, unsigned warp, std::uint32_t lanes);
  /// The same without a new stamp.
  void gather(unsigned agent, unsigned warp, std::uint32_t lanes);
  /// What the agent did up to this stamp happened before what the thread does now.
  void learn(unsigned thread, unsigned agent, Stamp stamp);
  /// Who acquires this knows what the agent has done.
  void release_agent(unsigned agent, Knowledge& into) const;
  /// fence.proxy.async of the thread.
  void fence_proxy(unsigned thread);
  /// Whether a fence of proxies lies between what `other` did at `stamp` and what the agent does now: the other's own,
  /// or one of those for whom the agent acts. Things of earlier blocks need none.
  [[nodiscard]] bool crossed(unsigned agent, unsigned other, Stamp stamp) const;

 private:
  Stamp* row(unsigned thread) { return known_.data() + thread * threads_; }
  void join(unsigned thread, Knowledge& into, Stamp own);

  std::size_t real_;     ///< threads that are none but threads
  std::size_t threads_;  ///< and the agents behind them
  Stamp latest_ = 1;
  Stamp begun_ = 0;  ///< of the block
  std::vector<Stamp> clock_;
  std::vector<Stamp> floor_;
  std::vector<Stamp> fenced_;       ///< the clock that the last fence ended; 0: none yet
  std::vector<Stamp> known_;        ///< thread by thread
  std::vector<std::uint8_t> wide_;  ///< by warp: its threads know of other warps more than their floor
  // Where there are agents: what each thread knew at its last fence of proxies, and the clocks that its fences ended.
  std::vector<Stamp> crossed_known_;
  std::vector<Stamp> crossed_floor_;
  std::vector<std::vector<Stamp>> crossings_;
};

}  // namespace emulator
