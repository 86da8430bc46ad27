// The calling thread's stack of current contexts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "driver/entries.hpp"

namespace emulator {

/// The stack's top is its last element. A context that is destroyed stays in it, as on a real device.
std::vector<CUcontext>& context_stack();

/// Null when there is none.
inline CUcontext current_handle() {
  return context_stack().empty() ? nullptr : context_stack().back();
}

/// Makes all devices another architecture: see osdn_emulator_set_profile.
CUresult use_architecture(const std::string& name);

/// See osdn_emulator_set_seed.
void use_seed(std::uint64_t seed);

/// See osdn_emulator_set_perturb.
void use_perturbation(bool on);

}  // namespace emulator
