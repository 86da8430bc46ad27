// A kernel launch: checked when it is made, run when its stream comes to it.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "driver/module.hpp"
#include "driver/submit.hpp"

namespace emulator {

struct KernelCall {
  std::shared_ptr<Function> function;
  std::array<unsigned, 3> grid{1, 1, 1};
  std::array<unsigned, 3> block{1, 1, 1};
  unsigned dynamic_shared = 0;
  bool cooperative = false;           ///< its blocks may wait for each other
  std::vector<std::byte> parameters;  ///< packed

  // What cuGraphKernelNodeGetParams points at: each parameter inside the packed buffer.
  std::vector<void*> pointers;
};

/// Checks the launch against the device's limits and copies the parameters. Throws what a driver returns.
std::shared_ptr<KernelCall> make_call(const ContextPtr& context, CUfunction function, std::array<unsigned, 3> grid,
                                      std::array<unsigned, 3> block, unsigned dynamic_shared, void** parameters,
                                      void** extra);

Task kernel_task(std::shared_ptr<KernelCall> call);

}  // namespace emulator
