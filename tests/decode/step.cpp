#include "tests/decode/step.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "osdn/log_gamma.hpp"
#include "reference/tensor.hpp"
#include "tests/kernels/placement.hpp"

namespace osdn::tests {

using reference::Case;
using reference::Outputs;
using reference::ServingBatch;
using safetensors::Tensor;

Outputs step(const PreparedOperation& operation, const Case& problem, const reference::ServingOptions& options,
             const Placement* placement) {
  const ServingBatch batch = reference::serve(problem, options);
  OnDevice memory;
  const DecodeArguments dense = put_step(memory, problem, batch);
  DecodeArguments a = dense;
  std::optional<Placed> placed;
  if (placement != nullptr) placed.emplace(problem, *placement).fill(a);
  const auto launched = operation.launch(a);
  if (!launched) throw std::runtime_error("launch: " + launched.error().message);
  const auto done = engine().synchronize();
  if (!done) throw std::runtime_error("synchronize: " + done.error().message + " " + done.error().context);
  auto outputs = take_step(memory, problem, batch, dense);
  if (!outputs) {
    ADD_FAILURE() << outputs.error().message;
    throw std::runtime_error(outputs.error().message);
  }
  if (placed) outputs->o = placed->output();
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
  if (whole.log_gamma && log_gamma_axes(whole.problem.apf).tokens)
    out.log_gamma = stretch(*whole.log_gamma, n, begin, end);
  if (whole.initial_state) out.initial_state = entry(*whole.initial_state, n);
  if (whole.initial_d) out.initial_d = entry(*whole.initial_d, n);
  return out;
}

}  // namespace osdn::tests
