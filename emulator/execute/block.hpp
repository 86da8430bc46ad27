// One block on one host thread: its warps, shared memory, barriers, and the order in which warps run.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "execute/bulk.hpp"
#include "execute/machine.hpp"

namespace emulator {

class LaunchRaces;
struct ModelPlan;

/// A fault whose warp stops while the others may run on: what they do may say more of it.
struct PatientFault : FaultRaised {};

/// splitmix64: small, seeded, the same everywhere.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  /// Below `bound`, which is not 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }

 private:
  std::uint64_t state_;
};

/// One of the 16 named barriers of a block (PTX ISA 9.7.13 bar).
struct Barrier {
  std::uint32_t arrived = 0;   ///< threads
  std::uint32_t expected = 0;  ///< threads; 0: every thread that has not exited
  std::uint32_t voted = 0;     ///< threads that took part in a reduction, and how many of them said yes
  std::uint32_t yes = 0;
};

class Block {
 public:
  /// `plan` is null unless the launch is measured.
  Block(const Program& program, const Launch& launch, Memory& memory, const Profile& profile, LaunchRaces& races,
        const ModelPlan* plan);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /// Block number `index` begins.
  void begin(std::uint64_t index);
  /// Runs it on for about so many warp instructions; true when it has ended. Throws FaultRaised.
  bool advance(std::uint64_t warp_instructions);

  [[nodiscard]] const std::vector<Count>& counts() const { return counts_; }
  /// Null unless the launch is measured.
  [[nodiscard]] Meter* meter() { return meter_.get(); }

  // What handlers outside the inner loop need.
  [[nodiscard]] const Place& place() const { return place_; }
  [[nodiscard]] const Program& program() const { return program_; }
  [[nodiscard]] const Launch& launch() const { return launch_; }
  [[nodiscard]] const Profile& profile() const { return profile_; }
  [[nodiscard]] Memory& memory() { return memory_; }
  [[nodiscard]] Printer& printer() { return *launch_.printer; }
  [[nodiscard]] Barrier& barrier(unsigned id) { return barriers_[id]; }
  [[nodiscard]] Random& random() { return random_; }
  /// What setmaxnreg moves: registers of a thread, times warps.
  [[nodiscard]] std::uint32_t& register_pool() { return register_pool_; }
  /// The warp issues its product number `number`, from 0. What was asked first; equal to `request` when all is well.
  ProductRequest agree(const Warp& warp, std::uint64_t number, const ProductRequest& request);
  // What mbarrier objects need (mbarrier.cpp).
  /// The lane arrives at the object when the copies that it has begun so far have landed.
  void arrive_after_copies(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t object);
  /// Raises unless there is an object.
  void check_object(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t object);
  /// A bulk copy that the lane issued has brought bytes that the object counts.
  void complete_bytes(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t object, std::uint32_t bytes);
  /// The lane has waited in vain: its warp's turn ends. Raises when every thread of the block does nothing else;
  /// `wanting` says what it waits for.
  void poll_failed(Warp& warp, const Instruction& in, unsigned lane, const std::string& wanting);
  [[nodiscard]] BulkCopies& bulk() { return bulk_; }
  // The cluster's barrier (cluster.cpp).
  void cluster_arrived(Warp& warp, const Instruction& in, std::uint32_t lanes);
  [[nodiscard]] bool cluster_passed(Warp& warp, const Instruction& in, std::uint32_t lanes);
  void made_progress() { polls_.assign(polls_.size(), 0); }
  /// A chance for other blocks to run right behind a write that they may be waiting for.
  void give_way(Warp& warp);
  /// Whether the latest advance() ended for that.
  [[nodiscard]] bool gave_way() const { return gave_way_; }
  [[nodiscard]] std::uint64_t index() const { return index_; }
  [[nodiscard]] unsigned warps() const { return static_cast<unsigned>(warps_.size()); }
  [[nodiscard]] Warp& warp(unsigned index) { return warps_[index]; }
  [[nodiscard]] std::size_t threads() const {
    return std::size_t{place_.threads[0]} * place_.threads[1] * place_.threads[2];
  }
  [[nodiscard]] std::size_t register_bytes() const { return register_bytes_; }  ///< of a warp
  [[nodiscard]] std::size_t shared_bytes() const { return shared_bytes_; }
  [[nodiscard]] std::size_t reserved_shared() const { return reserved_shared_; }
  [[nodiscard]] std::size_t local_bytes() const { return local_bytes_; }  ///< of a lane

