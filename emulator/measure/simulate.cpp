#include "measure/simulate.hpp"

#include <algorithm>
#include <array>
#include <queue>
#include <utility>

#include "execute/operations.hpp"

namespace emulator {
namespace {

using Ticks = std::uint64_t;

constexpr Ticks kQueueTicks = 32 * kTicks;  // of work that the path to shared memory holds before it blocks a warp
constexpr Ticks kVisibleWaitTicks = 32 * kTicks;  // shorter waits for memory are part of a stretch of computing

/// 16-bit multiply-adds of wgmma per cycle and scheduler, on the one architecture that has it.
constexpr std::uint64_t kWarpgroupRate = 512;

struct Player {
  const std::vector<Event>* events = nullptr;
  std::size_t next = 0;
  Ticks clock = 0;
  unsigned scheduler = 0;
  unsigned copy = 0;
  unsigned warp = 0;
  bool waiting = false;           ///< at a barrier
  std::vector<Ticks> ready;       ///< by value: when it can be used
  std::vector<bool> from_memory;  ///< by value: a load made it
  Ticks landed = 0;               ///< when the bulk copy that was just issued will have
  Ticks open_copies = 0;          ///< when the copies since the last commit have landed
  std::vector<Ticks> groups;      ///< when each committed group has
  Ticks open_products = 0;        ///< the same of wgmma
  std::vector<Ticks> product_groups;
  Ticks stretch = 0;  ///< begin of the current stretch of computing
  std::uint32_t stretch_first = 0;
};

struct Arrivals {
  std::uint32_t count = 0;
  Ticks last = 0;
  bool open = false;
  Ticks time = 0;                      ///< when it opened
  std::vector<std::uint32_t> waiting;  ///< players
};

class Simulation {
 public:
  Simulation(const Program& program, const Recording& recording, const Timing& timing, unsigned copies, bool slices)
      : program_(program), recording_(recording), timing_(timing), slices_(slices) {
    const auto warps = static_cast<unsigned>(recording.warps.size());
    players_.resize(std::size_t{warps} * copies);
    for (unsigned i = 0; i < players_.size(); ++i) {
      Player& player = players_[i];
      player.copy = i / warps;
      player.warp = i % warps;
      player.events = &recording.warps[player.warp];
      player.scheduler = i % kSchedulers;
      player.ready.resize(program.values);
      player.from_memory.resize(program.values);
      if (!player.events->empty()) {
        player.stretch_first = player.events->front().instruction;
        queue_.emplace(0, i);
      }
    }
    arrivals_.resize(recording.rounds.size() * copies);
    out_.spent.resize(program.code.size());
  }

  Simulated run() {
    do {  // a barrier that opens need not let anybody go on: a recording that was cut short ends there
      while (!queue_.empty()) {
        const auto [time, index] = queue_.top();
        queue_.pop();
        step(time, index);
      }
    } while (force_a_barrier());
    if (slices_) {
      std::stable_sort(out_.slices.begin(), out_.slices.end(),
                       [](const Slice& a, const Slice& b) { return a.warp < b.warp; });
    }
    return std::move(out_);
  }

 private:
  using Entry = std::pair<Ticks, std::uint32_t>;

  [[nodiscard]] Ticks busy(const Cost& cost, const InstructionNote& note) const {
    if (cost.unit != Unit::matrix) {
      return std::uint64_t{timing_.busy[static_cast<unsigned>(cost.unit)]} * cost.weight * kTicks;
    }
    const std::uint64_t products = note.warp_flops / 2;
    if (note.flow.rule == Flow::warpgroup_multiply) return products * kTicks * cost.weight / 2 / kWarpgroupRate;
    if (cost.weight == 0) return std::max<Ticks>(products * kTicks / timing_.matrix_double_rate, 1);
    return std::max<Ticks>(products * kTicks * cost.weight / 2 / timing_.matrix_rate, 1);
  }

