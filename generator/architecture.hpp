// What the generator must know of a GPU to plan for it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "osdn/error.hpp"

namespace osdn::generator {

struct Architecture {
  int number = 80;                            ///< compute capability as one number: 80, 90, 120 …
  std::size_t shared_per_block = 163 * 1024;  ///< bytes a CTA may have, opt-in included
  std::size_t shared_per_multiprocessor = 164 * 1024;
  int multiprocessors = 108;

  friend bool operator==(const Architecture&, const Architecture&) = default;
};

/// `sm_80`, `80`, `sm_90a`, `compute_80` … Errors: unsupported below sm_80 (no cp.async, no bf16 mma) and for
/// architectures that are not known, naming what is.
expected<Architecture> find_architecture(std::string_view name);

/// `sm_80`
[[nodiscard]] std::string to_string(const Architecture& architecture);

}  // namespace osdn::generator
