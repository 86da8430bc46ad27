// What cuTensorMapEncodeTiled stores in a CUtensorMap, for the copy instructions that read it.
#pragma once

#include <array>
#include <cstdint>

namespace emulator {

/// A tile of a tensor in global memory. Dimension 0 is the innermost. Fits the 128 bytes of a CUtensorMap.
struct TensorMap {
  static constexpr std::uint32_t kMagic = 0x50414D54;  ///< "TMAP": anything else was never encoded
  std::uint32_t magic = 0;
  std::uint8_t data_type = 0;  ///< CUtensorMapDataType
  std::uint8_t rank = 0;
  std::uint8_t interleave = 0;
  std::uint8_t swizzle = 0;
  /// CuTe clears bit 21 of the second word of a real driver's encoding (copy_traits_sm90_tma.hpp, for small tensors and
  /// drivers up to 13.1), so nothing lies here.
  std::uint64_t unused = 0;
  std::uint64_t address = 0;
  std::array<std::uint64_t, 5> dims{};     ///< elements
  std::array<std::uint64_t, 4> strides{};  ///< bytes, of dimensions 1 and up
  std::array<std::uint16_t, 5> box{};      ///< elements
  std::array<std::uint8_t, 5> element_strides{};
  std::uint8_t fill_nan = 0;
};
static_assert(sizeof(TensorMap) <= 128);

/// Bytes of one element; 0 for a type that is not known.
constexpr std::uint32_t tensor_element_bytes(std::uint8_t data_type) {
  constexpr std::array<std::uint8_t, 13> bytes{1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  return data_type < bytes.size() ? bytes[data_type] : 0;
}

}  // namespace emulator
