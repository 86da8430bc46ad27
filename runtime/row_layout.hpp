// Where the rows of the tensors of a launch lie: the strides of its arguments, made definite.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "osdn/arguments.hpp"
#include "osdn/error.hpp"
#include "osdn/problem.hpp"

namespace osdn::runtime {

/// [batch][tokens][heads] rows of `row` elements.
struct RowLayout {
  std::int64_t batch = 0;
  std::int64_t tokens = 0;
  std::int64_t heads = 0;
  std::int64_t row = 0;
  std::int64_t element_bytes = 0;
  Strides strides{};  ///< none is 0 where there are rows

  [[nodiscard]] bool empty() const { return batch == 0 || tokens == 0 || heads == 0; }
  /// From the first row's first byte to the last one's last; nothing when that leaves 63 bits.
  [[nodiscard]] std::optional<std::int64_t> span() const;
  /// The same; saturates.
  [[nodiscard]] std::uint64_t span_bytes() const;
  [[nodiscard]] bool is_dense() const;
};

struct RowLayouts {
  RowLayout q, k, v, beta, log_gamma, o;  ///< log_gamma is empty where there is none
};

/// Right for arguments whose strides check_strides takes.
[[nodiscard]] RowLayouts row_layouts(const Problem& problem, const ForwardArguments& arguments);

/// Their strides, of which the rows were made. Errors: invalid_argument naming the stride, what it was and what is
/// allowed.
expected<void> check_strides(const ForwardArguments& arguments, const RowLayouts& rows);

/// No row of one meets a row of the other, `between` being how many bytes the second begins behind the first. Sees
/// tensors that lie in the gaps of each other, as long as the axes they do so in have the same stride.
[[nodiscard]] bool are_apart(const RowLayout& first, const RowLayout& second, std::int64_t between);

}  // namespace osdn::runtime
