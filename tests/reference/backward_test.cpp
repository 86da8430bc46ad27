// The gradient against central differences of the forward pass.
#include "reference/backward.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>

#include "reference/case.hpp"
#include "reference/head.hpp"
#include "reference/random_case.hpp"

namespace osdn::reference {
namespace {

struct Variant {
  std::string name;
  Problem problem;
  Shape shape;
  Numbers numbers;
  Keys keys = Keys::scaled;
  bool clip_binds = false;
};

Problem tiny(Apf apf, Norm norm, bool beta_aware, bool l2norm = false) {
  Problem problem;
  problem.type = ElementType::fp32;
  problem.k = 5;
  problem.v = 3;
  problem.apf = apf;
  problem.norm = norm;
  problem.beta_aware = beta_aware;
  problem.qk_l2norm = l2norm;
  return problem;
}

Numbers wide_clip(double eta) {
  Numbers numbers;
  numbers.eta = eta;
  numbers.d_min = 0.0;
  numbers.d_max = 100.0;
  numbers.anchor = 0.7;
  numbers.log_gamma = -0.1;
  return numbers;
}

std::vector<Variant> variants() {
  const Shape plain{.b = 2, .t = 6, .h = 1, .hv = 1};
  const Shape grouped{.b = 1, .t = 6, .h = 2, .hv = 6};
  const Shape packed{.b = 1, .t = 9, .h = 1, .hv = 2, .n = 3};
  Numbers tight = wide_clip(1.0);
  tight.d_min = 0.9;
  tight.d_max = 1.1;
  Numbers floor_binds = wide_clip(0.3);
  floor_binds.norm_eps = 1.5;  // some keys below, some above
  Problem deltanet = tiny(Apf::none, Norm::max, true);
  deltanet.precondition = Precondition::none;
  return {{"deltanet", deltanet, grouped, {}},
          {"apf_none", tiny(Apf::none, Norm::max, true), plain, wide_clip(0.5)},
          {"apf_constant", tiny(Apf::constant, Norm::add, true), plain, wide_clip(0.5)},
          {"apf_per_head", tiny(Apf::per_head, Norm::one, false), grouped, wide_clip(0.05)},
          {"apf_per_token", tiny(Apf::per_token, Norm::max, false), packed, wide_clip(0.1)},
          {"apf_per_channel", tiny(Apf::per_channel, Norm::add, true), grouped, wide_clip(0.5)},
          {"norm_one", tiny(Apf::per_token, Norm::one, true), plain, wide_clip(0.2)},
          {"norm_max_some_below", tiny(Apf::none, Norm::max, true), grouped, floor_binds},
          {"l2norm", tiny(Apf::per_channel, Norm::max, true, true), grouped, wide_clip(0.9)},
          {"clip_binds", tiny(Apf::per_token, Norm::max, true), grouped, tight, Keys::scaled, true},
          {"clip_binds_l2norm", tiny(Apf::constant, Norm::add, false, true), packed, tight, Keys::scaled, true}};
}

/// The inputs of a case, each changeable by itself.
struct Inputs {
  explicit Inputs(const Case& problem) : base(CaseInputs(problem).view()) {
    const CaseInputs inputs(problem);
    const ForwardInputs& view = inputs.view();
    q.assign(view.q.begin(), view.q.end());
    k.assign(view.k.begin(), view.k.end());
    v.assign(view.v.begin(), view.v.end());
    beta.assign(view.beta.begin(), view.beta.end());
    log_gamma.assign(view.log_gamma.begin(), view.log_gamma.end());
    initial_state.assign(view.initial_state.begin(), view.initial_state.end());
    initial_d.assign(view.initial_d.begin(), view.initial_d.end());
    cu_seqlens.assign(view.cu_seqlens.begin(), view.cu_seqlens.end());
  }
  [[nodiscard]] ForwardInputs view() const {
    return {base.problem, base.shape, base.numbers, q, k, v, beta, log_gamma, initial_state, initial_d, cu_seqlens};
  }
  ForwardInputs base;
  std::vector<double> q, k, v, beta, log_gamma, initial_state, initial_d;
  std::vector<std::int64_t> cu_seqlens;
};

std::vector<double> weights(std::size_t count, std::uint64_t salt) {
  std::vector<double> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = std::sin(static_cast<double>(salt + 17 * i) * 1.618);
  return out;
}

/// A scalar of the outputs, Σ weight · output: its gradient is what backward() gives for these weights as adjoints.
struct Loss {
  std::vector<double> o, final_state, final_d;

