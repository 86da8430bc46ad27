// A launch: blocks in a seeded random order on several host threads.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "execute/block.hpp"
#include "execute/heap.hpp"
#include "execute/module.hpp"
#include "execute/supply.hpp"
#include "measure/meter.hpp"
#include "strict/races.hpp"

namespace emulator {
namespace {

/// What the host threads of one launch share.
struct Progress {
  std::atomic<std::uint64_t> begun{0};
  std::atomic<bool> stopped{false};
  std::mutex mutex;
  std::optional<Fault> fault;
  std::uint64_t fault_at = 0;  ///< position in the order of the block that raised it
  std::vector<Count> counts;
  std::optional<ModelPlan> plan;     ///< of a measured launch, as
  std::optional<Measures> measures;  ///< this
  LaunchRaces races;
  std::exception_ptr failure;  ///< of the host: no memory for a block's registers, say
};

/// One host thread's blocks. A block that takes long is laid aside for others, up to kResidents at a time: it may be
/// waiting for one of them.
class Worker {
 public:
  Worker(const LoadedKernel& kernel, const Launch& launch, Memory& memory, const Profile& profile, Supply& supply,
         Progress& progress)
      : kernel_(kernel), launch_(launch), memory_(memory), profile_(profile), supply_(supply), progress_(progress) {}

  void run() {
    while (!progress_.stopped) {
      const std::optional<Resident> current = pick();
      if (!current) break;
      try {
        if (current->block->advance(kSlice)) {
          idle_.push_back(current->block);
          barren_ = 0;
        } else {
          waiting_.push_back(*current);
          if (!current->block->gave_way()) ++barren_;
        }
      } catch (FaultRaised& raised) {
        const std::scoped_lock lock(progress_.mutex);
        progress_.stopped = true;
        if (!progress_.fault || current->position < progress_.fault_at) {
          progress_.fault = std::move(raised.fault);
          progress_.fault_at = current->position;
        }
      }
    }
    account();
  }

 private:
  static constexpr std::uint64_t kSlice = 1u << 13;  ///< warp instructions
  static constexpr std::size_t kResidents = 8;
  struct Resident {
    Block* block = nullptr;
    std::uint64_t position = 0;
  };

  std::optional<Resident> pick() {
    if (waiting_.size() < kResidents) {
      if (const auto start = supply_.next()) return begin(*start);
    } else if (barren_ >= waiting_.size()) {
      barren_ = 0;
      if (const auto start = supply_.lowest()) return begin(*start);
    }
    if (waiting_.empty()) return std::nullopt;
    const Resident oldest = waiting_.front();
    waiting_.pop_front();
    return oldest;
  }

  Resident begin(const Supply::Start& start) {
    if (idle_.empty()) {
      blocks_.push_back(std::make_unique<Block>(kernel_.program, launch_, memory_, profile_, progress_.races,
                                                progress_.plan ? &*progress_.plan : nullptr));
      idle_.push_back(blocks_.back().get());
    }
    Block* block = idle_.back();
    idle_.pop_back();
    block->begin(start.block);
    ++progress_.begun;
    return {block, start.position};
  }

  void account() {
    const std::scoped_lock lock(progress_.mutex);
    for (const auto& block : blocks_) {
      for (std::size_t i = 0; i < progress_.counts.size(); ++i) {
        progress_.counts[i].warps += block->counts()[i].warps;
        progress_.counts[i].threads += block->counts()[i].threads;
      }
      if (Meter* meter = block->meter()) progress_.measures->add(meter->measures());
    }
  }

  const LoadedKernel& kernel_;
  const Launch& launch_;
  Memory& memory_;
  const Profile& profile_;
  Supply& supply_;
  Progress& progress_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<Block*> idle_;
  std::deque<Resident> waiting_;
  std::size_t barren_ = 0;  ///< turns since a block ended
};

/// For any thread: what the host throws reaches the caller of execute().
void work_guarded(const LoadedKernel& kernel, const Launch& launch, Memory& memory, const Profile& profile,
                  Supply& supply, Progress& progress) {
  try {
    Worker(kernel, launch, memory, profile, supply, progress).run();
  } catch (...) {
    const std::scoped_lock lock(progress.mutex);
    progress.stopped = true;
    if (!progress.failure) progress.failure = std::current_exception();
  }
}

void summarise(const Program& program, const std::vector<Count>& counts, Statistics& statistics) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i].warps == 0) continue;
    const InstructionNote& note = program.notes[i];
    statistics.warp_instructions[program.families[note.family]] += counts[i].warps;
    statistics.thread_instructions += counts[i].threads;
    statistics.tensor_flops += counts[i].warps * note.warp_flops;
    const std::uint64_t bytes = counts[i].threads * note.bytes;
    using Traffic = InstructionNote::Traffic;
    const bool global = note.space == ptx::Space::global || note.space == ptx::Space::generic;
    const bool shared = note.space == ptx::Space::shared;
    if (note.traffic == Traffic::async_copy) statistics.async_copy_bytes += bytes;
    if (note.flow.rule == Flow::warpgroup_multiply) statistics.shared_load_bytes += bytes;
    if (note.traffic == Traffic::load || note.traffic == Traffic::load_store) {
      statistics.global_load_bytes += global ? bytes : 0;
      statistics.shared_load_bytes += shared ? bytes : 0;
    }
    if (note.traffic == Traffic::store || note.traffic == Traffic::load_store) {
      statistics.global_store_bytes += global ? bytes : 0;
      statistics.shared_store_bytes += shared ? bytes : 0;
    }
  }
}

