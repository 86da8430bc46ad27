// Races: two threads touch a byte, at least one writes, and nothing orders them (PTX ISA 8). Threads of a block are
// looked at in shared memory, blocks of a launch in global memory. Two writes of the same value do no harm and pass, as
// do strong accesses (atomics, volatile, relaxed and stronger) among themselves.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>

#include "execute/access.hpp"
#include "strict/clocks.hpp"
#include "strict/global_trace.hpp"
#include "strict/shared_trace.hpp"

namespace emulator {

struct BulkCopy;

class Races {
 public:
  Races(Block& block, LaunchRaces& launch);
  void reset();

  /// The lanes are about to make these accesses. Plain stores are carried out, so that the next lane finds their
  /// values.
  void access(Warp& warp, const Instruction& in, const Access* accesses, unsigned count);
  /// `done` lanes have executed `in`: fences count, and what strong reads found.
  void executed(Warp& warp, const Instruction& in, std::uint32_t done);
  void landed(Warp& warp, const PendingCopy& copy, unsigned lane);
  void exited(const Warp& warp, std::uint32_t lanes);
  /// A bulk copy reads, writes or changes what it names in global memory.
  void bulk_global(const BulkCopy& copy, Access::Kind kind);

  // What orders threads.
  void warp_synchronised(const Warp& warp, std::uint32_t lanes);
  /// The lanes arrive at barrier `id` of the block, to wait there or to go on.
  void arrived(const Warp& warp, unsigned id, std::uint32_t lanes, bool wait);
  /// Barrier `id` lets everybody go on. One that is not `counted` waits for whoever has not exited.
  void completed(unsigned id, bool counted);
  // The same for an object in shared memory that counts arrivals in phases, at offset `object`.
  /// The lane makes the object (a plain write), changes it (an atomic operation), or looks at its phase (a strong
  /// read).
  void object_touched(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t object, Access::Kind kind);
  void object_arrived(const Warp& warp, std::uint32_t lanes, std::uint64_t object);
  void object_completed(std::uint64_t object);
  void object_awaited(const Warp& warp, std::uint32_t lanes, std::uint64_t object);

 private:
  friend class AsyncProxy;
  struct Arrivals {
    std::vector<std::uint32_t> waiting;  ///< lanes of each warp
    Knowledge brought;                   ///< by those who went on
    bool partial = false;
  };
  struct Object {
    Knowledge arriving, completed;
  };
  struct Lane;  ///< one lane's part of an access

  void shared(const Lane& lane);
  void shared_matrix(Warp& warp, const Instruction& in, const Access& access);
  void shared_bytes(const Lane& lane, std::uint64_t at, std::size_t bytes, std::uint32_t lanes);
  void read(const Lane& lane, SharedCell& cell, std::uint64_t at, std::uint32_t lanes);
  void write(const Lane& lane, SharedCell& cell, std::uint64_t at, std::size_t bytes, std::uint32_t lanes);
  void order_shared(const Lane& lane, std::uint64_t at);
  [[nodiscard]] bool ordered(unsigned warp, std::uint32_t lanes, const Touch& before) const;
  void global(const Lane& lane, LaunchRaces::Guard& guard);
  void global_word(const Lane& lane, GlobalCell& cell, std::uint64_t at, unsigned bytes);
  void order_global(const Lane& lane);
  void acquire_global(const InstructionNote& note);
  [[nodiscard]] bool ordered(const GlobalTouch& before) const;
  [[nodiscard]] bool same_value(const Lane& lane, std::uint64_t at, std::size_t bytes) const;
  void check_copies(const Lane& lane);

  /// A plain read that collides with an atomic operation is right when its thread checks what it read by an atomic
  /// operation of its own, as a loop around atom.cas does. Until then it is under suspicion.
  void suspect(unsigned thread, std::uint64_t at, Fault fault);
  void convict(const Warp& warp, std::uint32_t lanes);

  [[nodiscard]] Fault shared_fault(const Lane& lane, std::uint64_t at, const Touch& other, const char* mine,
                                   const char* theirs) const;
  [[noreturn]] void raise_in_flight(const Lane& lane, const Touch& copy, const std::string& what);
  [[noreturn]] void raise_global(const Lane& lane, std::uint64_t at, const GlobalTouch& other, unsigned thread,
                                 const char* mine, const char* theirs);
  [[nodiscard]] std::array<unsigned, 3> place_of(unsigned thread) const;
  /// The thread that a touch stands for: of an agent, the one that issued its latest operation.
  [[nodiscard]] unsigned thread_of_touch(unsigned thread) const {
    return thread < clocks_.first_agent() ? thread : issuers_[thread - clocks_.first_agent()];
  }

  Block& block_;
  LaunchRaces& launch_;
  Clocks clocks_;
  SharedTrace trace_;
  std::array<Arrivals, 16> barriers_;
  std::unordered_map<std::uint64_t, Object> objects_;
  std::unordered_map<std::uint64_t, Knowledge> released_;                 ///< by strong writes to shared memory
  std::unordered_map<unsigned, std::unordered_set<std::uint64_t>> seen_;  ///< by strong reads, until the thread fences
  struct Suspicion {
    std::uint64_t at = 0;
    Fault fault;
  };
  std::unordered_map<unsigned, Suspicion> suspicions_;  ///< by thread
  std::size_t in_flight_ = 0;                           ///< bytes that cells mark so
  std::vector<unsigned> issuers_;                       ///< by agent: a thread

  // The block among the blocks.
  std::uint32_t index_ = 0;
  std::uint32_t epoch_ = 1;
  std::uint32_t fenced_ = 0;  ///< the epoch that the last fence ended
  BlockKnowledge known_;
  BlockKnowledge pending_;                ///< acquired when a fence follows
  std::vector<std::uint64_t> looked_at_;  ///< by strong reads of the instruction that is being executed
};

}  // namespace emulator
