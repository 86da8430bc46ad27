// Tensor maps: checked as the driver checks them, and stored for the copy instructions to read.
#include "memory/tensor_map.hpp"

#include <cstring>

#include "driver/entry.hpp"

namespace emulator {
namespace {

constexpr std::uint64_t kMaxDim = std::uint64_t{1} << 32;
constexpr std::uint64_t kMaxStride = std::uint64_t{1} << 40;
constexpr std::uint32_t kMaxBox = 256;

std::uint64_t swizzle_bytes(CUtensorMapSwizzle swizzle) {
  switch (swizzle) {
    case CU_TENSOR_MAP_SWIZZLE_32B:
      return 32;
    case CU_TENSOR_MAP_SWIZZLE_64B:
      return 64;
    case CU_TENSOR_MAP_SWIZZLE_128B:
      return 128;
    default:
      return UINT64_MAX;
  }
}

void check_enumerations(CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                        CUtensorMapFloatOOBfill fill) {
  require(interleave <= CU_TENSOR_MAP_INTERLEAVE_32B && promotion <= CU_TENSOR_MAP_L2_PROMOTION_L2_256B);
  require(fill <= CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA);
  require(swizzle <= CU_TENSOR_MAP_SWIZZLE_128B, CUDA_ERROR_NOT_SUPPORTED);
}

void check_tile(const TensorMap& map, CUtensorMapSwizzle swizzle) {
  const std::uint64_t element = tensor_element_bytes(map.data_type);
  const bool interleaved = map.interleave != CU_TENSOR_MAP_INTERLEAVE_NONE;
  const std::uint64_t alignment = map.interleave == CU_TENSOR_MAP_INTERLEAVE_32B ? 32 : 16;
  require(!interleaved || map.rank >= 3);
  require(map.address != 0 && map.address % alignment == 0);
  std::uint64_t row = map.dims[0] * element;
  for (unsigned i = 0; i < map.rank; ++i) {
    require(map.dims[i] > 0 && map.dims[i] <= kMaxDim);
    require(map.box[i] > 0 && map.element_strides[i] >= 1 && map.element_strides[i] <= 8);
    if (i == 0) continue;
    const std::uint64_t stride = map.strides[i - 1];
    require(stride % alignment == 0 && stride < kMaxStride && stride >= (i == 1 && !interleaved ? row : 0));
    row = stride;
  }
  const std::uint64_t inner = map.box[0] * element;
  if (!interleaved) require(inner % 16 == 0 && inner <= swizzle_bytes(swizzle));
  if (map.interleave == CU_TENSOR_MAP_INTERLEAVE_32B) require(swizzle == CU_TENSOR_MAP_SWIZZLE_32B);
}

}  // namespace

CUresult cuTensorMapEncodeTiled(CUtensorMap* out, CUtensorMapDataType type, uint32_t rank, void* address,
                                const uint64_t* dims, const uint64_t* strides, const uint32_t* box,
                                const uint32_t* element_strides, CUtensorMapInterleave interleave,
                                CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion,
                                CUtensorMapFloatOOBfill fill) {
  return entry([&] {
    driver();
    require(out != nullptr && reinterpret_cast<std::uintptr_t>(out) % 64 == 0);
    require(rank >= 1 && rank <= 5 && dims != nullptr && box != nullptr && element_strides != nullptr);
    require(rank == 1 || strides != nullptr);
    require(type <= CU_TENSOR_MAP_DATA_TYPE_TFLOAT32_FTZ, CUDA_ERROR_NOT_SUPPORTED);
    check_enumerations(interleave, swizzle, promotion, fill);
    TensorMap map;
    map.magic = TensorMap::kMagic;
    map.data_type = static_cast<std::uint8_t>(type);
    map.rank = static_cast<std::uint8_t>(rank);
    map.interleave = static_cast<std::uint8_t>(interleave);
    map.swizzle = static_cast<std::uint8_t>(swizzle);
    map.address = reinterpret_cast<std::uint64_t>(address);
    map.fill_nan = fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA ? 1 : 0;
    for (uint32_t i = 0; i < rank; ++i) {
      require(box[i] <= kMaxBox && element_strides[i] <= 8);
      map.dims[i] = dims[i];
      map.box[i] = static_cast<std::uint16_t>(box[i]);
      map.element_strides[i] = static_cast<std::uint8_t>(element_strides[i]);
      if (i > 0) map.strides[i - 1] = strides[i - 1];
    }
    check_tile(map, swizzle);
    *out = CUtensorMap{};
    std::memcpy(out, &map, sizeof(map));
  });
}

CUresult cuTensorMapReplaceAddress(CUtensorMap* out, void* address) {
  return entry([&] {
    driver();
    require(out != nullptr && address != nullptr);
    TensorMap map;
    std::memcpy(static_cast<void*>(&map), out, sizeof(map));
    require(map.magic == TensorMap::kMagic);
    const std::uint64_t alignment = map.interleave == CU_TENSOR_MAP_INTERLEAVE_32B ? 32 : 16;
    map.address = reinterpret_cast<std::uint64_t>(address);
    require(map.address % alignment == 0);
    std::memcpy(out, &map, sizeof(map));
  });
}

}  // namespace emulator
