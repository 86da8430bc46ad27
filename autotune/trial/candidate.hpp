// A candidate on its way to machine code, inside a worker.
#pragma once

#include <memory>
#include <vector>

#include "autotune/laboratory.hpp"
#include "autotune/trial/messages.hpp"
#include "autotune/trial/worker.hpp"
#include "runtime/compiler.hpp"

namespace osdn::autotune {

/// The plan of a candidate, with the worker's edits. Errors: those of generator::plan.
expected<generator::Plan> plan_of(const Problem& problem, const Config& config,
                                  const generator::Architecture& architecture, const WorkerHooks& hooks,
                                  bool on_device);

/// What an error on the way to loaded kernels says of the candidate.
[[nodiscard]] Verdict verdict_of(const Error& error);
/// Likewise when its workspace could not be had: the candidate is to blame where it asks for much of the device's
/// memory, and others who hold that memory are where it does not.
[[nodiscard]] Verdict verdict_of_workspace(const Error& error, std::size_t bytes, std::size_t device_bytes);

/// Limits that show only after compilation: a sentence with the numbers; empty: all fits. `reports` of the plan's
/// kernels.
[[nodiscard]] std::string broken_limit(const std::vector<KernelReport>& reports,
                                       const generator::Architecture& architecture);

[[nodiscard]] Resources resources_of(const std::vector<KernelReport>& reports, std::size_t workspace_bytes);

/// Compiles without a device, through the compile cache.
class CandidateCompiler {
 public:
  CandidateCompiler(const Setup& setup, const WorkerHooks& hooks, LogCallback log);
  Compiled compile(const Config& config);

 private:
  Setup setup_;
  const WorkerHooks& hooks_;
  runtime::Compiler compiler_;
};

}  // namespace osdn::autotune
