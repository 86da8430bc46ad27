// Properties of the recurrence that do not need another implementation.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reference/case.hpp"
#include "reference/random_case.hpp"
#include "reference/tensor.hpp"

namespace osdn::reference {
namespace {

constexpr std::uint64_t seed = 20261121;

Problem small_problem() {
  Problem problem;
  problem.type = ElementType::fp32;
  problem.k = 16;
  problem.v = 32;
  return problem;
}

Numbers lively() {
  Numbers numbers;
  numbers.eta = 1.0;
  return numbers;
}

Case make(const Problem& problem, const Shape& shape, const Numbers& numbers, RandomOptions options = {}) {
  options.seed = seed;
  return random_case(problem, shape, numbers, options).value_or_throw();
}

/// The first `t` tokens of a case with B = 1, or those from `t` on.
Case part_of(const Case& whole, std::int64_t from, std::int64_t to) {
  Case part = whole;
  part.shape.t = to - from;
  for (safetensors::Tensor* tensor : {&part.q, &part.k, &part.v, &part.beta}) {
    const std::size_t row = tensor->data.size() / static_cast<std::size_t>(tensor->shape[1]);
    const auto* begin = tensor->data.data();
    tensor->data = {begin + static_cast<std::size_t>(from) * row, begin + static_cast<std::size_t>(to) * row};
    tensor->shape[1] = to - from;
  }
  return part;
}

TEST(Recurrence, OneTokenByHand) {
  // K = V = 1 … 1: h̄ = 2, d = 1.5, k = 0.5, v = 3, β = 0.25: u = 0.25(3 − 1) = 0.5, w = 0.75, h = 2.375.
  ForwardInputs inputs;
  inputs.problem.k = 1;
  inputs.problem.v = 1;
  inputs.shape.t = 1;
  inputs.numbers.eta = 0.8;
  inputs.numbers.scale = 10.0;
  const double q = 2.0;
  const double k = 0.5;
  const double v = 3.0;
  const double beta = 0.25;
  const double h = 2.0;
  const double d = 1.5;
  inputs.q = {&q, 1};
  inputs.k = {&k, 1};
  inputs.v = {&v, 1};
  inputs.beta = {&beta, 1};
  inputs.initial_state = {&h, 1};
  inputs.initial_d = {&d, 1};
  const auto outputs = forward(inputs);
  ASSERT_TRUE(outputs) << outputs.error().message;
  EXPECT_DOUBLE_EQ(outputs->final_state[0], 2.375);
  EXPECT_DOUBLE_EQ(outputs->o[0], 10 * 2.375 * 2.0);
  // z = 1 − 0.25·1.5·0.25 = 0.90625; d += 0.8·0.25·z/0.25·0.25
  EXPECT_DOUBLE_EQ(outputs->final_d[0], 1.5 + 0.8 * 0.25 * 0.90625);
}

TEST(Recurrence, UnitKeysWithoutBetaInTheGateAreDeltaNet) {
  // b = 1, d = 1, |k| = 1: z vanishes, and OSDN is DeltaNet.
  Problem osdn = small_problem();
  osdn.beta_aware = false;
  RandomOptions options;
  options.initial_d = false;
  Case with = make(osdn, {.b = 2, .t = 40, .h = 2, .hv = 2}, lively(), options);
  Case without = with;
  without.problem.precondition = Precondition::none;
  const auto a = solve(with).value_or_throw();
  const auto b = solve(without).value_or_throw();
  for (std::size_t i = 0; i < a.o.size(); ++i) ASSERT_NEAR(a.o[i], b.o[i], 1e-5) << i;  // |k| = 1 up to float
  for (const double d : b.final_d) ASSERT_EQ(d, 1.0);
}

TEST(Recurrence, CutAndContinueEqualsUncut) {
  const Case whole = make(small_problem(), {.b = 1, .t = 37, .h = 1, .hv = 3}, lively());
  const auto uncut = solve(whole).value_or_throw();
  const auto first = solve(part_of(whole, 0, 13)).value_or_throw();
  Case rest = part_of(whole, 13, 37);
  // The state is carried in float64 here: through the interface of doubles, not through a file's fp32.
  const CaseInputs inputs(rest);
  ForwardInputs view = inputs.view();
  view.initial_state = first.final_state;
  view.initial_d = first.final_d;
  const auto second = forward(view).value_or_throw();
  EXPECT_EQ(second.final_state, uncut.final_state);
  EXPECT_EQ(second.final_d, uncut.final_d);
  EXPECT_TRUE(std::equal(second.o.begin(), second.o.end(), uncut.o.begin() + 13 * 3 * 32));
}

TEST(Recurrence, PackedSequencesEqualSeparateOnes) {
  RandomOptions options;
  options.lengths = {5, 0, 17, 1, 0};
  const Case packed = make(small_problem(), {.b = 1, .t = 23, .h = 2, .hv = 4, .n = 5}, lively(), options);
  const auto together = solve(packed).value_or_throw();
  const std::size_t state = 4 * 16 * 32;
  const CaseInputs all(packed);
  std::int64_t start = 0;
  for (std::size_t n = 0; n < 5; ++n) {
    const std::int64_t length = options.lengths[n];
    Case alone = part_of(packed, start, start + length);
    alone.shape.n = 0;
    const CaseInputs inputs(alone);
    ForwardInputs view = inputs.view();
    view.cu_seqlens = {};
    view.initial_state = all.view().initial_state.subspan(n * state, state);
    view.initial_d = all.view().initial_d.subspan(n * 64, 64);
    const auto out = forward(view);
    ASSERT_TRUE(out) << out.error().message;
    EXPECT_TRUE(std::equal(out->o.begin(), out->o.end(), together.o.begin() + start * 4 * 32)) << n;
    EXPECT_TRUE(std::equal(out->final_state.begin(), out->final_state.end(),
                           together.final_state.begin() + static_cast<std::ptrdiff_t>(n * state)));
    EXPECT_TRUE(std::equal(out->final_d.begin(), out->final_d.end(),
                           together.final_d.begin() + static_cast<std::ptrdiff_t>(n * 64)));
    start += length;
  }
}

TEST(Recurrence, NoTokensGiveTheInitialStates) {
  const Case empty = make(small_problem(), {.b = 3, .t = 0, .h = 1, .hv = 2}, lively());
  const auto out = solve(empty).value_or_throw();
  EXPECT_TRUE(out.o.empty());
  EXPECT_EQ(out.final_state, to_doubles(*empty.initial_state));
  EXPECT_EQ(out.final_d, to_doubles(*empty.initial_d));

  RandomOptions bare;
  bare.initial_state = false;
  bare.initial_d = false;
  const auto fresh = solve(make(small_problem(), {.b = 1, .t = 0}, lively(), bare)).value_or_throw();
  for (const double h : fresh.final_state) EXPECT_EQ(h, 0.0);
  for (const double d : fresh.final_d) EXPECT_EQ(d, 1.0);
}

TEST(Recurrence, InitialDMayLieOutsideTheClip) {
  // Used as given by the first token; the clip first acts on d_2.
  Case problem = make(small_problem(), {.b = 1, .t = 1}, lively());
  problem.initial_d = to_tensor(std::vector<double>(16, 5.0), {1, 1, 16}, safetensors::DType::f32);
  const auto out = solve(problem).value_or_throw();
  const auto k = to_doubles(problem.k);
  const auto v = to_doubles(problem.v);
  const auto h0 = to_doubles(*problem.initial_state);
  const double beta = to_doubles(problem.beta)[0];
  double read = 0;
  for (std::size_t c = 0; c < 16; ++c) read += k[c] * h0[c * 32];
  EXPECT_NEAR(out.final_state[0], h0[0] + 5.0 * k[0] * beta * (v[0] - read), 1e-14);
  for (const double d : out.final_d) EXPECT_LE(d, 2.0);
}

TEST(Recurrence, TheClipBindsAndHolds) {
  Numbers numbers = lively();
  numbers.d_min = 0.95;
  numbers.d_max = 1.05;
  const auto out = solve(make(small_problem(), {.b = 1, .t = 200}, numbers)).value_or_throw();
  int bound = 0;
  for (const double d : out.final_d) {
    EXPECT_GE(d, numbers.d_min);
    EXPECT_LE(d, numbers.d_max);
    bound += d == numbers.d_min || d == numbers.d_max ? 1 : 0;
  }
  EXPECT_GT(bound, 0);
}

TEST(Recurrence, ANanReachesItsHeadAndNoOther) {
  const Case clean = make(small_problem(), {.b = 2, .t = 9, .h = 2, .hv = 4}, lively());
  const auto good = solve(clean).value_or_throw();
  const CaseInputs inputs(clean);
  std::vector<double> k(inputs.view().k.begin(), inputs.view().k.end());
  k[(3 * 2 + 1) * 16 + 7] = std::numeric_limits<double>::quiet_NaN();  // batch 0, token 3, key head 1: value heads 2, 3
  ForwardInputs view = inputs.view();
  view.k = k;
  const auto out = forward(view).value_or_throw();
  for (std::size_t b = 0; b < 2; ++b) {
    for (std::size_t head = 0; head < 4; ++head) {
      const bool hit = b == 0 && head >= 2;
      for (std::size_t c = 0; c < 16; ++c) {
        const std::size_t at = (b * 4 + head) * 16 + c;
        // The clip does not swallow it: every feature's d depends on ⟨d, s⟩.
        if (hit)
          EXPECT_TRUE(std::isnan(out.final_d[at])) << at;
        else
          EXPECT_EQ(out.final_d[at], good.final_d[at]) << at;
      }
      for (std::size_t i = 0; i < 16 * 32; ++i) {
        const std::size_t at = (b * 4 + head) * 16 * 32 + i;
        if (hit)
          EXPECT_TRUE(std::isnan(out.final_state[at])) << at;
        else
          EXPECT_EQ(out.final_state[at], good.final_state[at]) << at;
      }
    }
  }
}

struct BadInput {
  const char* name;
  void (*change)(ForwardInputs&);
  const char* field;
};

class Refused : public testing::TestWithParam<BadInput> {};

TEST_P(Refused, NamesTheField) {
  static std::vector<std::int64_t> starts = {0, 3, 2, 9};
  Problem problem = small_problem();
  problem.apf = Apf::per_token;
  const Case good = make(problem, {.b = 1, .t = 9, .h = 1, .hv = 2}, lively());
  const CaseInputs inputs(good);
  ForwardInputs view = inputs.view();
  ASSERT_TRUE(validate(view));
  GetParam().change(view);
  if (GetParam().field == std::string("cu_seqlens")) {
    view.shape.n = 3;
    view.cu_seqlens = starts;
    view.initial_state = {};
    view.initial_d = {};
  }
  const auto out = forward(view);
  ASSERT_FALSE(out);
  EXPECT_NE(out.error().message.find(GetParam().field), std::string::npos) << out.error().message;
  EXPECT_NE(out.error().message.find("allowed"), std::string::npos) << out.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Inputs, Refused,
    testing::Values(BadInput{"hv", [](ForwardInputs& in) { in.shape.h = 4; }, "hv"},
                    BadInput{"t", [](ForwardInputs& in) { in.shape.t = -1; }, "t is -1"},
                    BadInput{"q", [](ForwardInputs& in) { in.q = in.q.subspan(1); }, "q has"},
                    BadInput{"log_gamma", [](ForwardInputs& in) { in.log_gamma = {}; }, "log_gamma has 0"},
                    BadInput{"eta", [](ForwardInputs& in) { in.numbers.eta = -0.1; }, "eta is -0.1"},
                    BadInput{"d_max", [](ForwardInputs& in) { in.numbers.d_max = 0.1; }, "d_max is 0.1"},
                    BadInput{"norm_eps", [](ForwardInputs& in) { in.numbers.norm_eps = 0; }, "norm_eps is 0"},
                    BadInput{"nan", [](ForwardInputs& in) { in.numbers.d_min = std::nan(""); }, "d_min is nan"},
                    BadInput{"cu_seqlens", [](ForwardInputs&) {}, "cu_seqlens"},
                    BadInput{"initial_d",
                             [](ForwardInputs& in) {
                               in.problem.precondition = Precondition::none;
                               in.log_gamma = {};
                             },
                             "initial_d is given"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace osdn::reference
