// The judge passes what is right and fails what is not.
#include "reference/judge.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reference/random_case.hpp"
#include "reference/tensor.hpp"

namespace osdn::reference {
namespace {

struct Judged {
  Case problem;
  Expected answers;
  Outputs outputs;
};

Judged judged(ElementType type, Keys keys = Keys::unit, double eta = 0.003, std::int64_t t = 20) {
  Problem problem;
  problem.type = type;
  problem.k = 16;
  problem.v = 16;
  Numbers numbers;
  numbers.eta = eta;
  RandomOptions options;
  options.keys = keys;
  Judged out;
  out.problem = random_case(problem, {.b = 1, .t = t, .h = 2, .hv = 2}, numbers, options).value_or_throw();
  out.answers = solve(out.problem).value_or_throw();
  out.outputs = to_outputs(out.problem, out.answers);
  return out;
}

/// o off by `relative` of its own size.
void disturb_o(Judged& judged, double relative) {
  std::vector<double> o = judged.answers.o;
  for (double& value : o) value *= 1 + relative;
  judged.outputs.o = to_tensor(o, judged.problem.v.shape, safetensors::DType::f64);
}

TEST(Judge, PassesTheRoundedAnswers) {
  for (const ElementType type : {ElementType::bf16, ElementType::fp16, ElementType::fp32}) {
    const Judged it = judged(type);
    const auto verdicts = judge(it.problem, it.answers, it.outputs);
    ASSERT_EQ(verdicts.size(), 3U);
    EXPECT_TRUE(all_passed(verdicts));
    EXPECT_LT(verdicts[0].ratio, 0.5);
  }
}

TEST(Judge, ToleranceByType) {
  Judged it = judged(ElementType::bf16);
  EXPECT_EQ(rms_tolerance(it.problem), 8e-3);
  EXPECT_EQ(rms_tolerance(judged(ElementType::fp16).problem), 2e-3);
  it = judged(ElementType::fp32);
  EXPECT_EQ(rms_tolerance(it.problem), 1.5e-3);
  it.problem.problem.math = Fp32Math::tf32x3;
  EXPECT_EQ(rms_tolerance(it.problem), 2e-5);
  EXPECT_EQ(d_tolerance(it.problem), 1e-4);
  it.problem.numbers.eta = 1.0;
  EXPECT_EQ(d_tolerance(it.problem), 1e-3);
  const Judged hard = judged(ElementType::fp32, Keys::nearly_equal);
  EXPECT_TRUE(keys_nearly_equal(hard.problem));
  EXPECT_DOUBLE_EQ(rms_tolerance(hard.problem), 2.5 * 1.5e-3);
}

TEST(Judge, ZeroKeysAreNotNearlyEqual) {
  EXPECT_FALSE(keys_nearly_equal(judged(ElementType::fp32, Keys::zero).problem));
}

TEST(Judge, FailsJustAboveAndPassesJustBelowTheTolerance) {
  Judged it = judged(ElementType::bf16);
  disturb_o(it, 7.9e-3);
  auto verdict = judge(it.problem, it.answers, it.outputs)[0];
  EXPECT_TRUE(verdict.passed);
  EXPECT_NEAR(verdict.error, 7.9e-3, 1e-9);
  disturb_o(it, 8.1e-3);
  verdict = judge(it.problem, it.answers, it.outputs)[0];
  EXPECT_FALSE(verdict.passed);
  EXPECT_NEAR(verdict.ratio, 8.1e-3 / 8e-3, 1e-6);
}

TEST(Judge, FailsAWrongD) {
  Judged it = judged(ElementType::bf16);
  std::vector<double> d = it.answers.final_d;
  d[5] += 1.1e-4;
  it.outputs.final_d = to_tensor(d, {1, 2, 16}, safetensors::DType::f64);
  const auto verdict = judge(it.problem, it.answers, it.outputs)[2];
  EXPECT_FALSE(verdict.passed);
  EXPECT_NEAR(verdict.error, 1.1e-4, 1e-12);
  it.outputs.final_d.reset();
  EXPECT_FALSE(all_passed(judge(it.problem, it.answers, it.outputs)));
}

TEST(Judge, FailsWhatIsNotFinite) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Judged it = judged(ElementType::fp32);
    std::vector<double> state = it.answers.final_state;
    state.back() = bad;
    it.outputs.final_state = to_tensor(state, {1, 2, 16, 16}, safetensors::DType::f32);
    const auto verdicts = judge(it.problem, it.answers, it.outputs);
    EXPECT_FALSE(verdicts[1].passed);
    EXPECT_EQ(verdicts[1].reason, "not finite");
  }
}

TEST(Judge, AllZeroAnswersAreJudgedByTheirOwnSize) {
  Judged it = judged(ElementType::fp32);
  std::fill(it.answers.o.begin(), it.answers.o.end(), 0.0);
  it.outputs.o = to_tensor(std::vector<double>(it.answers.o.size(), 1e-3), it.problem.v.shape, safetensors::DType::f32);
  auto verdict = judge(it.problem, it.answers, it.outputs)[0];
  EXPECT_EQ(verdict.measure, "RMS");
  EXPECT_TRUE(verdict.passed);
  it.outputs.o = to_tensor(std::vector<double>(it.answers.o.size(), 2e-3), it.problem.v.shape, safetensors::DType::f32);
  EXPECT_FALSE(judge(it.problem, it.answers, it.outputs)[0].passed);
}

TEST(Judge, EmptyTensorsPass) {
  const Judged it = judged(ElementType::bf16, Keys::unit, 0.003, 0);
  const auto verdicts = judge(it.problem, it.answers, it.outputs);
  EXPECT_TRUE(all_passed(verdicts));
  EXPECT_EQ(verdicts[0].error, 0);
}

TEST(Judge, WithoutAPreconditionerDIsExactlyOne) {
  Judged it = judged(ElementType::bf16);
  it.problem.problem.precondition = Precondition::none;
  it.problem.initial_d.reset();
  it.answers = solve(it.problem).value_or_throw();
  it.outputs = to_outputs(it.problem, it.answers);
  EXPECT_TRUE(all_passed(judge(it.problem, it.answers, it.outputs)));
  std::vector<double> d(32, 1.0);
  d[3] = 1.0 + 1e-6;
  it.outputs.final_d = to_tensor(d, {1, 2, 16}, safetensors::DType::f32);
  EXPECT_FALSE(all_passed(judge(it.problem, it.answers, it.outputs)));
  it.outputs.final_d.reset();
  EXPECT_TRUE(all_passed(judge(it.problem, it.answers, it.outputs)));
}

TEST(Judge, FailsAnotherSize) {
  Judged it = judged(ElementType::bf16);
  it.outputs.o = to_tensor(std::vector<double>(3, 0.0), {3}, safetensors::DType::f32);
  EXPECT_FALSE(judge(it.problem, it.answers, it.outputs)[0].passed);
}

}  // namespace
}  // namespace osdn::reference
