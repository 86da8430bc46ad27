#include "autotune/trial/candidate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "generator/text.hpp"
#include "runtime/loaded_kernel.hpp"

namespace osdn::autotune {
namespace {

// Registers are handed to warps in units of 256 (8 a thread), and a block has at most 64 Ki of them: CUDA C++
// Programming Guide, "Hardware Multithreading" and "Technical Specifications per Compute Capability", 8.0 to 12.x.
constexpr int registers_per_block = 65536;
constexpr int register_unit = 256;
constexpr int warp_threads = 32;

int allocated_registers(const KernelReport& kernel) {
  const int warps = (kernel.threads + warp_threads - 1) / warp_threads;
  const int per_warp = (kernel.registers * warp_threads + register_unit - 1) / register_unit * register_unit;
  return warps * per_warp;
}

runtime::CompilerOptions compiler_options(const Setup& setup, LogCallback log) {
  runtime::CompilerOptions options;
  options.nvrtc = runtime::default_nvrtc_search(setup.engine.nvrtc_library);
  options.driver_version = setup.driver_version;
  options.disk_cache = setup.engine.disk_cache;
  options.cache.directory = setup.engine.cache_directory;
  options.threads = 1;
  options.log = runtime::Log(std::move(log));
  return options;
}

}  // namespace

expected<generator::Plan> plan_of(const Problem& problem, const Config& config,
                                  const generator::Architecture& architecture, const WorkerHooks& hooks,
                                  bool on_device) {
  auto plan = generator::plan(problem, config, architecture);
  if (plan && hooks.edit_plan) hooks.edit_plan(*plan, on_device);
  return plan;
}

Verdict verdict_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::unsupported:
    case ErrorCode::constraint:
    case ErrorCode::compile_failed:
      return {Outcome::refused, one_line(error.message)};
    case ErrorCode::driver:
      // A kernel that runs too long is ended by the emulator, and by drivers of devices that also draw a screen.
      if (error.message.find("CUDA_ERROR_LAUNCH_TIMEOUT") != std::string::npos) {
        return {Outcome::hung, one_line(error.message)};
      }
      return {Outcome::faulted, one_line(error.message)};
    // No memory, which others hold (but see verdict_of_workspace), no NVRTC, a reference that refuses the problem:
    // not the candidate's doing.
    default:
      return {Outcome::died, one_line(error.message), true};
  }
}

Verdict verdict_of_workspace(const Error& error, std::size_t bytes, std::size_t device_bytes) {
  constexpr std::size_t much = 4;  // one in so many bytes of the device
  if (error.code != ErrorCode::out_of_memory || bytes < device_bytes / much) return verdict_of(error);
  return {Outcome::faulted, fmt::format("its workspace of {} bytes does not fit beside the inputs into the device's {}",
                                        generator::grouped(bytes), generator::grouped(device_bytes))};
}

std::string broken_limit(const std::vector<KernelReport>& reports, const generator::Architecture& architecture) {
  for (const KernelReport& kernel : reports) {
    const int registers = allocated_registers(kernel);
    if (registers > registers_per_block) {
      return fmt::format("{} takes {} registers: {} threads of {} each, rounded as they are allocated; a block has {}",
                         kernel.phase, generator::grouped(static_cast<std::uint64_t>(registers)), kernel.threads,
                         kernel.registers, generator::grouped(registers_per_block));
    }
    const std::size_t shared = kernel.static_shared_bytes + kernel.dynamic_shared_bytes;
    if (shared > architecture.shared_per_block) {
      return fmt::format("{} takes {} bytes of shared memory ({} of them its own); {} allows {}", kernel.phase,
                         generator::grouped(shared), generator::grouped(kernel.static_shared_bytes),
                         generator::to_string(architecture), generator::grouped(architecture.shared_per_block));
    }
  }
  return {};
}

Resources resources_of(const std::vector<KernelReport>& reports, std::size_t workspace_bytes) {
  Resources all;
  all.workspace_bytes = workspace_bytes;
  for (const KernelReport& kernel : reports) {
    all.registers = std::max(all.registers, kernel.registers);
    all.spill_bytes += kernel.spill_bytes;
    all.shared_bytes = std::max(all.shared_bytes, kernel.static_shared_bytes + kernel.dynamic_shared_bytes);
    all.threads += kernel.threads;
    all.compile_ms += kernel.compile_ms;
  }
  return all;
}

CandidateCompiler::CandidateCompiler(const Setup& setup, const WorkerHooks& hooks, LogCallback log)
    : setup_(setup), hooks_(hooks), compiler_(compiler_options(setup, std::move(log))) {}

Compiled CandidateCompiler::compile(const Config& config) {
  auto plan = plan_of(setup_.problem, config, setup_.architecture, hooks_, false);
  if (!plan) return {verdict_of(plan.error()), {}};
  std::vector<KernelReport> reports;
  for (const generator::KernelPlan& kernel : plan->kernels) {
    const auto input = runtime::compile_input(kernel, generator::to_string(plan->architecture));
    auto compiled = compiler_.compile(input);
    if (!compiled) return {verdict_of(compiled.error()), {}};
    reports.push_back(runtime::kernel_report(kernel, *compiled, compiled->kernel.cubin.size()));
  }
  Compiled out;
  out.resources = resources_of(reports, plan->workspace(setup_.shape).bytes);
  out.verdict.reason = broken_limit(reports, setup_.architecture);
  if (!out.verdict.reason.empty()) out.verdict.outcome = Outcome::refused;
  return out;
}

}  // namespace osdn::autotune
