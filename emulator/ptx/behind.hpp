// Where a thread can only be when it is done with a barrier.
#pragma once

#include <cstdint>
#include <vector>

#include "ptx/decoder.hpp"

namespace emulator::ptx {

/// For each of the instructions `barriers` the nearest instruction that every way from it to the end comes by and from
/// which no way leads back to it; kNoTarget when there is none but the end itself.
std::vector<std::uint32_t> behind(const std::vector<Draft>& drafts, const std::vector<std::uint32_t>& barriers);

}  // namespace emulator::ptx
