// Host memory that devices may touch: pinned, registered and managed.
#pragma once

#include "driver/entry.hpp"

namespace emulator {

/// Undoes what made the memory accessible to the devices, and unmaps it where the driver had mapped it.
void release_host(Driver& state, const Allocation& allocation);

/// Fresh poisoned host memory, accessible to all devices. Throws CUDA_ERROR_OUT_OF_MEMORY.
std::uint64_t allocate_host(Context& context, std::size_t bytes, unsigned flags, Allocation::Kind kind);

}  // namespace emulator