std::optional<Fault> refuse(const Launch& launch, const Profile& profile) {
  Fault fault;
  fault.kernel = launch.kernel == nullptr ? "" : launch.kernel->name();
  const std::uint64_t threads = std::uint64_t{launch.block[0]} * launch.block[1] * launch.block[2];
  const std::uint64_t blocks = std::uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
  if (launch.kernel == nullptr) {
    fault.message = "a launch without a kernel";
  } else if (launch.block[0] > 1024 || launch.block[1] > 1024 || launch.block[2] > 64 || threads == 0 ||
             threads > static_cast<std::uint64_t>(profile.threads_per_block)) {
    fault.message = "a block of " + std::to_string(threads) + " threads";
  } else if (blocks == 0 || launch.grid[0] > 0x7FFFFFFFu || launch.grid[1] > 65535 || launch.grid[2] > 65535) {
    fault.message = "a grid beyond the device's limits";
  } else if (launch.kernel->static_shared() + launch.dynamic_shared > profile.shared_per_block_optin) {
    fault.message = "more shared memory than a block can have";
  } else if (launch.kernel->cluster_blocks() > 1) {
    fault.message = "a kernel for clusters of " + std::to_string(launch.kernel->cluster_blocks()) +
                    " blocks (.reqnctapercluster): the emulator has clusters of one";
  } else if (launch.parameters == nullptr && !launch.kernel->parameters().empty()) {
    fault.message = "a launch without parameters";
  } else {
    return std::nullopt;
  }
  return fault;
}

/// What a cooperative launch finds at the address in %envreg1 and %envreg2: its size, and the counter of the grid's
/// barrier, as cooperative_groups reads them.
std::uint64_t grid_workspace(Memory& memory) {
  constexpr std::uint32_t kBytes = 64;
  const std::uint64_t address = memory.allocate(kBytes);
  if (address == 0) return 0;
  std::memset(reinterpret_cast<void*>(address), 0, kBytes);
  std::memcpy(reinterpret_cast<void*>(address), &kBytes, sizeof(kBytes));
  memory.mark_written(address, kBytes);
  return address;
}

}  // namespace

void Statistics::add(const Statistics& other) {
  for (const auto& [family, count] : other.warp_instructions) warp_instructions[family] += count;
  thread_instructions += other.thread_instructions;
  global_load_bytes += other.global_load_bytes;
  global_store_bytes += other.global_store_bytes;
  shared_load_bytes += other.shared_load_bytes;
  shared_store_bytes += other.shared_store_bytes;
  async_copy_bytes += other.async_copy_bytes;
  tensor_flops += other.tensor_flops;
  blocks += other.blocks;
  measurement.add(other.measurement);
}

std::optional<Fault> execute(const Launch& launch, Memory& memory, const Profile& profile, Statistics& statistics) {
  if (auto refused = refuse(launch, profile)) return refused;
  if (launch.heap == nullptr) {
    Printer printer;
    Heap heap(memory);
    Launch own = launch;
    own.heap = &heap;
    if (own.printer == nullptr) own.printer = &printer;
    if (launch.cooperative) own.grid_workspace = grid_workspace(memory);
    auto fault = execute(own, memory, profile, statistics);
    if (launch.cooperative) memory.release(own.grid_workspace);
    printer.flush();
    return fault;
  }
  const auto& kernel = static_cast<const LoadedKernel&>(*launch.kernel);
  const std::uint64_t blocks = std::uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
  Supply supply(blocks, launch.seed);
  Progress progress;
  progress.counts.resize(kernel.program.code.size());
  if (launch.measure) {
    progress.plan = plan_model(kernel.program, launch, profile, kernel.thread_limit);
    progress.measures.emplace(kernel.program.code.size());
  }
  std::uint64_t workers = launch.host_threads > 0 ? static_cast<unsigned>(launch.host_threads)
                                                  : std::max(1u, std::thread::hardware_concurrency());
  workers = std::min(workers, blocks);
  std::vector<std::thread> threads;
  threads.reserve(workers);
  try {
    for (std::uint64_t i = 1; i < workers; ++i) {
      threads.emplace_back([&] { work_guarded(kernel, launch, memory, profile, supply, progress); });
    }
  } catch (const std::system_error&) {
    // No further thread can be had: the ones there are do the work.
  }
  work_guarded(kernel, launch, memory, profile, supply, progress);
  for (std::thread& thread : threads) thread.join();
  if (progress.failure) std::rethrow_exception(progress.failure);
  summarise(kernel.program, progress.counts, statistics);
  if (launch.measure) {
    progress.measures->sort();
    statistics.measurement.add(summarise_measurement(kernel.program, *progress.plan, profile, progress.counts,
                                                     *progress.measures, *kernel.lines, *kernel.sources));
  }
  statistics.blocks += progress.begun.load();
  if (progress.fault && kernel.lines != nullptr) {
    const auto text_of = [&](int line) {
      const auto index = static_cast<std::size_t>(line);
      return line > 0 && index <= kernel.lines->size() ? (*kernel.lines)[index - 1] : std::string();
    };
    progress.fault->instruction = text_of(progress.fault->line);
    for (Fault::Event& event : progress.fault->related) event.instruction = text_of(event.line);
  }
  return progress.fault;
}

}  // namespace emulator