 private:
  void reset(std::uint64_t index);
  void reset_warp(Warp& warp);
  /// Runs the warp until its quantum ends or no path of it is ready.
  void step(Warp& warp);
  void run_path(Warp& warp);
  /// A step, and what its faults lead to.
  void take_turn(Warp& warp);
  /// Keeps a warp's fault until the block ends, or throws the one that says more.
  void hold(Warp& warp, const PatientFault& raised);
  void check_barriers();
  void check_registers() const;
  [[noreturn]] void raise_blocked(const Warp& warp, const Instruction& in) const;
  /// What warps are blocked by may be over: they try again.
  void wake_blocked();
  void check_cluster();
  void settle_arrivals(std::size_t count);
  [[nodiscard]] bool complete(unsigned id) const;
  void release(unsigned id);
  [[noreturn]] void raise_stuck();
  [[noreturn]] void raise_limit(const Warp& warp);

  const Program& program_;
  const Launch& launch_;
  Memory& memory_;
  const Profile& profile_;
  Place place_;
  std::uint64_t index_ = 0;
  std::uint64_t executed_ = 0;
  Random random_{0};
  std::optional<PatientFault> held_;
  std::uint64_t held_until_ = 0;  ///< instructions of the block
  bool wild_ = false;             ///< this block's diverged paths run in random order
  bool gives_way_ = false, gave_way_ = false;
  bool turn_over_ = false;  ///< of the warp that runs
  unsigned ways_given_ = 0;
  std::array<Barrier, 16> barriers_{};
  struct ClusterBarrier {
    std::vector<std::uint32_t> lanes;   ///< of each warp, that have arrived and wait for others
    std::vector<std::uint32_t> passed;  ///< that have arrived and may go on
  };
  ClusterBarrier cluster_;  ///< empty until somebody uses it
  struct Requests {
    std::uint64_t first = 0;  ///< number of the first one that not all four warps have issued
    std::deque<ProductRequest> open;
  };
  std::uint32_t register_pool_ = 0;
  std::vector<Requests> requests_;  ///< of each warpgroup
  struct Arrival {
    Warp* warp = nullptr;
    const Instruction* in = nullptr;
    unsigned lane = 0;
    std::uint64_t object = 0;
    std::uint64_t serial = 0;
  };
  std::deque<Arrival> arrivals_;  ///< of copies in flight
  BulkCopies bulk_{*this};
  std::vector<std::uint32_t> polls_;  ///< of each warp, since anything happened that it may wait for
  std::vector<Warp> warps_;
  std::vector<Warp*> ready_;  ///< those with a path that can go on
  std::vector<Count> counts_;
  std::vector<Extent> hints_;
  struct Release {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{256}); }
  };
  using Bytes = std::unique_ptr<std::byte[], Release>;
  static Bytes bytes(std::size_t count);
  Bytes registers_;
  Bytes shared_;
  Bytes local_;
  Bytes constants_;
  std::size_t register_bytes_ = 0;
  std::size_t shared_bytes_ = 0;
  std::size_t local_bytes_ = 0;
  std::size_t reserved_shared_ = 0;  ///< offset of the system's shared memory
  std::unique_ptr<Strict> strict_;   ///< none when the launch is not strict
  std::unique_ptr<Meter> meter_;     ///< none when it is not measured
};

/// True while lanes of the warp have not exited.
inline bool alive(const Warp& warp) {
  return (warp.present & ~warp.exited) != 0;
}

/// Joins ready paths that stand at the same place and drops empty ones.
void join_paths(Warp& warp);

/// Lets collectives go on whose lanes have all arrived. False when nothing changed.
bool resolve_collectives(Warp& warp);

/// Runs the current path until its budget is spent or ip reaches stop, with its checks.
void run_watched(Warp& warp);

/// The path's place becomes the warp's.
void enter_path(Warp& warp, std::size_t index);

}  // namespace emulator
