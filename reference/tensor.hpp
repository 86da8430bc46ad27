// Tensors of a case file as numbers, and back.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "osdn/problem.hpp"
#include "reference/safetensors.hpp"

namespace osdn::reference {

[[nodiscard]] safetensors::DType dtype_of(ElementType type);
/// Of the states of a problem: fp32, but for a decoding step with another state_type.
[[nodiscard]] safetensors::DType state_dtype_of(const Problem& problem);
[[nodiscard]] std::optional<ElementType> element_type_of(safetensors::DType dtype);

/// The elements as doubles, exactly. Precondition: F64, F32, F16 or BF16.
std::vector<double> to_doubles(const safetensors::Tensor& tensor);

/// The elements as integers. Precondition: I64 or I32.
std::vector<std::int64_t> to_integers(const safetensors::Tensor& tensor);

/// A tensor of the given type, values rounded to nearest even. Precondition: F64, F32, F16 or BF16.
safetensors::Tensor to_tensor(std::span<const double> values, std::vector<std::int64_t> shape,
                              safetensors::DType dtype);

/// Precondition: I64, or I32 that holds every value.
safetensors::Tensor to_tensor(std::span<const std::int64_t> values, std::vector<std::int64_t> shape,
                              safetensors::DType dtype = safetensors::DType::i64);

/// All zeros.
safetensors::Tensor empty_tensor(safetensors::DType dtype, std::vector<std::int64_t> shape);

}  // namespace osdn::reference
