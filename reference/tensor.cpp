#include "reference/tensor.hpp"

#include <cstring>

#include "reference/element.hpp"

namespace osdn::reference {
namespace {

using safetensors::DType;

template <class Stored>
Stored stored_at(const safetensors::Tensor& tensor, std::size_t index) {
  Stored value;
  std::memcpy(&value, tensor.data.data() + index * sizeof value, sizeof value);  // files do not align
  return value;
}

template <class Stored>
void store_at(safetensors::Tensor& tensor, std::size_t index, Stored value) {
  std::memcpy(tensor.data.data() + index * sizeof value, &value, sizeof value);
}

double number_at(const safetensors::Tensor& tensor, std::size_t index) {
  switch (tensor.dtype) {
    case DType::f64:
      return stored_at<double>(tensor, index);
    case DType::f16:
      return static_cast<double>(from_fp16(stored_at<std::uint16_t>(tensor, index)));
    case DType::bf16:
      return static_cast<double>(from_bf16(stored_at<std::uint16_t>(tensor, index)));
    default:
      return static_cast<double>(stored_at<float>(tensor, index));
  }
}

}  // namespace

safetensors::DType dtype_of(ElementType type) {
  switch (type) {
    case ElementType::bf16:
      return DType::bf16;
    case ElementType::fp16:
      return DType::f16;
    case ElementType::fp32:
      break;
  }
  return DType::f32;
}

DType state_dtype_of(const Problem& problem) {
  const bool narrow = problem.operation == Operation::osdn_decode && problem.state_type == StateType::bf16;
  return narrow ? DType::bf16 : DType::f32;
}

std::optional<ElementType> element_type_of(safetensors::DType dtype) {
  if (dtype == DType::bf16) return ElementType::bf16;
  if (dtype == DType::f16) return ElementType::fp16;
  if (dtype == DType::f32) return ElementType::fp32;
  return std::nullopt;
}

std::vector<double> to_doubles(const safetensors::Tensor& tensor) {
  std::vector<double> values(static_cast<std::size_t>(tensor.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = number_at(tensor, i);
  return values;
}

std::vector<std::int64_t> to_integers(const safetensors::Tensor& tensor) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(tensor.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = tensor.dtype == DType::i32 ? std::int64_t{stored_at<std::int32_t>(tensor, i)}
                                           : stored_at<std::int64_t>(tensor, i);
  }
  return values;
}

safetensors::Tensor to_tensor(std::span<const double> values, std::vector<std::int64_t> shape, DType dtype) {
  safetensors::Tensor tensor{dtype, std::move(shape), {}};
  tensor.data.resize(values.size() * size_of(dtype));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto single = static_cast<float>(values[i]);
    if (dtype == DType::f64)
      store_at(tensor, i, values[i]);
    else if (dtype == DType::f16)
      store_at(tensor, i, to_fp16(single));
    else if (dtype == DType::bf16)
      store_at(tensor, i, to_bf16(single));
    else
      store_at(tensor, i, single);
  }
  return tensor;
}

safetensors::Tensor to_tensor(std::span<const std::int64_t> values, std::vector<std::int64_t> shape, DType dtype) {
  safetensors::Tensor tensor{dtype, std::move(shape), {}};
  tensor.data.resize(values.size() * size_of(dtype));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::i32)
      store_at(tensor, i, static_cast<std::int32_t>(values[i]));
    else
      store_at(tensor, i, values[i]);
  }
  return tensor;
}

safetensors::Tensor empty_tensor(DType dtype, std::vector<std::int64_t> shape) {
  safetensors::Tensor tensor{dtype, std::move(shape), {}};
  tensor.data.resize(static_cast<std::size_t>(tensor.elements()) * size_of(dtype));
  return tensor;
}

}  // namespace osdn::reference
