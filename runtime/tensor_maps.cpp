#include "runtime/tensor_maps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace osdn::runtime {
namespace {

constexpr std::int64_t element_bytes = 2;

std::int64_t batch_stride(const RowLayout& rows) {
  return rows.batch > 1 ? rows.strides.batch : rows.strides.token;  // of one entry nobody takes a step
}

// [batch, tokens, heads, columns] in boxes of a chunk's tokens by the columns of a panel. Strides need not grow from
// axis to axis.
cuda::Result describe(const Driver& driver, int type, DevicePointer address, const RowLayout& rows, TensorMap& map) {
  const auto length = [](std::int64_t n) { return static_cast<unsigned long long>(n); };
  const unsigned long long dimensions[] = {length(rows.row), length(rows.heads), length(rows.tokens),
                                           length(rows.batch)};
  const unsigned long long strides[] = {length(rows.strides.head * element_bytes),
                                        length(rows.strides.token * element_bytes),
                                        length(batch_stride(rows) * element_bytes)};
  const unsigned int box[] = {64, 1, hopper_chunk, 1};
  const unsigned int every[] = {1, 1, 1, 1};
  return driver.tensor_map_encode_tiled(reinterpret_cast<cuda::TensorMap*>(&map), type, 4,
                                        reinterpret_cast<void*>(address), dimensions, strides, box, every,
                                        cuda::tensor_map_interleave_none, cuda::tensor_map_swizzle_128,
                                        cuda::tensor_map_promote_256, cuda::tensor_map_fill_zeros);
}

// PTX ISA 9.7.9.27: coordinates are 32-bit, and the kernel counts up to a chunk beyond the last one;
// cuTensorMapEncodeTiled: strides below 2^40 bytes, and no row may begin within the one before it.
expected<void> check_rows(const char* name, const RowLayout& rows) {
  constexpr std::int64_t most_tokens = std::numeric_limits<std::int32_t>::max() - hopper_chunk;
  constexpr std::int64_t most_stride = (std::int64_t{1} << 40) / element_bytes;
  const Strides& s = rows.strides;
  const std::int64_t longest = std::max({batch_stride(rows), s.token, s.head});
  const auto unsupported = [&](const std::string& what) {
    return Error{ErrorCode::unsupported,
                 fmt::format("{}: {}: choose schedule = portable or split the batch", name, what), ""};
  };
  if (rows.tokens > most_tokens || rows.batch > most_tokens) {
    return unsupported(fmt::format("a tensor map counts at most {} tokens and batch entries, not {} and {}",
                                   most_tokens, rows.tokens, rows.batch));
  }
  if (longest >= most_stride) {
    return unsupported(fmt::format("the strides of a tensor map are below {} elements, not {}", most_stride, longest));
  }
  if (s.head < rows.row) {
    return unsupported(fmt::format("heads {} elements apart overlap, which a tensor map cannot describe", s.head));
  }
  return {};
}

}  // namespace

expected<void> make_tensor_maps(const Driver& driver, const Call& call, HopperMaps& maps) {
  const ForwardArguments& a = call.arguments;
  const RowLayouts& rows = call.rows;
  if (a.shape.b * a.shape.t == 0) return {};  // nothing is loaded
  if (driver.tensor_map_encode_tiled == nullptr) {
    return Error{
        ErrorCode::unsupported,
        fmt::format("{} has no cuTensorMapEncodeTiled, which schedule = hopper needs: choose schedule = portable "
                    "or install a driver of CUDA 12.0 or newer",
                    driver.library),
        ""};
  }
  for (const auto& [name, layout] : {std::pair("q", &rows.q), std::pair("k", &rows.k), std::pair("v", &rows.v)}) {
    if (auto good = check_rows(name, *layout); !good) return good;
  }
  const int type = call.plan.problem.type == ElementType::bf16 ? cuda::tensor_map_bfloat16 : cuda::tensor_map_float16;
  auto result = describe(driver, type, a.q, rows.q, maps.q);
  if (result == cuda::success) result = describe(driver, type, a.k, rows.k, maps.k);
  if (result == cuda::success) result = describe(driver, type, a.v, rows.v, maps.v);
  if (result != cuda::success) {
    Error error = driver.error(result, "describing q, k and v by tensor maps");
    error.message += "; schedule = portable does without them";
    return error;
  }
  return {};
}

}  // namespace osdn::runtime
