#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "runtime/check_arguments.hpp"
#include "runtime/tensors.hpp"

namespace osdn::runtime {
namespace {

Error invalid(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), ""};
}

/// How many bytes from `address` on belong to live device allocations. Neighbouring allocations are followed: an
/// allocator that maps memory piece by piece hands out tensors that span several.
std::uint64_t bytes_from(const Driver& driver, DevicePointer address, std::uint64_t wanted) {
  std::uint64_t covered = 0;
  while (covered < wanted) {
    cuda::DeviceAddress base = 0;
    std::size_t bytes = 0;
    const DevicePointer at = address + covered;
    if (driver.memory_get_address_range(&base, &bytes, at) != cuda::success) break;
    if (at < base || at - base >= bytes) break;
    covered += bytes - (at - base);
  }
  return covered;
}

expected<void> check_range(const Driver& driver, const Tensor& tensor) {
  int kind = 0;
  if (driver.pointer_get_attribute(&kind, cuda::pointer_attribute_memory_type, tensor.address) != cuda::success) {
    return invalid(fmt::format("{} is 0x{:x}, which is no device memory of this context", tensor.name, tensor.address));
  }
  if (kind == cuda::memory_type_host) return {};  // pinned host memory that the device can reach: no range to ask for
  const std::uint64_t covered = bytes_from(driver, tensor.address, tensor.bytes);
  if (covered < tensor.bytes) {
    return invalid(fmt::format("{} is 0x{:x} and needs {} bytes at this shape, but its allocation ends after {}",
                               tensor.name, tensor.address, tensor.bytes, covered));
  }
  return {};
}

bool overlap(const Tensor& a, const Tensor& b) {
  return a.address < b.address + b.bytes && b.address < a.address + a.bytes;
}

/// A final state may be written over its own initial state, and over nothing else.
bool allowed_alias(const Tensor& a, const Tensor& b) {
  const auto pair = [&](const char* first, const char* second) {
    return (std::strcmp(a.name, first) == 0 && std::strcmp(b.name, second) == 0) ||
           (std::strcmp(b.name, first) == 0 && std::strcmp(a.name, second) == 0);
  };
  return a.address == b.address && (pair("initial_state", "final_state") || pair("initial_d", "final_d"));
}

expected<void> check_overlaps(const std::vector<Tensor>& used) {
  for (std::size_t i = 0; i < used.size(); ++i) {
    for (std::size_t j = i + 1; j < used.size(); ++j) {
      const Tensor& a = used[i];
      const Tensor& b = used[j];
      if ((!a.written && !b.written) || !overlap(a, b) || allowed_alias(a, b)) continue;
      return invalid(fmt::format("{} [0x{:x}, +{}) and {} [0x{:x}, +{}) overlap, and {} is written", a.name, a.address,
                                 a.bytes, b.name, b.address, b.bytes, b.written ? b.name : a.name));
    }
  }
  return {};
}

template <class Index>
expected<void> check_boundaries(const std::vector<std::byte>& bytes, std::int64_t tokens) {
  std::vector<Index> at(bytes.size() / sizeof(Index));
  std::memcpy(at.data(), bytes.data(), bytes.size());
  if (at.front() != 0) return invalid(fmt::format("cu_seqlens[0] is {}; it must be 0", at.front()));
  for (std::size_t i = 1; i < at.size(); ++i) {
    if (at[i] < at[i - 1]) {
      return invalid(fmt::format("cu_seqlens[{}] is {} after {}; it must never decrease", i, at[i], at[i - 1]));
    }
  }
  if (at.back() != tokens) {
    return invalid(fmt::format("cu_seqlens[{}] is {}; it must be shape.t, {}", at.size() - 1, at.back(), tokens));
  }
  return {};
}

expected<void> check_cu_seqlens(const Driver& driver, const Tensor& tensor, const ForwardArguments& arguments,
                                cuda::Stream stream) {
  int capturing = 0;
  const auto asked = driver.stream_is_capturing(stream, &capturing);
  if (asked != cuda::success || capturing != cuda::capture_status_none) return {};
  if (const auto result = driver.stream_synchronize(stream); result != cuda::success) {
    return driver.error(result, "waiting for the stream before reading cu_seqlens");
  }
  std::vector<std::byte> bytes(tensor.bytes);
  if (const auto result = driver.copy_to_host(bytes.data(), tensor.address, bytes.size()); result != cuda::success) {
    return driver.error(result, "reading cu_seqlens");
  }
  return arguments.cu_seqlens_type == IndexType::int64 ? check_boundaries<std::int64_t>(bytes, arguments.shape.t)
                                                       : check_boundaries<std::int32_t>(bytes, arguments.shape.t);
}

}  // namespace

expected<void> check_thoroughly(const DeviceContext& device, const generator::Plan& plan,
                                const ForwardArguments& arguments, cuda::Stream stream) {
  const ContextScope scope(device);
  const Driver& driver = device.driver();
  if (scope.result() != cuda::success) return driver.error(scope.result(), "entering the context");
  std::vector<Tensor> used;
  for (const Tensor& tensor : tensors(plan, arguments, plan.workspace(arguments.shape).bytes)) {
    if (tensor.address != 0 && tensor.bytes != 0) used.push_back(tensor);
  }
  for (const Tensor& tensor : used) {
    if (auto good = check_range(driver, tensor); !good) return good;
  }
  if (auto good = check_overlaps(used); !good) return good;
  const auto packed = std::find_if(used.begin(), used.end(),
                                   [](const Tensor& tensor) { return std::string_view(tensor.name) == "cu_seqlens"; });
  return packed != used.end() ? check_cu_seqlens(driver, *packed, arguments, stream) : expected<void>();
}

}  // namespace osdn::runtime
