// A worker: the other side of a crew. It is told what to do in lines of JSON over one descriptor, and ends with its
// parent. docs/autotuning-measurement.md
#pragma once

#include <functional>

#include "generator/plan.hpp"

namespace osdn::autotune {

/// For tests: kernels that are broken on purpose.
struct WorkerHooks {
  /// `on_device`: it is about to be loaded, not only to be compiled.
  std::function<void(generator::Plan&, bool on_device)> edit_plan{};
};

/// Serves until the other side closes the descriptor (0) or says what it should not (2).
int run_worker(int descriptor, const WorkerHooks& hooks = {});

/// `main` of a worker program: argv is DESCRIPTOR PARENT_PID. Ends when the parent does, ignores SIGINT.
int worker_main(int argc, char** argv, const WorkerHooks& hooks = {});

}  // namespace osdn::autotune