  /// The earliest tick at which the warp's next instruction can issue.
  Ticks earliest(const Player& player, const Event& event, const Cost& cost, bool& memory) const {
    Ticks time = player.clock;
    memory = false;
    const ValueUse& use = program_.uses[event.instruction];
    for (std::uint32_t k = use.first; k < use.first + use.reads; ++k) {
      const std::uint32_t value = program_.use_list[k];
      if (player.ready[value] <= time) continue;
      time = player.ready[value];
      memory = player.from_memory[value];
    }
    if (event.skipped || event.combined || cost.unit == Unit::folded) return time;
    const Scheduler& scheduler = schedulers_[player.scheduler];
    time = std::max(time, scheduler.issue);
    const bool queued = program_.notes[event.instruction].flow.rule == Flow::warpgroup_multiply;
    if (!queued) time = std::max(time, scheduler.pipe[static_cast<unsigned>(cost.unit)]);
    if ((event.passes + event.sectors != 0 && !event.bulk) || cost.unit == Unit::exchange) {
      if (shared_ > time + kQueueTicks) time = shared_ - kQueueTicks;
      if (port_ > time + 2 * kQueueTicks) time = port_ - 2 * kQueueTicks;
    }
    return time;
  }

  void step(Ticks time, std::uint32_t index) {
    Player& player = players_[index];
    const Event& event = (*player.events)[player.next];
    const Cost& cost = program_.notes[event.instruction].cost;
    bool memory = false;
    const Ticks can = earliest(player, event, cost, memory);
    if (can > time) return queue_.emplace(can, index);
    if (cost.unit == Unit::folded && !event.skipped) return fold(player, index, event, time);
    if (event.combined) {
      write(player, program_.uses[event.instruction], time + timing_.shared_latency * kTicks, true);
      return advance(player, index);
    }
    Ticks issue = time;
    if (cost.unit == Unit::copy_wait && !event.skipped) issue = std::max(issue, copies_landed(player, event));
    if (memory && issue >= player.clock + kVisibleWaitTicks)
      cut(player, event, player.clock, issue, Slice::Kind::memory);
    if (cost.unit == Unit::copy_wait && issue > time) cut(player, event, time, issue, Slice::Kind::copies);
    const Ticks slots = (event.skipped || cost.unit == Unit::matrix ? 1u : std::max<unsigned>(cost.weight, 1)) * kTicks;
    Scheduler& scheduler = schedulers_[player.scheduler];
    scheduler.issue = std::max(scheduler.issue, time) + slots;
    if (!event.skipped) execute(player, event, cost, issue, scheduler);
    if (player.copy == 0) out_.issued += slots / kTicks;
    // Fences of proxies and of mbarrier objects stay within the multiprocessor.
    const InstructionNote& fenced = program_.notes[event.instruction];
    const bool far = cost.unit == Unit::fence && fenced.fence && fenced.scope != InstructionNote::Scope::cta;
    spend(player, event, issue + slots + (far && !event.skipped ? timing_.l2_latency * kTicks : 0));
    if (cost.unit == Unit::barrier && !event.skipped) return arrive(player, index, event);
    if (event.meets && !event.skipped) return meet(player, index, event);
    advance(player, index);
  }

  /// Costs nothing, but its result is there no sooner than its sources.
  void fold(Player& player, std::uint32_t index, const Event& event, Ticks time) {
    const ValueUse& use = program_.uses[event.instruction];
    bool memory = false;
    for (std::uint32_t k = use.first; k < use.first + use.reads; ++k) {
      memory = memory || player.from_memory[program_.use_list[k]];
    }
    write(player, use, time, memory);
    advance(player, index);
  }

  void write(Player& player, const ValueUse& use, Ticks ready, bool memory) {
    for (std::uint32_t k = use.first + use.reads; k < use.first + use.reads + use.writes; ++k) {
      player.ready[program_.use_list[k]] = ready;
      player.from_memory[program_.use_list[k]] = memory;
    }
  }

  struct Scheduler {
    Ticks issue = 0;
    std::array<Ticks, kUnits> pipe{};
  };

