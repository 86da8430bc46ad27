#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/check_arguments.hpp"
#include "runtime/tensors.hpp"

namespace osdn::runtime {
namespace {

Error invalid(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), ""};
}

/// How a driver says that it does not know an address; all else is a failure of its own.
bool unknown(cuda::Result result) {
  return result == cuda::error_invalid_value || result == cuda::error_not_found;
}

/// How many bytes from its address on belong to live device allocations. Neighbouring allocations are followed: an
/// allocator that maps memory piece by piece hands out tensors that span several.
expected<std::uint64_t> bytes_held(const Driver& driver, const Tensor& tensor) {
  const std::uint64_t wanted = tensor.bytes();
  std::uint64_t covered = 0;
  while (covered < wanted) {
    cuda::DeviceAddress base = 0;
    std::size_t bytes = 0;
    const DevicePointer at = tensor.address + covered;
    const auto result = driver.memory_get_address_range(&base, &bytes, at);
    if (result != cuda::success && !unknown(result)) {
      return driver.error(result, fmt::format("asking for the allocation of {}", tensor.name));
    }
    if (result != cuda::success || at < base || at - base >= bytes) break;
    covered += bytes - (at - base);
  }
  return covered;
}

/// Memory of another device: kernels of this one fault on it, or crawl over the bus where peer access is on. Managed
/// memory belongs to all.
expected<void> check_device(const DeviceContext& device, const Tensor& tensor) {
  const Driver& driver = device.driver();
  unsigned int managed = 0;
  int ordinal = 0;
  auto result = driver.pointer_get_attribute(&managed, cuda::pointer_attribute_is_managed, tensor.address);
  if (result == cuda::success) {
    result = driver.pointer_get_attribute(&ordinal, cuda::pointer_attribute_device_ordinal, tensor.address);
  }
  if (result != cuda::success) return driver.error(result, fmt::format("asking whose memory {} is", tensor.name));
  if (managed != 0 || ordinal == device.description().ordinal) return {};
  return invalid(fmt::format("{} is 0x{:x}, memory of device {}; the Engine runs on device {}", tensor.name,
                             tensor.address, ordinal, device.description().ordinal));
}

expected<void> check_range(const DeviceContext& device, const Tensor& tensor) {
  const Driver& driver = device.driver();
  int kind = 0;
  const auto result = driver.pointer_get_attribute(&kind, cuda::pointer_attribute_memory_type, tensor.address);
  if (unknown(result)) {
    return invalid(fmt::format("{} is 0x{:x}, which is no device memory of this context", tensor.name, tensor.address));
  }
  if (result != cuda::success) return driver.error(result, fmt::format("asking what memory {} is", tensor.name));
  if (kind == cuda::memory_type_host) return {};  // pinned host memory that the device can reach: no range to ask for
  if (auto good = check_device(device, tensor); !good) return good;
  const std::uint64_t bytes = tensor.bytes();
  const auto covered = bytes_held(driver, tensor);
  if (!covered) return covered.error();
  if (*covered < bytes) {
    return invalid(fmt::format("{} is 0x{:x} and needs {} bytes at this shape, but its allocation ends after {}",
                               tensor.name, tensor.address, bytes, *covered));
  }
  return {};
}

/// One without strides is a single row.
RowLayout rows_of(const Tensor& tensor) {
  if (tensor.rows != nullptr) return *tensor.rows;
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  return {1, 1, 1, static_cast<std::int64_t>(std::min(tensor.bytes(), most)), 1};
}

bool overlap(const Tensor& a, const Tensor& b) {
  return !are_apart(rows_of(a), rows_of(b), static_cast<std::int64_t>(b.address - a.address));
}

/// A final state may be written over its own initial state, and over nothing else.
bool allowed_alias(const Tensor& a, const Tensor& b) {
  const auto pair = [&](const char* first, const char* second) {
    return (std::strcmp(a.name, first) == 0 && std::strcmp(b.name, second) == 0) ||
           (std::strcmp(b.name, first) == 0 && std::strcmp(a.name, second) == 0);
  };
  return a.address == b.address && (pair("initial_state", "final_state") || pair("initial_d", "final_d") ||
                                    pair("state", "output_state") || pair("d", "output_d"));
}

