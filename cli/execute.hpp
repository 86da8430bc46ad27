// Running one case on a target.
#pragma once

#include <vector>

#include "cli/profile.hpp"
#include "cli/target.hpp"
#include "osdn/config.hpp"
#include "osdn/engine.hpp"
#include "reference/case.hpp"

namespace osdn::cli {

struct Execution {
  reference::Outputs outputs;
  Config config;                      ///< of the kernels
  std::vector<KernelReport> kernels;  ///< none from the reference
  SourceTexts sources;                ///< of the kernels' plan
  std::size_t workspace_bytes = 0;
  std::size_t device_bytes = 0;  ///< allocated at the same time: inputs, outputs and workspace
  double seconds = 0;            ///< of the launch until it was done, on the host's clock
};

/// Outputs and workspace hold NaNs before the launch: what a kernel does not write shows.
expected<Execution> execute(Target& target, const TargetOptions& options, const reference::Case& problem);

}  // namespace osdn::cli
