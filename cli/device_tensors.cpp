#include "cli/device_tensors.hpp"

#include <algorithm>
#include <utility>

#include "reference/tensor.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::cli {
namespace {

using reference::Case;
using reference::ServingBatch;
using safetensors::DType;
using safetensors::Tensor;

/// What a case and the batch of a step have in common.
template <class Inputs, class Arguments>
void put_inputs(DeviceTensors& tensors, const Inputs& from, const reference::Numbers& numbers, Arguments& a) {
  a.shape = from.shape;
  a.hyperparameters = reference::to_float(numbers);
  a.q = tensors.put(from.q);
  a.k = tensors.put(from.k);
  a.v = tensors.put(from.v);
  a.beta = tensors.put(from.beta);
  a.log_gamma = tensors.put(from.log_gamma);
}

}  // namespace

DevicePointer DeviceTensors::put(const std::vector<std::byte>& bytes) {
  if (!result_) return 0;
  constexpr std::size_t least = 1;  // no more than there is: what reads behind it shows
  auto buffer = engine_.allocate(std::max(bytes.size(), least));
  result_ = buffer ? engine_.state()->upload(buffer->address(), bytes.data(), bytes.size()) : buffer.error();
  if (!result_) return 0;
  buffers_.push_back(*std::move(buffer));
  return buffers_.back().address();
}

void DeviceTensors::get(DevicePointer from, std::vector<std::byte>& bytes) {
  if (result_) result_ = engine_.state()->download(bytes.data(), from, bytes.size());
}

std::size_t DeviceTensors::bytes() const {
  std::size_t all = 0;
  for (const DeviceBuffer& buffer : buffers_) all += buffer.bytes();
  return all;
}

ForwardArguments put_pass(DeviceTensors& tensors, const Case& problem, IndexType index_type) {
  ForwardArguments a;
  put_inputs(tensors, problem, problem.numbers, a);
  a.initial_state = tensors.put(problem.initial_state);
  a.initial_d = tensors.put(problem.initial_d);
  a.cu_seqlens_type = index_type;
  if (problem.cu_seqlens) {
    a.cu_seqlens =
        tensors.put(reference::to_tensor(reference::to_integers(*problem.cu_seqlens), problem.cu_seqlens->shape,
                                         index_type == IndexType::int64 ? DType::i64 : DType::i32));
  }
  return a;
}

DecodeArguments put_step(DeviceTensors& tensors, const Case& problem, const ServingBatch& batch) {
  DecodeArguments a;
  put_inputs(tensors, batch, problem.numbers, a);
  a.cu_seqlens = tensors.put(batch.cu_seqlens);
  a.slots = batch.rows;
  a.state = tensors.put(batch.state);
  a.d = tensors.put(batch.d);
  a.state_slots = tensors.put(batch.state_slots);
  a.output_slots = tensors.put(batch.output_slots);
  a.o = tensors.poisoned(batch.v.data.size());
  return a;
}

expected<reference::Outputs> take_step(DeviceTensors& tensors, const Case& problem, const ServingBatch& batch,
                                       const DecodeArguments& a) {
  Tensor o = batch.v;
  Tensor state = batch.state;
  std::optional<Tensor> d = batch.d;
  tensors.get(a.o, o);
  tensors.get(a.output_state != 0 ? a.output_state : a.state, state);
  if (d) tensors.get(a.output_d != 0 ? a.output_d : a.d, *d);
  if (!tensors.result()) return tensors.result().error();
  return reference::collect(problem, batch, o, state, d);
}

}  // namespace osdn::cli
