#include "reference/random_case.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "reference/tensor.hpp"

namespace osdn::reference {
namespace {

using safetensors::DType;

/// SplitMix64: small, and the same everywhere, which std's distributions are not.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  /// In [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  std::uint64_t state_;
};

std::vector<double> normals(Random& random, std::int64_t count, double deviation) {
  std::vector<double> out(static_cast<std::size_t>(count));
  for (double& value : out) value = deviation * random.normal();
  return out;
}

std::vector<double> uniforms(Random& random, std::int64_t count, double low, double high) {
  std::vector<double> out(static_cast<std::size_t>(count));
  for (double& value : out) value = random.uniform(low, high);
  return out;
}

/// Makes each row of `width` as long as `length()` says.
template <class Length>
void set_lengths(std::vector<double>& rows, std::size_t width, Length length) {
  for (std::size_t row = 0; row < rows.size(); row += width) {
    double squares = 0;
    for (std::size_t c = 0; c < width; ++c) squares += rows[row + c] * rows[row + c];
    const double factor = length() / std::sqrt(squares);
    for (std::size_t c = 0; c < width; ++c) rows[row + c] *= factor;
  }
}

std::vector<double> random_keys(Random& random, Keys kind, std::int64_t count, std::size_t width) {
  if (kind == Keys::zero) return std::vector<double>(static_cast<std::size_t>(count));
  std::vector<double> keys = normals(random, count, 1.0);
  if (kind == Keys::nearly_equal) {
    const std::vector<double> direction = normals(random, static_cast<std::int64_t>(width), 1.0);
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = direction[i % width] + 0.02 * keys[i];
  }
  const bool scaled = kind == Keys::scaled;
  set_lengths(keys, width, [&] { return scaled ? random.uniform(0.5, 2.0) : 1.0; });
  return keys;
}

expected<std::vector<std::int64_t>> sequence_starts(Random& random, const Shape& shape,
                                                    const std::vector<std::int64_t>& lengths) {
  std::vector<std::int64_t> starts = {0};
  if (lengths.empty()) {
    for (std::int64_t n = 1; n < shape.n; ++n) {
      starts.push_back(static_cast<std::int64_t>(random.uniform() * static_cast<double>(shape.t + 1)));
    }
    std::sort(starts.begin(), starts.end());
    starts.push_back(shape.t);
    return starts;
  }
  for (const std::int64_t length : lengths) starts.push_back(starts.back() + length);
  if (static_cast<std::int64_t>(lengths.size()) != shape.n || starts.back() != shape.t) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("lengths are {} sequences of {} tokens; allowed: n = {} of t = {}", lengths.size(),
                             starts.back(), shape.n, shape.t),
                 {}};
  }
  return starts;
}

}  // namespace

expected<Case> random_case(const Problem& problem, const Shape& shape, const Numbers& numbers,
                           const RandomOptions& options) {
  Random random(options.seed);
  Case out;
  out.problem = problem;
  out.shape = shape;
  out.numbers = numbers;
  if (shape.b < 1 || shape.t < 0 || shape.h < 1 || shape.hv < 1 || shape.n < 0 || problem.k < 1 || problem.v < 1) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("b={},t={},h={},hv={},n={},k={},v={}; allowed: t and n of 0 and more, the others above 0",
                             shape.b, shape.t, shape.h, shape.hv, shape.n, problem.k, problem.v),
                 {}};
  }
  const std::int64_t tokens = shape.b * shape.t;
  const std::int64_t states = shape.sequences() * shape.hv * problem.k;
  const auto features = static_cast<std::size_t>(problem.k);
  const bool preconditioned = problem.precondition != Precondition::none;
  const DType element = dtype_of(problem.type);
  const DType beta_type = problem.beta_type == BetaType::fp32 ? DType::f32 : element;

  std::vector<double> q = normals(random, tokens * shape.h * problem.k, 1.0);
  set_lengths(q, features, [] { return 1.0; });
  const bool hard = options.keys == Keys::nearly_equal;
  out.q = to_tensor(q, {shape.b, shape.t, shape.h, problem.k}, element);
  out.k = to_tensor(random_keys(random, options.keys, tokens * shape.h * problem.k, features), out.q.shape, element);
  out.v =
      to_tensor(normals(random, tokens * shape.hv * problem.v, 1.0), {shape.b, shape.t, shape.hv, problem.v}, element);
  out.beta =
      to_tensor(uniforms(random, tokens * shape.hv, hard ? 0.95 : 0.05, 1.0), {shape.b, shape.t, shape.hv}, beta_type);
  if (const auto sizes = log_gamma_shape(problem, shape); !sizes.empty()) {
    std::vector<double> log_gamma = uniforms(random, log_gamma_elements(problem, shape), -9.0, -2.0);
    for (double& value : log_gamma) value = -std::exp(value);  // from 1e-4 to 0.14 forgotten a token
    out.log_gamma = to_tensor(log_gamma, sizes, DType::f32);
  }
  if (options.initial_state) {
    out.initial_state = to_tensor(normals(random, states * problem.v, 0.1),
                                  {shape.sequences(), shape.hv, problem.k, problem.v}, state_dtype_of(problem));
  }
  if (options.initial_d && preconditioned) {
    const double low = std::max(numbers.d_min, 0.5);
    const double high = std::max(low, std::min(numbers.d_max, 1.5));
    out.initial_d =
        to_tensor(uniforms(random, states, low, high), {shape.sequences(), shape.hv, problem.k}, DType::f32);
  }
  if (shape.packed()) {
    auto starts = sequence_starts(random, shape, options.lengths);
    if (!starts) return starts.error();
    out.cu_seqlens = to_tensor(std::span<const std::int64_t>(*starts), {shape.n + 1});
  }
  const CaseInputs inputs(out);
  if (auto ok = validate(inputs.view()); !ok) return ok.error();
  return out;
}

}  // namespace osdn::reference
