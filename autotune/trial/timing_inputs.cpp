#include "autotune/trial/timing_inputs.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "reference/random_case.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::autotune {
namespace {

using safetensors::Tensor;

// Rows of a tile that fills the tensors: a prime, so that no head sees its keys again before long.
constexpr std::int64_t tile_tokens = 1021;
constexpr std::uint64_t tile_seed = 1;

reference::Numbers numbers_of(const Problem& problem) {
  reference::Numbers numbers;
  if (problem.apf == Apf::constant) numbers.log_gamma = -0.01;
  return numbers;
}

std::vector<std::byte> repeated(const std::vector<std::byte>& tile, std::size_t bytes) {
  std::vector<std::byte> all(bytes);
  for (std::size_t at = 0; at < bytes; at += tile.size()) {
    std::copy_n(tile.begin(), std::min(tile.size(), bytes - at), all.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return all;
}

/// Sequences of equal lengths, as far as they divide.
std::vector<std::byte> starts(const Shape& shape) {
  std::vector<std::byte> all(static_cast<std::size_t>(shape.n + 1) * sizeof(std::int64_t));
  for (std::int64_t i = 0; i <= shape.n; ++i) {
    const std::int64_t start = shape.t / shape.n * i + std::min(i, shape.t % shape.n);
    std::memcpy(all.data() + static_cast<std::size_t>(i) * sizeof(start), &start, sizeof(start));
  }
  return all;
}

}  // namespace

expected<TimingInputs> TimingInputs::make(Engine& engine, const Problem& problem, const Shape& shape) {
  reference::RandomOptions options;
  options.seed = tile_seed;
  options.initial_state = options.initial_d = problem.operation == Operation::osdn_decode;
  const Shape tile_shape{1, tile_tokens, 1, 1, 0};
  const reference::Numbers numbers = numbers_of(problem);
  auto tile = random_case(problem, tile_shape, numbers, options);
  if (!tile) return tile.error();

  TimingInputs out;
  out.arguments_.shape = shape;
  out.arguments_.hyperparameters = reference::to_float(numbers);
  expected<void> result;
  const auto put = [&](Place place, const std::vector<std::byte>& content) {
    if (!result || content.empty()) return;
    auto buffer = engine.allocate(content.size());
    result = buffer ? buffer->upload(content.data()) : buffer.error();
    if (!result) return;
    out.arguments_.*place = buffer->address();
    out.parts_.push_back({place, *std::move(buffer)});
  };
  const auto fill = [&](Place place, const Tensor& from, std::int64_t elements) {
    put(place, repeated(from.data, static_cast<std::size_t>(elements) * size_of(from.dtype)));
  };
  const auto room = [&](Place place, std::int64_t elements, std::size_t size) {
    put(place, std::vector<std::byte>(static_cast<std::size_t>(elements) * size));
  };
  const std::int64_t tokens = shape.b * shape.t;
  const std::int64_t states = shape.sequences() * shape.hv * problem.k;
  fill(&ForwardArguments::q, tile->q, tokens * shape.h * problem.k);
  fill(&ForwardArguments::k, tile->k, tokens * shape.h * problem.k);
  fill(&ForwardArguments::v, tile->v, tokens * shape.hv * problem.v);
  fill(&ForwardArguments::beta, tile->beta, tokens * shape.hv);
  if (tile->log_gamma) {
    fill(&ForwardArguments::log_gamma, *tile->log_gamma, reference::log_gamma_elements(problem, shape));
  }
  if (shape.packed()) put(&ForwardArguments::cu_seqlens, starts(shape));
  room(&ForwardArguments::o, tokens * shape.hv * problem.v, size_of(tile->v.dtype));
  if (problem.operation == Operation::osdn_decode) {
    // In place, as engines decode: what a step costs is its state's way in and out.
    if (tile->initial_state) fill(&ForwardArguments::initial_state, *tile->initial_state, states * problem.v);
    if (tile->initial_d) fill(&ForwardArguments::initial_d, *tile->initial_d, states);
  } else {
    room(&ForwardArguments::final_state, states * problem.v, sizeof(float));
    room(&ForwardArguments::final_d, states, sizeof(float));
  }
  if (!result) return result.error();
  return out;
}

expected<TimingInputs> TimingInputs::twin(Engine& engine) const {
  TimingInputs out;
  out.arguments_ = arguments_;
  const runtime::DeviceContext& device = engine.state()->device();
  const runtime::ContextScope scope(device);
  for (const Part& part : parts_) {
    auto buffer = engine.allocate(part.buffer.bytes());
    if (!buffer) return buffer.error();
    const auto result = device.driver().copy_on_device(buffer->address(), part.buffer.address(), part.buffer.bytes());
    if (result != runtime::cuda::success) return device.driver().error(result, "copying a set of inputs");
    out.arguments_.*part.place = buffer->address();
    out.parts_.push_back({part.place, *std::move(buffer)});
  }
  return out;
}

std::size_t TimingInputs::bytes() const {
  std::size_t all = 0;
  for (const Part& part : parts_) all += part.buffer.bytes();
  return all;
}

}  // namespace osdn::autotune
