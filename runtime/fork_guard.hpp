// What a process may do that was forked from one that had initialised the CUDA driver: nothing. Contexts, and the
// threads of the driver and of the emulator, do not come along (CUDA C++ Programming Guide, "Multi-process": a child of
// fork cannot use CUDA that its parent had initialised), and calls fail with names that do not tell why, or never
// return.
#pragma once

#include "osdn/error.hpp"

namespace osdn::runtime {

/// From now on a child of fork knows that it is one. Called once the driver is initialised.
void watch_for_forks();

/// One relaxed load: the launch path asks, too.
[[nodiscard]] bool forked();

/// unsupported, with what to do in place of it.
[[nodiscard]] Error after_fork();

}  // namespace osdn::runtime
