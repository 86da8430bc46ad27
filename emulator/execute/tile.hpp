// Which bytes a tensor copy moves: the box of a tensor map at some coordinates, and where its elements lie in shared
// memory (PTX ISA 5.5, tensors; 5.5.7, swizzling).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "memory/tensor_map.hpp"

namespace emulator {

/// Bytes that lie one behind the other on both sides. `global` 0: no element of the tensor is there.
struct BulkRun {
  std::uint64_t global = 0;
  std::uint32_t shared = 0;
  std::uint32_t bytes = 0;
};

/// Elements of the box along one dimension: every element_strides-th one. The innermost dimension takes all, as the
/// driver API says of maps that are not interleaved.
std::uint32_t box_extent(const TensorMap& map, unsigned dimension);

/// Bytes of the box in shared memory, filled ones included.
std::uint64_t box_bytes(const TensorMap& map);

/// An address in shared memory with the map's swizzle: chunks of 16 bytes change places within 32, 64 or 128 bytes, by
/// the bits of the address above. So the pattern is one of the address, wherever the box begins.
std::uint32_t swizzled(const TensorMap& map, std::uint32_t address);

/// The box at `coordinates` (dimension 0 first), which begins at `shared`.
std::vector<BulkRun> box_runs(const TensorMap& map, const std::array<std::int32_t, 5>& coordinates,
                              std::uint32_t shared);

}  // namespace emulator
