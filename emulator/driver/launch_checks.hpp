// What a launch may ask for. What it may not is told in words, on stderr and through osdn_emulator_last_fault, beside
// the error that a real driver returns.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "driver/module.hpp"

namespace emulator {

/// Says why and throws `code`. `kernel` may be empty when it is not known.
[[noreturn]] void refuse_launch(const std::string& kernel, CUresult code, const std::string& why);

/// The function behind a handle, which must be of this context and its module still loaded.
std::shared_ptr<Function> launchable_function(CUfunction handle, const ContextPtr& context);

/// Grid, block and shared memory against the device's limits and the kernel's own.
void check_geometry(const Function& function, const Device& device, const std::array<unsigned, 3>& grid,
                    const std::array<unsigned, 3>& block, std::size_t dynamic_shared);

/// The parameters, from an array of pointers or from the buffer that `extra` describes.
std::vector<std::byte> pack_parameters(const Kernel& kernel, void** parameters, void** extra);

}  // namespace emulator
