#include "measure/model.hpp"

#include <algorithm>
#include <queue>

namespace emulator {
namespace {

constexpr std::uint64_t kSamples = 8;
constexpr std::size_t kScheduledBlocks = std::size_t{1} << 22;  // larger grids are taken to be even

unsigned round_up(unsigned value, unsigned step) {
  return (value + step - 1) / step * step;
}

/// Registers that a thread needs, from the rows that hold a warp's virtual ones.
unsigned estimate_registers(const Program& program, const Profile& profile, int max_threads) {
  const unsigned rows = program.register_bytes / 128;
  const unsigned cap =
      static_cast<unsigned>(profile.registers_per_block) / static_cast<unsigned>(std::max(max_threads, 1));
  return std::clamp(round_up(rows + 8, 8), 16u, std::clamp(cap / 8 * 8, 16u, 255u));
}

void limit(ModelPlan& plan, unsigned blocks, const char* what) {
  if (!plan.limited_by.empty() && blocks >= plan.resident) return;
  plan.resident = blocks;
  plan.limited_by = what;
}

void find_residency(ModelPlan& plan, const Program& program, const Launch& launch, const Profile& profile) {
  const unsigned threads = launch.block[0] * launch.block[1] * launch.block[2];
  const unsigned warps = (threads + kLanes - 1) / kLanes;
  limit(plan, static_cast<unsigned>(profile.blocks_per_multiprocessor), "blocks");
  limit(plan, static_cast<unsigned>(profile.threads_per_multiprocessor) / (warps * kLanes), "threads");
  // 1 KiB of each block's shared memory is the system's from compute capability 8.0 on.
  const std::size_t shared =
      program.static_shared + launch.dynamic_shared + (profile.major >= 8 ? std::size_t{1024} : 0);
  if (shared != 0) {
    limit(plan, static_cast<unsigned>(profile.shared_per_multiprocessor / shared), "shared memory");
  }
  // A warp's registers come in units of 256.
  const unsigned per_warp = round_up(plan.registers * kLanes, 256);
  limit(plan, static_cast<unsigned>(profile.registers_per_block) / (per_warp * warps), "registers");
  plan.resident = std::max(plan.resident, 1u);
}

/// Ticks of every block: of one that was not played those of the most similar one that was, in proportion.
std::uint64_t ticks_of(const BlockWork& work, const std::vector<BlockSample>& samples) {
  const auto distance = [&](const BlockSample& sample) {
    return sample.issued > work.issued ? sample.issued - work.issued : work.issued - sample.issued;
  };
  const BlockSample* best = nullptr;
  for (const BlockSample& sample : samples) {
    if (sample.block == work.block) return sample.simulated.ticks;
    if (best == nullptr || distance(sample) < distance(*best)) best = &sample;
  }
  if (best == nullptr || best->issued == 0) return work.issued * kTicks;
  return static_cast<std::uint64_t>(static_cast<double>(best->simulated.ticks) * static_cast<double>(work.issued) /
                                    static_cast<double>(best->issued));
}

/// Blocks go, in order, to whichever place on a multiprocessor is free first.
std::uint64_t makespan(const std::vector<BlockWork>& work, const std::vector<BlockSample>& samples,
                       std::size_t places) {
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> free;
  std::uint64_t end = 0;
  for (const BlockWork& block : work) {
    std::uint64_t begin = 0;
    if (free.size() >= places) {
      begin = free.top();
      free.pop();
    }
    const std::uint64_t done = begin + ticks_of(block, samples);
    free.push(done);
    end = std::max(end, done);
  }
  return end;
}

void find_uses(Modelled& out, const ModelPlan& plan, const std::vector<BlockSample>& samples) {
  double time = 0, issued = 0, matrix = 0, shared = 0;
  for (const BlockSample& sample : samples) {
    time += static_cast<double>(sample.simulated.ticks);
    issued += static_cast<double>(sample.simulated.issued) * kTicks;
    matrix += static_cast<double>(sample.simulated.matrix_ticks);
    shared += static_cast<double>(sample.simulated.shared_ticks);
  }
  if (time == 0) return;
  out.issue_use = issued * plan.copies / (time * kSchedulers);
  out.matrix_use = matrix * plan.copies / (time * kSchedulers);
  out.shared_use = shared * plan.copies / time;
}

std::string bound(const Modelled& out) {
  constexpr double much = 0.6;
  if (out.memory_seconds >= out.multiprocessor_seconds && out.memory_seconds >= out.l2_seconds)
    return "memory bandwidth";
  if (out.l2_seconds >= out.multiprocessor_seconds) return "L2 bandwidth";
  if (std::max({out.issue_use, out.matrix_use, out.shared_use}) < much) return "latency";
  if (out.matrix_use >= std::max(out.issue_use, out.shared_use)) return "tensor cores";
  return out.shared_use >= out.issue_use ? "shared memory" : "instruction issue";
}

}  // namespace

bool ModelPlan::sampled(std::uint64_t block) const {
  return block < traced || (block % step == 0 && block / step < kSamples);
}

ModelPlan plan_model(const Program& program, const Launch& launch, const Profile& profile, int max_threads) {
  ModelPlan plan;
  plan.timing = timing_of(profile);
  plan.order = order_statically(program, plan.timing);
  plan.combinations = find_combinations(program, plan.order.stretch);
  plan.blocks = std::uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
  plan.registers_estimated = launch.registers <= 0;
  plan.registers = plan.registers_estimated ? estimate_registers(program, profile, max_threads)
                                            : static_cast<unsigned>(launch.registers);
  find_residency(plan, program, launch, profile);
  const auto multiprocessors = static_cast<unsigned>(profile.multiprocessors);
  plan.copies = static_cast<unsigned>(
      std::min<std::uint64_t>(plan.resident, (plan.blocks + multiprocessors - 1) / multiprocessors));
  plan.step = std::max<std::uint64_t>(1, plan.blocks / kSamples);
  plan.traced = launch.trace_blocks;
  return plan;
}

Modelled model(const ModelPlan& plan, const Profile& profile, const std::vector<BlockWork>& work,
               const std::vector<BlockSample>& samples, const Touched& touched, std::uint64_t sectors) {
  Modelled out;
  const double clock = 1e3 * profile.clock_khz;
  const auto places = static_cast<std::size_t>(plan.resident) * static_cast<unsigned>(profile.multiprocessors);
  double ticks = 0;
  if (work.size() <= kScheduledBlocks) {
    ticks = static_cast<double>(makespan(work, samples, places));
  } else {
    const std::size_t waves = (work.size() + places - 1) / places;
    ticks = static_cast<double>(ticks_of(work[work.size() / 2], samples)) * static_cast<double>(waves);
  }
  out.multiprocessor_seconds = ticks / kTicks / clock;
  // Each sector once: blocks that run at a time mostly ask for the same ones, so what they ask again is still there.
  out.memory_bytes = 32 * (touched.read_sectors() + touched.written_sectors());
  out.memory_seconds =
      static_cast<double>(out.memory_bytes) / (profile.memory_bytes_per_second * plan.timing.memory_efficiency);
  out.l2_seconds = 32.0 * static_cast<double>(sectors) / (clock * plan.timing.l2_bytes_per_cycle);
  out.seconds = plan.timing.launch_seconds + std::max({out.multiprocessor_seconds, out.memory_seconds, out.l2_seconds});
  out.longest_seconds = out.seconds;
  out.registers = plan.registers;
  out.registers_estimated = plan.registers_estimated;
  out.blocks_per_multiprocessor = plan.resident;
  out.limited_by = plan.limited_by;
  out.waves = static_cast<double>(plan.blocks) / static_cast<double>(places);
  find_uses(out, plan, samples);
  out.bound_by = bound(out);
  return out;
}

}  // namespace emulator