  void execute(Player& player, const Event& event, const Cost& cost, Ticks issue, Scheduler& scheduler) {
    const InstructionNote& note = program_.notes[event.instruction];
    const Ticks taken = busy(cost, note);
    if (note.flow.rule == Flow::warpgroup_multiply) return multiply(player, event, issue, taken, scheduler);
    scheduler.pipe[static_cast<unsigned>(cost.unit)] = issue + taken;
    // What one PTX instruction becomes is taken for a chain.
    const Ticks latency = std::uint64_t{timing_.latency[static_cast<unsigned>(cost.unit)]} * cost.weight * kTicks;
    Ticks ready = issue + std::max(taken, latency);
    bool memory = false;
    switch (cost.unit) {
      case Unit::matrix:
        ready = issue + timing_.matrix_latency * kTicks + 2 * taken;
        if (player.copy == 0) out_.matrix_ticks += taken;
        break;
      case Unit::exchange:
        ready = through_shared(player, issue, 1) + timing_.shared_latency * kTicks;
        break;
      case Unit::memory:
      case Unit::copy:
        ready = event.bulk ? bulk(player, event, issue) : access(player, event, issue);
        memory = true;
        if (event.meets) player.landed = ready;  // an mbarrier counts it
        if (event.meets) break;
        if (cost.unit == Unit::copy) player.open_copies = std::max(player.open_copies, ready);
        break;
      case Unit::object:
        // cp.async.mbarrier.arrive: the arrival is that of the copies.
        if (program_.families[note.family] == "cp.async.mbarrier.arrive") player.landed = player.open_copies;
        break;
      case Unit::copy_commit:
        if (program_.code[event.instruction].handler == control::warpgroup_commit) {
          player.product_groups.push_back(player.open_products);
          break;
        }
        player.groups.push_back(player.open_copies);
        player.open_copies = 0;
        break;
      default:
        break;
    }
    write(player, program_.uses[event.instruction], ready, memory);
  }

  /// wgmma joins the queue of its scheduler's tensor core, and the warp goes on. It is done when it had its turn there,
  /// and its operands theirs on the path from shared memory.
  void multiply(Player& player, const Event& event, Ticks issue, Ticks taken, Scheduler& scheduler) {
    Ticks& pipe = scheduler.pipe[static_cast<unsigned>(Unit::matrix)];
    const Ticks begin = std::max(pipe, issue);
    pipe = std::max(begin + taken, through_shared(player, begin, event.passes));
    if (player.copy == 0) out_.matrix_ticks += taken;
    player.open_products = pipe + timing_.matrix_latency * kTicks;
    write(player, program_.uses[event.instruction], issue, false);
  }

  /// When an access through the path to shared memory has made its passes.
  Ticks through_shared(const Player& player, Ticks issue, Ticks passes) {
    shared_ = std::max(shared_, issue) + passes * kTicks;
    if (player.copy == 0) out_.shared_ticks += passes * kTicks;
    return shared_;
  }

  Ticks access(const Player& player, const Event& event, Ticks issue) {
    // Local memory is taken to be in the first-level cache, which answers about as soon as shared memory.
    Ticks ready = issue + timing_.shared_latency * kTicks;
    if (event.sectors != 0) {
      // A request takes its turn on the same path, four sectors at a time; then the port moves its bytes.
      const Ticks sent = through_shared(player, issue, (event.sectors + 3u) / 4u);
      const Ticks transfer = std::uint64_t{event.sectors} * 32 * kTicks / timing_.port_bytes;
      port_ = std::max(port_, sent) + transfer;
      if (player.copy == 0) out_.port_ticks += transfer;
      ready = port_ + (event.cold && !event.atomic ? timing_.memory_latency : timing_.l2_latency) * kTicks;
    }
    if (event.passes != 0) {
      ready = std::max(ready, through_shared(player, issue, event.passes) + (timing_.shared_latency - 1) * kTicks);
    }
    return ready;
  }

  /// A unit of its own asks for the bytes: the path of the warps' requests sees only what goes to or comes from shared
  /// memory.
  Ticks bulk(const Player& player, const Event& event, Ticks issue) {
    Ticks ready = issue + timing_.bulk_latency * kTicks;
    if (event.sectors != 0) {
      const Ticks transfer = std::uint64_t{event.sectors} * 32 * kTicks / timing_.port_bytes;
      port_ = std::max(port_, issue) + transfer;
      if (player.copy == 0) out_.port_ticks += transfer;
      ready += port_ - issue + (event.cold && !event.atomic ? timing_.memory_latency : timing_.l2_latency) * kTicks;
    }
    shared_ = std::max(shared_, issue) + event.passes * kTicks;
    if (player.copy == 0) out_.shared_ticks += event.passes * kTicks;
    return std::max(ready, shared_);
  }

  Ticks copies_landed(Player& player, const Event& event) {
    const Instruction& in = program_.code[event.instruction];
    const bool all = event.all_copies;
    const bool products = program_.notes[event.instruction].flow.rule == Flow::warpgroup_wait;
    std::vector<Ticks>& groups = products ? player.product_groups : player.groups;
    Ticks time = all ? player.open_copies : 0;
    const auto keep = all ? 0 : static_cast<std::size_t>(in.immediate);
    for (std::size_t k = 0; k + keep < groups.size(); ++k) time = std::max(time, groups[k]);
    if (groups.size() > keep) groups.erase(groups.begin(), groups.end() - static_cast<std::ptrdiff_t>(keep));
    return time;
  }

