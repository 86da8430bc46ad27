// Tiles of global tensors by the copy engine. PTX ISA: cp.async.bulk.tensor (9.7.9.27), tensor maps (5.5).
#pragma once

#include "device/copy.cuh"
#include "device/mbarrier.cuh"

namespace osdn {

/// Loads the box at (x, y, z, w), x innermost, and counts its bytes on the barrier. One thread issues it. `map` is a
/// CUtensorMap among the kernel's parameters.
inline void load_box(void* shared, const void* map, int x, int y, int z, int w, Mbarrier& barrier) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], "
      "[%1, {%2, %3, %4, %5}], [%6];"
      :
      : "r"(shared_address(shared)), "l"(map), "r"(x), "r"(y), "r"(z), "r"(w), "r"(shared_address(&barrier))
      : "memory");
}

/// Orders this thread's ordinary accesses to shared memory before what the copy engine and wgmma do to it afterwards
/// (PTX ISA 9.7.13.4, fence.proxy.async).
inline void fence_async_proxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

}  // namespace osdn
