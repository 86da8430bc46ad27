#include "runtime/tensor_maps.hpp"

#include <fmt/format.h>

#include <limits>

namespace osdn::runtime {
namespace {

constexpr std::int64_t element_bytes = 2;

// [tokens, heads, columns] in boxes of a chunk's tokens by the columns of a panel.
cuda::Result describe(const Driver& driver, int type, DevicePointer address, std::int64_t tokens, std::int64_t heads,
                      std::int64_t columns, TensorMap& map) {
  const auto length = [](std::int64_t n) { return static_cast<unsigned long long>(n); };
  const unsigned long long dimensions[] = {length(columns), length(heads), length(tokens)};
  const unsigned long long strides[] = {length(columns * element_bytes), length(heads * columns * element_bytes)};
  const unsigned int box[] = {64, 1, hopper_chunk};
  const unsigned int every[] = {1, 1, 1};
  return driver.tensor_map_encode_tiled(reinterpret_cast<cuda::TensorMap*>(&map), type, 3,
                                        reinterpret_cast<void*>(address), dimensions, strides, box, every,
                                        cuda::tensor_map_interleave_none, cuda::tensor_map_swizzle_128,
                                        cuda::tensor_map_promote_256, cuda::tensor_map_fill_zeros);
}

}  // namespace

expected<void> make_tensor_maps(const Driver& driver, const generator::Plan& plan, const ForwardArguments& a,
                                HopperMaps& maps) {
  const std::int64_t tokens = a.shape.b * a.shape.t;
  if (tokens == 0) return {};  // nothing is loaded
  const Problem& problem = plan.problem;
  if (driver.tensor_map_encode_tiled == nullptr) {
    return Error{
        ErrorCode::unsupported,
        fmt::format("{} has no cuTensorMapEncodeTiled, which schedule = hopper needs: choose schedule = portable "
                    "or install a driver of CUDA 12.0 or newer",
                    driver.library),
        ""};
  }
  // PTX ISA 9.7.9.27: coordinates are 32-bit, and the kernel counts up to a chunk beyond the last one;
  // cuTensorMapEncodeTiled: strides below 2^40.
  constexpr std::int64_t most_tokens = std::numeric_limits<std::int32_t>::max() - hopper_chunk;
  constexpr std::int64_t most_stride = std::int64_t{1} << 40;
  const std::int64_t row =
      a.shape.hv * problem.v > a.shape.h * problem.k ? a.shape.hv * problem.v : a.shape.h * problem.k;
  if (tokens > most_tokens || row * element_bytes >= most_stride) {
    return Error{ErrorCode::unsupported,
                 fmt::format("{} tokens of {} bytes a row are more than a tensor map describes ({} and less than {}): "
                             "choose schedule = portable or split the batch",
                             tokens, row * element_bytes, most_tokens, most_stride),
                 ""};
  }
  const int type = problem.type == ElementType::bf16 ? cuda::tensor_map_bfloat16 : cuda::tensor_map_float16;
  auto result = describe(driver, type, a.q, tokens, a.shape.h, problem.k, maps.q);
  if (result == cuda::success) result = describe(driver, type, a.k, tokens, a.shape.h, problem.k, maps.k);
  if (result == cuda::success) result = describe(driver, type, a.v, tokens, a.shape.hv, problem.v, maps.v);
  if (result != cuda::success) {
    Error error = driver.error(result, "describing q, k and v by tensor maps");
    error.message += "; schedule = portable does without them";
    return error;
  }
  return {};
}

}  // namespace osdn::runtime
