// Plans of decoding steps.
#include <gtest/gtest.h>

#include "generator/constraints.hpp"
#include "generator/plan.hpp"
#include "tests/generator/random_values.hpp"

namespace osdn::generator {
namespace {

using osdn::tests::fresh_seed;
using osdn::tests::Random;

Architecture sm_80() {
  return find_architecture("sm_80").value_or_throw();
}

Problem step_of(std::string_view fields) {
  return parse_problem("osdn_decode:" + std::string(fields)).value_or_throw();
}

TEST(Decode, IsOneKernelWithoutAWorkspace) {
  const Plan made = plan(step_of("k=128,v=256"), parse_config("warps=8").value_or_throw(), sm_80()).value_or_throw();
  ASSERT_EQ(made.kernels.size(), 1U);
  EXPECT_EQ(made.kernels[0].phase, "decode");
  EXPECT_EQ(made.kernels[0].entry, "osdn_decode");
  EXPECT_EQ(made.kernels[0].threads, 256);
  EXPECT_NE(made.kernels[0].source.find("osdn::DecodeParameters p"), std::string::npos) << made.kernels[0].source;
  const Shape shape{.b = 5, .t = 16, .h = 2, .hv = 6};
  EXPECT_EQ(made.workspace(shape).bytes, 0U);
  const Launches launches = made.launches(shape);
  ASSERT_EQ(launches.size(), 1U);
  EXPECT_EQ(launches.begin()->ctas, 30);
  // k, q, w of 16 tokens in fp32, v, and five scalars each.
  EXPECT_EQ(made.kernels[0].dynamic_shared, 16U * 4U * (3 * 128 + 256 + 5));
}

TEST(Decode, WhatBreaksAConstraint) {
  const struct {
    const char* rule;
    const char* problem;
    const char* config;
    const char* sentence;
  } cases[] = {
      {"one_cta_moves_d", "v=64", "warps=1,value_split=2",
       "value_split = 2, but a step writes d over the d that every CTA of the head reads: choose value_split = 1 (more "
       "only with precondition=none)"},
      {"warps_have_tiles", "v=32", "warps=4",
       "warps = 4, but a CTA has 2 blocks of 16 value columns, one for a warp at a time: choose fewer"},
      {"step_registers_fit", "k=256,v=256", "warps=16",
       "decode asks for 192 registers of a thread (128 of them state); 16 warps leave 128: choose fewer warps"},
      {"one_step_kernel", "v=128", "cut=fixed",
       "schedule = portable and cut = fixed, but a step has one kernel: choose portable and never"},
      {"value_split", "v=96,precondition=none", "warps=1,value_split=4",
       "value_split = 4 does not divide the 6 blocks of 16 value columns of v = 96"},
  };
  for (const auto& c : cases) {
    const auto out = check(step_of(c.problem), parse_config(c.config).value_or_throw(), sm_80());
    ASSERT_FALSE(out) << c.rule;
    EXPECT_EQ(out.error().context, c.rule);
    EXPECT_EQ(out.error().message, c.sentence);
  }
}

TEST(Decode, TheDefaultIsLegalAndInTheSpaceOfEveryProblem) {
  const unsigned seed = fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  for (int i = 0; i < 300; ++i) {
    Problem problem = random.any_problem();
    problem.operation = Operation::osdn_decode;
    const auto usual = default_config(problem, sm_80());
    ASSERT_TRUE(usual) << to_string(problem) << ": " << usual.error().message;
    EXPECT_TRUE(plan(problem, *usual, sm_80()));
    const auto space = configuration_space(problem, sm_80()).value_or_throw();
    int legal = 0;
    bool found = false;
    for (const Candidate& candidate : space) {
      legal += candidate.refusal.empty() ? 1 : 0;
      found = found || (candidate.refusal.empty() && candidate.config == *usual);
    }
    EXPECT_TRUE(found) << to_string(problem) << " | " << to_string(*usual);
    EXPECT_GE(legal, 1);
  }
}

// One cubin for every chunk: the step kernel reads no field of the forward pass.
TEST(Decode, FieldsOfTheForwardPassDoNotChangeTheSource) {
  const Problem problem = step_of("v=64");
  const Plan one = plan(problem, parse_config("warps=2").value_or_throw(), sm_80()).value_or_throw();
  const Plan other =
      plan(problem, parse_config("warps=2,chunk=16,stages=3,inverse=substitution").value_or_throw(), sm_80())
          .value_or_throw();
  EXPECT_EQ(one.kernels[0].source, other.kernels[0].source);
}

}  // namespace
}  // namespace osdn::generator
