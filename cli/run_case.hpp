// One case through an Engine: what a caller would write, with every output poisoned first.
#pragma once

#include <cstddef>
#include <optional>

#include "osdn/engine.hpp"
#include "reference/case.hpp"

namespace osdn::cli {

/// Where a pass writes its final states.
enum class FinalStates {
  none,      ///< nowhere: they come back empty
  apart,     ///< into memory of their own
  in_place,  ///< over the initial ones, where there are some
};

struct RunOptions {
  FinalStates final_states = FinalStates::apart;
  std::optional<IndexType> index_type{};  ///< of cu_seqlens; none: as the case has it
};

struct CaseRun {
  reference::Outputs outputs;
  std::size_t workspace_bytes = 0;
  std::size_t device_bytes = 0;  ///< allocated at the same time: inputs, outputs and workspace
  double seconds = 0;            ///< of the launch until it was done, on the host's clock
};

/// Outputs and workspace hold NaNs before the launch: what a kernel does not write shows. Decoding steps run in place,
/// on scattered slots, with padding among their sequences, whatever the options say.
expected<CaseRun> run_case(Engine& engine, const PreparedOperation& operation, const reference::Case& problem,
                           const RunOptions& options = {});

}  // namespace osdn::cli
