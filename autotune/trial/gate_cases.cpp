#include "autotune/trial/gate_cases.hpp"

#include <algorithm>
#include <utility>

#include "reference/random_case.hpp"
#include "reference/tensor.hpp"

namespace osdn::autotune {
namespace {

using reference::Case;
using reference::Keys;
using reference::Numbers;
using reference::RandomOptions;
using safetensors::Tensor;

constexpr int largest_chunk = 128;

Numbers usual_numbers(const Problem& problem) {
  Numbers numbers;
  if (problem.apf != Apf::none) numbers.anchor = 1.0;
  if (problem.apf == Apf::constant) numbers.log_gamma = -0.05;
  return numbers;
}

bool preconditioned(const Problem& problem) {
  return problem.precondition != Precondition::none;
}

/// Writes `value(index)` over a tensor's elements, rounded to its type.
template <class Value>
void rewrite(Tensor& tensor, Value value) {
  std::vector<double> values = reference::to_doubles(tensor);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(i, values[i]);
  tensor = reference::to_tensor(std::span<const double>(values), tensor.shape, tensor.dtype);
}

/// Ends of sequences just before and just behind a chunk's end, whatever the chunk; one that is empty; one that is
/// longer than any chain of buffers; everything as little aligned as it may be.
expected<GateCase> ragged(const Problem& problem, std::uint64_t seed) {
  RandomOptions options;
  options.seed = seed;
  options.lengths = {1, largest_chunk - 1, 0, largest_chunk + 1, 2 * largest_chunk + 3};
  Shape shape{1, 0, 1, 1, static_cast<std::int64_t>(options.lengths.size())};
  for (const std::int64_t length : options.lengths) shape.t += length;
  auto made = random_case(problem, shape, usual_numbers(problem), options);
  if (!made) return made.error();
  return GateCase{"ragged tails", *std::move(made), true, true, {}};
}

/// The hard case of the inverse. d begins at 1: spread over [0.5, 1.5] it makes a correct bf16 kernel exceed the
/// tolerance of the state after a few hundred tokens, because write keys d ⊙ k that nearly cancel are rounded to bf16.
expected<GateCase> equal_keys(const Problem& problem, std::uint64_t seed) {
  RandomOptions options;
  options.seed = seed;
  options.keys = Keys::nearly_equal;
  options.initial_d = false;
  auto made = random_case(problem, Shape{1, largest_chunk + 22, 1, 1, 0}, usual_numbers(problem), options);
  if (!made) return made.error();
  rewrite(made->beta, [](std::size_t, double) { return 1.0; });
  return GateCase{"beta = 1 with nearly equal keys", *std::move(made), true, false, {}};
}

/// d begins on its bounds and a large step drives it against them.
expected<GateCase> bounds(const Problem& problem, std::uint64_t seed) {
  Numbers numbers = usual_numbers(problem);
  numbers.eta = 0.5;
  numbers.d_min = 0.75;
  numbers.d_max = 1.25;
  RandomOptions options;
  options.seed = seed;
  auto made = random_case(problem, Shape{1, largest_chunk + 22, 1, 1, 0}, numbers, options);
  if (!made) return made.error();
  if (made->initial_d) {
    rewrite(*made->initial_d, [&](std::size_t i, double) { return i % 2 == 0 ? numbers.d_min : numbers.d_max; });
  }
  return GateCase{"d at its bounds", *std::move(made), true, false, {}};
}

/// Keys that are zero for longer than a small chunk, then one and the same key; an odd number of value heads that share
/// a key head, in packed sequences.
expected<GateCase> zero_and_repeated(const Problem& problem, std::uint64_t seed) {
  RandomOptions options;
  options.seed = seed;
  options.lengths = {70, 0, 26};
  auto made = random_case(problem, Shape{1, 96, 1, 3, 3}, usual_numbers(problem), options);
  if (!made) return made.error();
  const auto width = static_cast<std::size_t>(problem.k);
  const std::vector<double> keys = reference::to_doubles(made->k);
  rewrite(made->k, [&](std::size_t i, double value) {
    const std::size_t token = i / width;
    if (token < 20) return 0.0;
    const bool repeated = token >= 30 && token < 60;
    return repeated ? keys[30 * width + i % width] : value;
  });
  return GateCase{"zero and repeated keys", *std::move(made), true, false, {}};
}

/// As in training: a batch, nothing carried in or out; several key heads with several value heads each.
expected<GateCase> plain(const Problem& problem, std::uint64_t seed) {
  RandomOptions options;
  options.seed = seed;
  options.initial_state = false;
  options.initial_d = false;
  auto made = random_case(problem, Shape{2, 21, 2, 4, 0}, usual_numbers(problem), options);
  if (!made) return made.error();
  const bool keeps = problem.operation == Operation::osdn_decode;  // a step without a pool is refused
  return GateCase{"a batch without states", *std::move(made), keeps, false, {}};
}

}  // namespace

expected<std::vector<GateCase>> gate_cases(const Problem& problem, std::uint64_t seed) {
  using Make = expected<GateCase> (*)(const Problem&, std::uint64_t);
  std::vector<Make> makers = {plain, ragged, equal_keys, zero_and_repeated};
  if (preconditioned(problem)) makers.push_back(bounds);
  std::vector<GateCase> cases;
  for (const Make make : makers) {
    auto made = make(problem, seed + cases.size());
    if (!made) return made.error();
    auto answers = reference::solve(made->inputs);
    if (!answers) return answers.error();
    made->answers = *std::move(answers);
    cases.push_back(*std::move(made));
  }
  return cases;
}

}  // namespace osdn::autotune
