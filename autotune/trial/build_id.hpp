// What a crew and its workers have in common.
#pragma once

#include <string_view>

namespace osdn::autotune {

/// A hash over the sources of generator, templates, runtime, reference and autotuner. A worker of another build may
/// write other kernels than those that are recorded, or speak otherwise, and no candidate is to blame for that.
[[nodiscard]] std::string_view build_id();

}  // namespace osdn::autotune
