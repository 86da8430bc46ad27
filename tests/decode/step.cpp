#include "tests/decode/step.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "reference/tensor.hpp"
#include "tests/kernels/placement.hpp"

namespace osdn::tests {

using reference::Case;
using reference::Outputs;
using reference::ServingBatch;
using safetensors::Tensor;

DevicePointer OnDevice::put(const std::vector<std::byte>& bytes) {
  if (bytes.empty()) return 0;
  buffers_.push_back(engine().allocate(bytes.size()).value_or_throw());
  buffers_.back().upload(bytes.data()).value_or_throw();
  return buffers_.back().address();
}

void OnDevice::get(DevicePointer address, std::vector<std::byte>& bytes) const {
  for (const DeviceBuffer& buffer : buffers_) {
    if (buffer.address() != address) continue;
    ASSERT_EQ(buffer.bytes(), bytes.size());
    buffer.download(bytes.data()).value_or_throw();
    return;
  }
}

DecodeArguments arguments_of(OnDevice& memory, const Case& problem, const ServingBatch& batch) {
  DecodeArguments a;
  a.shape = batch.shape;
  a.hyperparameters = reference::to_float(problem.numbers);
  a.q = memory.put(batch.q.data);
  a.k = memory.put(batch.k.data);
  a.v = memory.put(batch.v.data);
  a.beta = memory.put(batch.beta.data);
  a.log_gamma = memory.put(batch.log_gamma);
  a.cu_seqlens = memory.put(batch.cu_seqlens);
  a.slots = batch.rows;
  a.state = memory.put(batch.state.data);
  a.d = memory.put(batch.d);
  a.state_slots = memory.put(batch.state_slots.data);
  a.output_slots = memory.put(batch.output_slots);
  a.o = memory.room(batch.v.data.size());
  return a;
}

Outputs step(const PreparedOperation& operation, const Case& problem, const reference::ServingOptions& options,
             const Placement* placement) {
  const ServingBatch batch = reference::serve(problem, options);
  OnDevice memory;
  DecodeArguments a = arguments_of(memory, problem, batch);
  std::optional<Placed> placed;
  if (placement != nullptr) placed.emplace(problem, *placement).fill(a);
  const auto launched = operation.launch(a);
  if (!launched) throw std::runtime_error("launch: " + launched.error().message);
  const auto done = engine().synchronize();
  if (!done) throw std::runtime_error("synchronize: " + done.error().message + " " + done.error().context);
  Tensor o = batch.v;
  Tensor state = batch.state;
  std::optional<Tensor> d = batch.d;
  if (placed) {
    o = placed->output();
  } else {
    memory.get(a.o, o.data);
  }
  memory.get(a.state, state.data);
  if (d) memory.get(a.d, d->data);
  auto outputs = reference::collect(problem, batch, o, state, d);
  if (!outputs) {
    ADD_FAILURE() << outputs.error().message;
    throw std::runtime_error(outputs.error().message);
  }
  return *std::move(outputs);
}

PreparedOperation prepare_step(const std::string& problem, const std::string& config) {
  const Problem parsed = parse_problem(problem).value_or_throw();
  if (config.empty()) return engine().prepare(parsed).value_or_throw();
  return prepare(parsed, parse_config(config).value_or_throw());
}

Case random_step(const PreparedOperation& operation, const Shape& shape, std::uint64_t seed,
                 const reference::Numbers& numbers, reference::Keys keys, const std::vector<std::int64_t>& lengths) {
  reference::RandomOptions random;
  random.seed = input_seed() + seed;
  random.keys = keys;
  random.lengths = lengths;
  return reference::random_case(operation.problem(), shape, numbers, random).value_or_throw();
}

namespace {

/// Entry `n` of the leading dimension.
Tensor entry(const Tensor& tensor, std::int64_t n) {
  const auto bytes = static_cast<std::ptrdiff_t>(tensor.data.size() / static_cast<std::size_t>(tensor.shape[0]));
  Tensor out{tensor.dtype, tensor.shape, {}};
  out.shape[0] = 1;
  out.data.assign(tensor.data.begin() + n * bytes, tensor.data.begin() + (n + 1) * bytes);
  return out;
}

Tensor stretch(const Tensor& tensor, std::int64_t n, std::int64_t begin, std::int64_t end) {
  Tensor out = entry(tensor, n);
  const auto token = static_cast<std::ptrdiff_t>(out.data.size() / static_cast<std::size_t>(tensor.shape[1]));
  out.shape[1] = end - begin;
  out.data.assign(out.data.begin() + begin * token, out.data.begin() + end * token);
  return out;
}

}  // namespace

Case part_of(const Case& whole, std::int64_t n, std::int64_t begin, std::int64_t end) {
  Case out = whole;
  out.shape.b = 1;
  out.shape.t = end - begin;
  out.q = stretch(whole.q, n, begin, end);
  out.k = stretch(whole.k, n, begin, end);
  out.v = stretch(whole.v, n, begin, end);
  out.beta = stretch(whole.beta, n, begin, end);
  if (whole.log_gamma && whole.problem.apf != Apf::per_head) out.log_gamma = stretch(*whole.log_gamma, n, begin, end);
  if (whole.initial_state) out.initial_state = entry(*whole.initial_state, n);
  if (whole.initial_d) out.initial_d = entry(*whole.initial_d, n);
  return out;
}

}  // namespace osdn::tests
