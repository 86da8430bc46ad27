// A case's tensors on a device, and back.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "osdn/engine.hpp"
#include "reference/case.hpp"
#include "reference/serving.hpp"

namespace osdn::cli {

/// Device copies that live as long as this. The first error stays, and what follows it does nothing.
class DeviceTensors {
 public:
  explicit DeviceTensors(Engine engine) : engine_(std::move(engine)) {}

  /// Where the copy lies; an empty tensor has an address, too, and one that is not there has 0.
  DevicePointer put(const std::vector<std::byte>& bytes);
  DevicePointer put(const safetensors::Tensor& tensor) { return put(tensor.data); }
  DevicePointer put(const std::optional<safetensors::Tensor>& tensor) { return tensor ? put(tensor->data) : 0; }
  /// Every bit set is a NaN in every element type.
  DevicePointer poisoned(std::size_t bytes) { return put(std::vector<std::byte>(bytes, std::byte{0xFF})); }
  /// Fills a tensor, or bytes, of the right size.
  void get(DevicePointer from, std::vector<std::byte>& bytes);
  void get(DevicePointer from, safetensors::Tensor& tensor) { get(from, tensor.data); }

  [[nodiscard]] const expected<void>& result() const { return result_; }
  /// On the device.
  [[nodiscard]] std::size_t bytes() const;

 private:
  Engine engine_;
  std::deque<DeviceBuffer> buffers_;
  expected<void> result_;
};

/// The inputs of a pass, cu_seqlens in the width asked for. Nothing that it writes has a place yet.
[[nodiscard]] ForwardArguments put_pass(DeviceTensors& tensors, const reference::Case& problem, IndexType index_type);

/// A step as an engine would launch it: the batch with its pools and slots; o is poisoned.
[[nodiscard]] DecodeArguments put_step(DeviceTensors& tensors, const reference::Case& problem,
                                       const reference::ServingBatch& batch);
/// What came of it; `a` as it was launched. Errors: those of the tensors; internal, naming what was written that
/// nobody had asked to be.
expected<reference::Outputs> take_step(DeviceTensors& tensors, const reference::Case& problem,
                                       const reference::ServingBatch& batch, const DecodeArguments& a);

}  // namespace osdn::cli
