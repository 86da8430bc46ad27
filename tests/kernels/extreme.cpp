#include "tests/kernels/extreme.hpp"

#include <algorithm>

#include "reference/tensor.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Keys;

constexpr Extreme all[] = {
    {.name = "random", .what = "unit keys, β in (0.05, 1)"},
    {.name = "beta_one", .what = "unit keys, β = 1", .beta_one = true},
    {.name = "nearly_equal", .what = "keys nearly equal, β in (0.95, 1)", .keys = Keys::nearly_equal},
    {.name = "one_key", .what = "one key for all tokens, β = 1", .one_key = true, .beta_one = true},
    {.name = "d_two", .what = "unit keys, d = 2, β in (0.05, 1)", .d = 2},
    {.name = "d_two_nearly_equal",
     .what = "keys nearly equal, d = 2, β = 1",
     .keys = Keys::nearly_equal,
     .beta_one = true,
     .d = 2},
    {.name = "d_two_one_key", .what = "one key, d = 2, β = 1", .one_key = true, .beta_one = true, .d = 2},
};

/// Each row of `row` bytes becomes the first.
void repeat_first(std::vector<std::byte>& bytes, std::size_t row) {
  for (std::size_t at = row; at < bytes.size(); at += row) std::copy_n(bytes.begin(), row, bytes.data() + at);
}

}  // namespace

std::span<const Extreme> extremes() {
  return all;
}

expected<Case> extreme_case(const Extreme& extreme, const Problem& problem, const Shape& shape, std::uint64_t seed) {
  reference::RandomOptions random;
  random.seed = seed;
  random.keys = extreme.keys;
  random.initial_state = false;
  random.initial_d = extreme.d > 0;
  reference::Numbers numbers;
  if (extreme.d > 0) numbers.d_min = numbers.d_max = extreme.d;
  auto made = reference::random_case(problem, shape, numbers, random);
  if (!made) return made;
  if (extreme.one_key) {
    const auto row = static_cast<std::size_t>(shape.h * problem.k) * size_of(made->k.dtype);
    repeat_first(made->k.data, row);
  }
  if (extreme.beta_one) {
    const std::vector<double> ones(static_cast<std::size_t>(made->beta.elements()), 1.0);
    made->beta = reference::to_tensor(ones, made->beta.shape, made->beta.dtype);
  }
  if (made->initial_d && extreme.d > 0) {
    const std::vector<double> held(static_cast<std::size_t>(made->initial_d->elements()), extreme.d);
    made->initial_d = reference::to_tensor(held, made->initial_d->shape, made->initial_d->dtype);
  }
  return made;
}

}  // namespace osdn::tests