  void arrive(Player& player, std::uint32_t index, const Event& event) {
    const std::size_t at = player.copy * recording_.rounds.size() + event.round;
    Arrivals& arrivals = arrivals_[at];
    arrivals.count += 1;
    arrivals.last = std::max(arrivals.last, player.clock);
    if (event.waits && !arrivals.open) {
      player.waiting = true;
      arrivals.waiting.push_back(index);
    } else {
      advance(player, index);
    }
    if (!arrivals.open && arrivals.count >= recording_.rounds[event.round].arrivals) open(arrivals);
  }

  /// At an mbarrier object. What brings bytes arrives when they have landed.
  void meet(Player& player, std::uint32_t index, const Event& event) {
    Arrivals& arrivals = arrivals_[player.copy * recording_.rounds.size() + event.round];
    if (event.waits) {
      player.waiting = !arrivals.open;
      if (player.waiting) return arrivals.waiting.push_back(index);
      if (arrivals.time > player.clock) {
        cut(player, event, player.clock, arrivals.time, Slice::Kind::copies);
        spend(player, event, arrivals.time);
      }
      return advance(player, index);
    }
    arrivals.count += 1;
    arrivals.last = std::max({arrivals.last, player.clock, std::exchange(player.landed, 0)});
    advance(player, index);
    if (!arrivals.open && arrivals.count >= recording_.rounds[event.round].arrivals) open(arrivals);
  }

  void open(Arrivals& arrivals) {
    arrivals.open = true;
    const Ticks time = arrivals.last + timing_.barrier_latency * kTicks;
    arrivals.time = time;
    for (const std::uint32_t index : arrivals.waiting) {
      Player& player = players_[index];
      const Event& event = (*player.events)[player.next];
      player.waiting = false;
      cut(player, event, player.clock, time, Slice::Kind::barrier);
      spend(player, event, time);
      advance(player, index);
    }
    arrivals.waiting.clear();
  }

  /// Lanes of one warp that wait for each other at one barrier look like a warp that waits for itself: the oldest such
  /// barrier opens. False when nobody waits.
  bool force_a_barrier() {
    for (Arrivals& arrivals : arrivals_) {
      if (arrivals.open || arrivals.waiting.empty()) continue;
      open(arrivals);
      return true;
    }
    return false;
  }

  void spend(Player& player, const Event& event, Ticks until) {
    if (player.copy == 0) out_.spent[event.instruction] += until - player.clock;
    player.clock = until;
    out_.ticks = std::max(out_.ticks, until);
  }

  /// Ends a stretch of computing at `begin` and notes a wait behind it.
  void cut(Player& player, const Event& event, Ticks begin, Ticks end, Slice::Kind kind) {
    if (!slices_ || player.copy != 0 || end <= begin) return;
    const auto barrier = kind == Slice::Kind::barrier ? recording_.rounds[event.round].barrier : std::uint8_t{0};
    begin = std::max(begin, player.stretch);
    if (begin > player.stretch) {
      out_.slices.push_back({player.stretch, begin, player.warp, player.stretch_first, Slice::Kind::compute, 0});
    }
    out_.slices.push_back({begin, end, player.warp, event.instruction, kind, barrier});
    player.stretch = end;
    player.stretch_first = event.instruction;
  }

  void advance(Player& player, std::uint32_t index) {
    if (++player.next < player.events->size()) return queue_.emplace(player.clock, index);
    if (slices_ && player.copy == 0 && player.clock > player.stretch) {
      out_.slices.push_back({player.stretch, player.clock, player.warp, player.stretch_first, Slice::Kind::compute, 0});
    }
  }

  const Program& program_;
  const Recording& recording_;
  const Timing& timing_;
  const bool slices_;
  std::vector<Player> players_;
  std::vector<Arrivals> arrivals_;  ///< copy by copy, round by round
  std::array<Scheduler, kSchedulers> schedulers_{};
  Ticks shared_ = 0;  ///< the path to shared memory and the first-level cache is free from here on
  Ticks port_ = 0;    ///< likewise the port to the second-level cache
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
  Simulated out_;
};

}  // namespace

Simulated simulate(const Program& program, const Recording& recording, const Timing& timing, unsigned copies,
                   bool slices) {
  return Simulation(program, recording, timing, copies, slices).run();
}

}  // namespace emulator
