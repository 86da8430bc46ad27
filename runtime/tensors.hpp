// The tensors of a launch as data: names, addresses, sizes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "osdn/arguments.hpp"
#include "runtime/call.hpp"

namespace osdn::runtime {

struct Tensor {
  const char* name;
  DevicePointer address;
  std::uint64_t dense_bytes;  ///< of one without strides
  std::size_t alignment;
  bool written;
  const RowLayout* rows = nullptr;  ///< of one with strides, which lies in the Call

  /// From the first to the last, gaps between rows included.
  [[nodiscard]] std::uint64_t bytes() const { return rows != nullptr ? rows->span_bytes() : dense_bytes; }
};

/// All tensors of the call, given or not; sizes saturate rather than wrap.
[[nodiscard]] std::array<Tensor, 14> tensors(const Call& call);
/// Those of the step that the call was formed of.
[[nodiscard]] std::array<Tensor, 15> tensors(const Call& call, const DecodeArguments& step);

/// Rows of a step's pools.
[[nodiscard]] inline std::int64_t pool_rows(const DecodeArguments& arguments) {
  return arguments.slots != 0 ? arguments.slots : arguments.shape.sequences();
}

}  // namespace osdn::runtime
