// A worker: the other side of a crew. It is told what to do in lines of JSON over one descriptor, and ends with its
// parent. docs/autotuning-measurement.md
#pragma once

#include <signal.h>

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

/// Signals that a whole group of processes gets, from a terminal, a time limit or a batch system: for a worker they are
/// blocked, for what becomes of it is its parent's to say. Ignoring them is not enough: NVRTC handles signals while it
/// compiles.
[[nodiscard]] sigset_t signals_of_groups();

/// `main` of a worker program: argv is DESCRIPTOR PARENT_PID. Ends when the parent does.
int worker_main(int argc, char** argv, const WorkerHooks& hooks = {});

}  // namespace osdn::autotune
