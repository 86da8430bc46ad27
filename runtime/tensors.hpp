// The tensors of a launch as data: names, addresses, sizes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "generator/plan.hpp"
#include "osdn/arguments.hpp"
#include "runtime/row_layout.hpp"

namespace osdn::runtime {

struct Tensor {
  const char* name;
  DevicePointer address;
  std::uint64_t bytes;  ///< from the first to the last, gaps between rows included
  std::size_t alignment;
  bool written;
  RowLayout rows{};  ///< of one with strides; empty: it has no gaps
};

/// All tensors of the call, given or not; sizes saturate rather than wrap.
[[nodiscard]] std::array<Tensor, 14> tensors(const generator::Plan& plan, const ForwardArguments& arguments,
                                             std::size_t workspace_bytes);
[[nodiscard]] std::array<Tensor, 15> tensors(const generator::Plan& plan, const DecodeArguments& arguments);

/// Rows of a step's pools.
[[nodiscard]] inline std::int64_t pool_rows(const DecodeArguments& arguments) {
  return arguments.slots != 0 ? arguments.slots : arguments.shape.sequences();
}

}  // namespace osdn::runtime
