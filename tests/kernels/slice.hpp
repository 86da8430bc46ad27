// Taking cases apart and changing single numbers in them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "osdn/log_gamma.hpp"
#include "reference/case.hpp"
#include "reference/tensor.hpp"

namespace osdn::tests {

/// Rows [begin, end) of a tensor whose leading dimensions are [1, T].
inline safetensors::Tensor rows(const safetensors::Tensor& tensor, std::int64_t begin, std::int64_t end) {
  safetensors::Tensor out{tensor.dtype, tensor.shape, {}};
  const std::size_t row = tensor.data.size() / static_cast<std::size_t>(tensor.shape[1]);
  out.shape[1] = end - begin;
  out.data.assign(tensor.data.begin() + static_cast<std::ptrdiff_t>(row) * begin,
                  tensor.data.begin() + static_cast<std::ptrdiff_t>(row) * end);
  return out;
}

/// Tokens [begin, end) of a case with B = 1 and no packed sequences.
inline reference::Case tokens(const reference::Case& whole, std::int64_t begin, std::int64_t end) {
  reference::Case out = whole;
  out.shape.t = end - begin;
  out.q = rows(whole.q, begin, end);
  out.k = rows(whole.k, begin, end);
  out.v = rows(whole.v, begin, end);
  out.beta = rows(whole.beta, begin, end);
  if (whole.log_gamma && log_gamma_axes(whole.problem.apf).tokens) out.log_gamma = rows(*whole.log_gamma, begin, end);
  return out;
}

/// The tensor with `change(index, value)` applied to every element.
template <class Change>
safetensors::Tensor changed(const safetensors::Tensor& tensor, Change change) {
  std::vector<double> values = reference::to_doubles(tensor);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = change(static_cast<std::int64_t>(i), values[i]);
  return reference::to_tensor(values, tensor.shape, tensor.dtype);
}

inline safetensors::Tensor filled(const safetensors::Tensor& tensor, double value) {
  return changed(tensor, [=](std::int64_t, double) { return value; });
}

}  // namespace osdn::tests