expected<void> check_overlaps(const std::vector<Tensor>& used) {
  for (std::size_t i = 0; i < used.size(); ++i) {
    for (std::size_t j = i + 1; j < used.size(); ++j) {
      const Tensor& a = used[i];
      const Tensor& b = used[j];
      if ((!a.written && !b.written) || !overlap(a, b) || allowed_alias(a, b)) continue;
      return invalid(fmt::format("{} [0x{:x}, +{}) and {} [0x{:x}, +{}) overlap, and {} is written", a.name, a.address,
                                 a.bytes(), b.name, b.address, b.bytes(), b.written ? b.name : a.name));
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

/// A tensor's bytes after the stream's work; none while the stream is being captured.
expected<std::vector<std::byte>> read_back(const Driver& driver, const Tensor& tensor, cuda::Stream stream) {
  int capturing = 0;
  const auto asked = driver.stream_is_capturing(stream, &capturing);
  const bool captured = asked == cuda::success && capturing != cuda::capture_status_none;
  if (captured || asked == cuda::error_stream_capture_implicit) return std::vector<std::byte>{};
  if (asked != cuda::success) return driver.error(asked, "asking whether the stream is being captured");
  if (const auto result = driver.stream_synchronize(stream); result != cuda::success) {
    return driver.error(result, fmt::format("waiting for the stream before reading {}", tensor.name));
  }
  std::vector<std::byte> bytes(tensor.bytes());
  if (const auto result = driver.copy_to_host(bytes.data(), tensor.address, bytes.size()); result != cuda::success) {
    return driver.error(result, fmt::format("reading {}", tensor.name));
  }
  return bytes;
}

const Tensor* find(const std::vector<Tensor>& used, std::string_view name) {
  const auto found = std::find_if(used.begin(), used.end(), [&](const Tensor& tensor) { return tensor.name == name; });
  return found == used.end() ? nullptr : &*found;
}

expected<void> check_cu_seqlens(const Driver& driver, const std::vector<Tensor>& used, IndexType type,
                                std::int64_t tokens, cuda::Stream stream) {
  const Tensor* const tensor = find(used, "cu_seqlens");
  if (tensor == nullptr) return {};
  auto bytes = read_back(driver, *tensor, stream);
  if (!bytes) return bytes.error();
  if (bytes->empty()) return {};
  return type == IndexType::int64 ? check_boundaries<std::int64_t>(*bytes, tokens)
                                  : check_boundaries<std::int32_t>(*bytes, tokens);
}

/// Where they lie.
expected<void> check_places(const DeviceContext& device, const std::vector<Tensor>& used) {
  for (const Tensor& tensor : used) {
    if (auto good = check_range(device, tensor); !good) return good;
  }
  return check_overlaps(used);
}

template <class All>
std::vector<Tensor> those_used(const All& all) {
  std::vector<Tensor> used;
  for (const Tensor& tensor : all) {
    if (tensor.address != 0 && tensor.bytes() != 0) used.push_back(tensor);
  }
  return used;
}

/// A table of slots, or the row of its number for each sequence; empty: it cannot be read now.
expected<std::vector<std::int64_t>> read_slots(const Driver& driver, const std::vector<Tensor>& used,
                                               std::string_view name, const std::vector<std::int64_t>& otherwise,
                                               std::int64_t rows, cuda::Stream stream) {
  const Tensor* const tensor = find(used, name);
  if (tensor == nullptr) return otherwise;
  auto bytes = read_back(driver, *tensor, stream);
  if (!bytes) return bytes.error();
  std::vector<std::int32_t> slots(bytes->size() / sizeof(std::int32_t));
  std::memcpy(slots.data(), bytes->data(), bytes->size());
  for (std::size_t n = 0; n < slots.size(); ++n) {
    if (slots[n] >= rows) {
      return invalid(
          fmt::format("{}[{}] is {}; the pools have {} rows (slots): it must be below that, or negative for "
                      "padding",
                      name, n, slots[n], rows));
    }
  }
  return std::vector<std::int64_t>(slots.begin(), slots.end());
}

/// No row has two writers, nor, where the pools are the same, a writer and another reader.
expected<void> check_rows(const std::vector<std::int64_t>& sources, const std::vector<std::int64_t>& targets,
                          bool same_pool) {
  std::map<std::int64_t, std::size_t> writers;
  for (std::size_t n = 0; n < targets.size(); ++n) {
    if (sources[n] < 0 || targets[n] < 0) continue;
    const auto [writer, first] = writers.emplace(targets[n], n);
    if (!first) {
      return invalid(fmt::format("slot {} is written by sequences {} and {}; a row has one writer", targets[n],
                                 writer->second, n));
    }
  }
  for (std::size_t n = 0; same_pool && n < sources.size(); ++n) {
    const auto writer = writers.find(sources[n]);
    if (sources[n] < 0 || writer == writers.end() || writer->second == n) continue;
    return invalid(
        fmt::format("slot {} is read by sequence {} and written by sequence {}; a row that is written may be "
                    "read by its own sequence only",
                    sources[n], n, writer->second));
  }
  return {};
}

expected<void> check_slots(const Driver& driver, const std::vector<Tensor>& used, const DecodeArguments& a,
                           cuda::Stream stream) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(a.shape.sequences()));
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  auto sources = read_slots(driver, used, "state_slots", rows, pool_rows(a), stream);
  if (!sources) return sources.error();
  auto targets = read_slots(driver, used, "output_slots", *sources, pool_rows(a), stream);
  if (!targets) return targets.error();
  if (sources->size() != rows.size() || targets->size() != rows.size()) return {};
  const bool states_meet = a.state != 0 && (a.output_state == 0 || a.output_state == a.state);
  const bool ds_meet = a.d != 0 && (a.output_d == 0 || a.output_d == a.d);
  return check_rows(*sources, *targets, states_meet || ds_meet);
}

}  // namespace

expected<void> check_thoroughly(const DeviceContext& device, const Call& call, cuda::Stream stream) {
  const ContextScope scope(device);
  const Driver& driver = device.driver();
  if (scope.result() != cuda::success) return driver.error(scope.result(), "entering the context");
  const std::vector<Tensor> used = those_used(tensors(call));
  if (auto good = check_places(device, used); !good) return good;
  return check_cu_seqlens(driver, used, call.arguments.cu_seqlens_type, call.arguments.shape.t, stream);
}

expected<void> check_thoroughly(const DeviceContext& device, const Call& call, const DecodeArguments& step,
                                cuda::Stream stream) {
  const ContextScope scope(device);
  const Driver& driver = device.driver();
  if (scope.result() != cuda::success) return driver.error(scope.result(), "entering the context");
  const std::vector<Tensor> used = those_used(tensors(call, step));
  if (auto good = check_places(device, used); !good) return good;
  if (auto good = check_slots(driver, used, step, stream); !good) return good;
  return check_cu_seqlens(driver, used, step.cu_seqlens_type, step.shape.t, stream);
}

}  // namespace osdn::runtime
