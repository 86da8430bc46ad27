// The tensor maps that the Hopper kernels load q, k and v through: made by the host at each launch, no allocation.
#pragma once

#include "osdn/error.hpp"
#include "runtime/call.hpp"
#include "runtime/driver.hpp"
#include "templates/hopper/layout.cuh"

namespace osdn::runtime {

/// Errors: unsupported, where the driver makes no tensor maps or none can describe these tensors; driver.
expected<void> make_tensor_maps(const Driver& driver, const Call& call, HopperMaps& maps);

}  // namespace osdn::runtime