  [[nodiscard]] double of(const ForwardOutputs& out) const {
    double sum = 0;
    for (std::size_t i = 0; i < o.size(); ++i) sum += o[i] * out.o[i];
    for (std::size_t i = 0; i < final_state.size(); ++i) sum += final_state[i] * out.final_state[i];
    for (std::size_t i = 0; i < final_d.size(); ++i) sum += final_d[i] * out.final_d[i];
    return sum;
  }
};

/// Like forward(), but with d of every token held at what `frozen` had: what detach_d differentiates.
double detached_loss(const ForwardInputs& inputs, const ForwardInputs& frozen, const Loss& loss) {
  double sum = 0;
  const auto heads = static_cast<std::size_t>(inputs.shape.hv);
  const auto values = static_cast<std::size_t>(inputs.problem.v);
  for (const HeadPlace& place : head_places(inputs)) {
    const std::vector<double> d = write_scale(frozen, gather_head(frozen, place));
    const Head head = gather_head(inputs, place);
    const DeltaRuleOutputs out = delta_rule(delta_rule_rows(inputs, head, d), head.initial_state.data());
    for (std::size_t i = 0; i < out.o.size(); ++i) {
      const std::size_t row = (place.first_token + i / values) * heads + place.head;
      sum += loss.o[row * values + i % values] * out.o[i];
    }
    const std::size_t block = (place.sequence * heads + place.head) * out.final_state.size();
    for (std::size_t i = 0; i < out.final_state.size(); ++i) sum += loss.final_state[block + i] * out.final_state[i];
  }
  return sum;
}

template <class Function>
double central_difference(double& x, Function function) {
  const double step = 1e-5;
  const double at = x;
  x = at + step;
  const double above = function();
  x = at - step;
  const double below = function();
  x = at;
  return (above - below) / (2 * step);
}

template <class Function>
void compare(const char* field, std::vector<double>& x, const std::vector<double>& gradient, Function function) {
  ASSERT_EQ(x.size(), gradient.size()) << field;
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double difference = central_difference(x[i], function);
    largest = std::max(largest, std::fabs(difference));
    ASSERT_NEAR(gradient[i], difference, 2e-8 * (1 + std::fabs(difference))) << field << "[" << i << "]";
  }
  EXPECT_GT(largest, 1e-6) << field << " does not matter to the loss: the comparison is empty";
}

class Gradient : public testing::TestWithParam<Variant> {};

TEST_P(Gradient, MatchesCentralDifferences) {
  const Variant& variant = GetParam();
  RandomOptions options;
  options.seed = 7;
  options.keys = variant.keys;
  RecordProperty("seed", 7);
  const Case problem = random_case(variant.problem, variant.shape, variant.numbers, options).value_or_throw();
  Inputs inputs(problem);
  inputs.base.numbers = variant.numbers;
  const auto out = forward(inputs.view()).value_or_throw();
  const Loss loss{weights(out.o.size(), 1), weights(out.final_state.size(), 2), weights(out.final_d.size(), 3)};
  const auto gradients = backward({inputs.view(), loss.o, loss.final_state, loss.final_d, false}).value_or_throw();
  const auto evaluate = [&] { return loss.of(forward(inputs.view()).value_or_throw()); };

  compare("q", inputs.q, gradients.q, evaluate);
  compare("k", inputs.k, gradients.k, evaluate);
  compare("v", inputs.v, gradients.v, evaluate);
  compare("beta", inputs.beta, gradients.beta, evaluate);
  compare("initial_state", inputs.initial_state, gradients.initial_state, evaluate);
  if (variant.problem.precondition == Precondition::none) {
    EXPECT_TRUE(gradients.initial_d.empty());
    EXPECT_EQ(gradients.eta, 0);
    return;
  }
  compare("initial_d", inputs.initial_d, gradients.initial_d, evaluate);
  Numbers& numbers = inputs.base.numbers;
  const double eta = central_difference(numbers.eta, evaluate);
  EXPECT_NEAR(gradients.eta, eta, 2e-8 * (1 + std::fabs(eta)));
  const double anchor = central_difference(numbers.anchor, evaluate);
  EXPECT_NEAR(gradients.anchor, anchor, 2e-8 * (1 + std::fabs(anchor)));
  if (variant.problem.apf == Apf::constant) {
    const double log_gamma = central_difference(numbers.log_gamma, evaluate);
    ASSERT_EQ(gradients.log_gamma.size(), 1U);
    EXPECT_NEAR(gradients.log_gamma[0], log_gamma, 2e-8 * (1 + std::fabs(log_gamma)));
  } else if (!inputs.log_gamma.empty()) {
    compare("log_gamma", inputs.log_gamma, gradients.log_gamma, evaluate);
  }
}

TEST_P(Gradient, DetachedMatchesDifferencesWithDHeld) {
  const Variant& variant = GetParam();
  const Case problem = random_case(variant.problem, variant.shape, variant.numbers).value_or_throw();
  Inputs inputs(problem);
  const Inputs frozen(problem);
  const auto out = forward(inputs.view()).value_or_throw();
  const Loss loss{weights(out.o.size(), 1), weights(out.final_state.size(), 2), weights(out.final_d.size(), 3)};
  const auto gradients = backward({inputs.view(), loss.o, loss.final_state, loss.final_d, true}).value_or_throw();
  const auto evaluate = [&] { return detached_loss(inputs.view(), frozen.view(), loss); };
  compare("q", inputs.q, gradients.q, evaluate);
  compare("k", inputs.k, gradients.k, evaluate);
  compare("v", inputs.v, gradients.v, evaluate);
  compare("beta", inputs.beta, gradients.beta, evaluate);
  compare("initial_state", inputs.initial_state, gradients.initial_state, evaluate);
  EXPECT_EQ(gradients.eta, 0);
  for (const double d : gradients.initial_d) EXPECT_EQ(d, 0);
  for (const double log_gamma : gradients.log_gamma) EXPECT_EQ(log_gamma, 0);
}

TEST_P(Gradient, TheClipBindsWhereTheVariantSaysSo) {
  const Variant& variant = GetParam();
  if (variant.problem.precondition == Precondition::none) return;
  RandomOptions options;
  options.seed = 7;
  options.keys = variant.keys;
  const Inputs inputs(random_case(variant.problem, variant.shape, variant.numbers, options).value_or_throw());
  int bound = 0;
  int free = 0;
  for (const HeadPlace& place : head_places(inputs.view())) {
    const auto d = write_scale(inputs.view(), gather_head(inputs.view(), place));
    for (std::size_t i = 5; i < d.size(); ++i) {
      const bool on_bound = d[i] == variant.numbers.d_min || d[i] == variant.numbers.d_max;
      (on_bound ? bound : free) += 1;
    }
  }
  EXPECT_GT(free, 0);
  if (variant.clip_binds)
    EXPECT_GT(bound, free / 10);
  else
    EXPECT_EQ(bound, 0);
}

INSTANTIATE_TEST_SUITE_P(Variants, Gradient, testing::ValuesIn(variants()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace osdn::reference
