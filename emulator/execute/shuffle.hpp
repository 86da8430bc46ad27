// From which lane shfl.sync takes its value (PTX ISA 9.7.9.6).
#pragma once

#include "execute/operations.hpp"

namespace emulator {
namespace {  // internal: handlers are compiled once per instruction set of the host

/// True when that lane lies within the segment that `c` describes; else the lane keeps its own value.
inline bool shuffle_source(ShuffleMode mode, std::uint32_t lane, std::uint32_t b, std::uint32_t c,
                           std::uint32_t& from) {
  const std::uint32_t amount = b & 31u;
  const std::uint32_t segment = (c >> 8) & 31u;
  const std::uint32_t last = (lane & segment) | (c & 31u & ~segment);
  bool valid = false;
  switch (mode) {
    case ShuffleMode::up:
      from = lane - amount;
      valid = static_cast<std::int32_t>(from) >= static_cast<std::int32_t>(last);
      break;
    case ShuffleMode::down:
      from = lane + amount;
      valid = from <= last;
      break;
    case ShuffleMode::bfly:
      from = lane ^ amount;
      valid = from <= last;
      break;
    case ShuffleMode::idx:
      from = (lane & segment) | (amount & ~segment);
      valid = from <= last;
      break;
  }
  if (!valid) from = lane;
  from &= 31u;
  return valid;
}

}  // namespace
}  // namespace emulator
