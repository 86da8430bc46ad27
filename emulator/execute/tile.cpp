#include "execute/tile.hpp"

#include <algorithm>

namespace emulator {
namespace {

constexpr std::uint32_t kChunk = 16;

/// Appends bytes that lie at `shared` before the swizzle, chunk by chunk where there is one.
void append(std::vector<BulkRun>& runs, const TensorMap& map, std::uint64_t global, std::uint32_t shared,
            std::uint32_t bytes) {
  while (bytes != 0) {
    const std::uint32_t here = map.swizzle == 0 ? bytes : std::min(bytes, kChunk - shared % kChunk);
    const BulkRun run{global, swizzled(map, shared), here};
    BulkRun* last = runs.empty() ? nullptr : &runs.back();
    const bool follows = last != nullptr && last->shared + last->bytes == run.shared &&
                         (last->global == 0 ? global == 0 : last->global + last->bytes == global);
    if (follows) {
      last->bytes += here;
    } else {
      runs.push_back(run);
    }
    shared += here;
    bytes -= here;
    if (global != 0) global += here;
  }
}

}  // namespace

std::uint32_t box_extent(const TensorMap& map, unsigned dimension) {
  const std::uint32_t step = dimension == 0 ? 1 : map.element_strides[dimension];
  return (map.box[dimension] + step - 1) / step;
}

std::uint64_t box_bytes(const TensorMap& map) {
  std::uint64_t bytes = tensor_element_bytes(map.data_type);
  for (unsigned i = 0; i < map.rank; ++i) bytes *= box_extent(map, i);
  return bytes;
}

std::uint32_t swizzled(const TensorMap& map, std::uint32_t address) {
  // Modes 1, 2 and 3: chunks within 32, 64 and 128 bytes, by as many bits from bit 7 on.
  const std::uint32_t mask = (1u << map.swizzle) - 1;
  return address ^ (address >> 7 & mask) << 4;
}

std::vector<BulkRun> box_runs(const TensorMap& map, const std::array<std::int32_t, 5>& coordinates,
                              std::uint32_t shared) {
  const std::uint32_t element = tensor_element_bytes(map.data_type);
  const std::uint32_t row = box_extent(map, 0);
  // Of a row the elements [first, behind) lie in the tensor.
  const std::int64_t left = coordinates[0], width = static_cast<std::int64_t>(map.dims[0]);
  const auto first = static_cast<std::uint32_t>(std::clamp<std::int64_t>(-left, 0, row));
  const auto behind = static_cast<std::uint32_t>(std::clamp<std::int64_t>(width - left, first, row));
  std::vector<BulkRun> runs;
  std::array<std::uint32_t, 5> index{};
  for (;;) {
    bool inside = first < behind;
    std::uint64_t global = map.address + static_cast<std::uint64_t>((left + first) * element);
    for (unsigned i = 1; i < map.rank; ++i) {
      const std::int64_t at = std::int64_t{coordinates[i]} + std::int64_t{index[i]} * map.element_strides[i];
      inside = inside && at >= 0 && at < static_cast<std::int64_t>(map.dims[i]);
      if (inside) global += static_cast<std::uint64_t>(at) * map.strides[i - 1];
    }
    if (inside) {
      append(runs, map, 0, shared, first * element);
      append(runs, map, global, shared + first * element, (behind - first) * element);
      append(runs, map, 0, shared + behind * element, (row - behind) * element);
    } else {
      append(runs, map, 0, shared, row * element);
    }
    shared += row * element;
    unsigned i = 1;
    while (i < map.rank && ++index[i] == box_extent(map, i)) index[i++] = 0;
    if (i >= map.rank) return runs;
  }
}

}  // namespace emulator
