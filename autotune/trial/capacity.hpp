// How many compilations this machine holds at a time.
#pragma once

#include <cstdint>
#include <string>

namespace osdn::autotune {

/// Bytes that may be taken before the system, or the container's limit, takes them back by force; 0: not told. `root`
/// stands before /proc and /sys.
[[nodiscard]] std::uint64_t available_memory(const std::string& root = {});

/// One per core, as far as half of the memory allows; at least one.
[[nodiscard]] int compilers_that_fit(int cores, std::uint64_t available_bytes);

}  // namespace osdn::autotune
