#include "autotune/trial/timing_inputs.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "reference/random_case.hpp"

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
  options.initial_state = false;
  options.initial_d = false;
  const Shape tile_shape{1, tile_tokens, 1, 1, 0};
  const reference::Numbers numbers = numbers_of(problem);
  auto tile = random_case(problem, tile_shape, numbers, options);
  if (!tile) return tile.error();

  TimingInputs out;
  out.arguments_.shape = shape;
  out.arguments_.hyperparameters = reference::to_float(numbers);
  expected<void> result;
  const auto put = [&](DevicePointer& address, const std::vector<std::byte>& content) {
    if (!result || content.empty()) return;
    auto buffer = engine.allocate(content.size());
    result = buffer ? buffer->upload(content.data()) : buffer.error();
    if (!result) return;
    address = buffer->address();
    out.buffers_.push_back(*std::move(buffer));
  };
  const auto fill = [&](DevicePointer& address, const Tensor& from, std::int64_t elements) {
    put(address, repeated(from.data, static_cast<std::size_t>(elements) * size_of(from.dtype)));
  };
  const std::int64_t tokens = shape.b * shape.t;
  const std::int64_t states = shape.sequences() * shape.hv * problem.k;
  fill(out.arguments_.q, tile->q, tokens * shape.h * problem.k);
  fill(out.arguments_.k, tile->k, tokens * shape.h * problem.k);
  fill(out.arguments_.v, tile->v, tokens * shape.hv * problem.v);
  fill(out.arguments_.beta, tile->beta, tokens * shape.hv);
  if (tile->log_gamma) {
    fill(out.arguments_.log_gamma, *tile->log_gamma, reference::log_gamma_elements(problem, shape));
  }
  if (shape.packed()) put(out.arguments_.cu_seqlens, starts(shape));
  const std::size_t element = size_of(tile->v.dtype);
  put(out.arguments_.o, std::vector<std::byte>(static_cast<std::size_t>(tokens * shape.hv * problem.v) * element));
  put(out.arguments_.final_state, std::vector<std::byte>(static_cast<std::size_t>(states * problem.v) * sizeof(float)));
  put(out.arguments_.final_d, std::vector<std::byte>(static_cast<std::size_t>(states) * sizeof(float)));
  if (!result) return result.error();
  return out;
}

}  // namespace osdn::autotune
