// What the tests of bulk copies share: random tensor maps, and where their elements belong by plain arithmetic.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "machine.hpp"
#include "memory/tensor_map.hpp"

namespace emulator::test {

/// A map as a kernel's parameter.
struct alignas(64) MapParameter {
  std::array<std::byte, 128> bytes{};
};

inline MapParameter parameter_of(const TensorMap& map) {
  MapParameter result;
  std::memcpy(result.bytes.data(), &map, sizeof(map));
  return result;
}

/// Numbers of the driver's CUtensorMapDataType.
enum MapType : std::uint8_t {
  kU8 = 0,
  kU16 = 1,
  kU32 = 2,
  kS32 = 3,
  kF16 = 6,
  kF32 = 7,
  kF64 = 8,
  kBf16 = 9,
  kTf32 = 11
};

struct Tile {
  TensorMap map;
  std::array<std::int32_t, 5> at{};   ///< coordinates
  std::vector<std::uint32_t> extent;  ///< elements of the box that are copied, by dimension
  std::uint32_t element = 0;
  std::uint64_t tensor_bytes = 0;

  [[nodiscard]] std::uint32_t bytes() const {
    std::uint32_t result = element;
    for (const std::uint32_t each : extent) result *= each;
    return result;
  }

  /// Calls visit(number of the element in the box, whether the tensor has it, its byte in the tensor).
  template <class Visit>
  void each(Visit visit) const {
    std::uint32_t count = bytes() / element;
    for (std::uint32_t n = 0; n < count; ++n) {
      bool inside = true;
      std::uint64_t byte = 0;
      std::uint32_t rest = n;
      for (std::size_t i = 0; i < extent.size(); ++i) {
        const std::int64_t step = i == 0 ? 1 : map.element_strides[i];
        const std::int64_t c = at[i] + rest % extent[i] * step;
        rest /= extent[i];
        if (c < 0 || c >= static_cast<std::int64_t>(map.dims[i])) {
          inside = false;
          continue;
        }
        byte += static_cast<std::uint64_t>(c) * (i == 0 ? element : map.strides[i - 1]);
      }
      visit(n, inside, byte);
    }
  }

  /// Where byte `offset` of the packed box lies in shared memory when the box begins at `base`: the manual's pictures
  /// of the swizzles. 16-byte chunks of a row of 128, 64 or 32 bytes change places by the number of the row, of two
  /// rows, of four rows.
  [[nodiscard]] std::uint32_t place(std::uint32_t base, std::uint32_t offset) const {
    const std::uint32_t at_byte = base + offset;
    if (map.swizzle == 0) return at_byte;
    const std::uint32_t width = map.swizzle == 3 ? 128 : map.swizzle == 2 ? 64 : 32;
    const std::uint32_t chunks = width / 16;
    const std::uint32_t row = at_byte / width, chunk = at_byte % width / 16;
    const std::uint32_t other = row / (128 / width) % chunks;
    return row * width + (chunk ^ other) * 16 + at_byte % 16;
  }
};

/// A random tile of `rank` dimensions that a device would take, with boxes across the tensor's edges now and then.
inline Tile random_tile(std::mt19937_64& random, unsigned rank, std::uint8_t type, unsigned swizzle) {
  const auto below = [&](std::uint64_t n) { return random() % n; };
  Tile tile;
  TensorMap& map = tile.map;
  map.magic = TensorMap::kMagic;
  map.data_type = type;
  map.rank = static_cast<std::uint8_t>(rank);
  map.swizzle = static_cast<std::uint8_t>(swizzle);
  tile.element = tensor_element_bytes(type);
  std::uint32_t budget = 16384;
  for (unsigned i = 0; i < rank; ++i) {
    if (i == 0) {
      const std::uint32_t row = swizzle != 0 ? 16u << swizzle : 16u * static_cast<std::uint32_t>(1 + below(8));
      map.box[0] = static_cast<std::uint16_t>(row / tile.element);
      map.element_strides[0] = 1;
      budget /= row;
      map.dims[0] = map.box[0] / 2 + below(2 * map.box[0]) + 1;
    } else {
      map.element_strides[i] = static_cast<std::uint8_t>(below(4) == 0 ? 1 + below(3) : 1);
      const std::uint64_t most = std::min<std::uint64_t>(budget, i == 1 ? 64 : 6);
      const std::uint64_t taken = 1 + below(std::max<std::uint64_t>(most, 1));
      const std::uint64_t box = taken * map.element_strides[i] - below(map.element_strides[i]);
      map.box[i] = static_cast<std::uint16_t>(box);
      budget /= static_cast<std::uint32_t>(taken);
      map.dims[i] = 1 + below(2 * box + 1);
    }
    tile.extent.push_back((map.box[i] + map.element_strides[i] - 1u) / map.element_strides[i]);
    const auto wide = static_cast<std::int64_t>(map.dims[i] + map.box[i]);
    tile.at[i] =
        static_cast<std::int32_t>(static_cast<std::int64_t>(below(static_cast<std::uint64_t>(wide))) - map.box[i]);
    if (below(3) == 0) tile.at[i] = 0;
  }
  std::uint64_t bytes = map.dims[0] * tile.element;
  for (unsigned i = 1; i < rank; ++i) {
    bytes = (bytes + 15) / 16 * 16 + 16 * below(3);
    map.strides[i - 1] = bytes;
    bytes *= map.dims[i];
  }
  tile.tensor_bytes = bytes;
  return tile;
}

}  // namespace emulator::test
