// canonical(), hyperparameters, presets, architectures.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "generator/architecture.hpp"
#include "osdn/hyperparameters.hpp"
#include "tests/generator/random_values.hpp"

namespace osdn {
namespace {

TEST(Canonical, BringsFieldsWithoutAMeaningToTheirDefaults) {
  Problem p;
  p.math = Fp32Math::tf32x3;
  EXPECT_EQ(canonical(p).value_or_throw(), Problem{});
  p.type = ElementType::fp32;
  EXPECT_EQ(canonical(p).value_or_throw().math, Fp32Math::tf32x3);

  Problem delta_net{.precondition = Precondition::none};
  Problem same = delta_net;
  same.apf = Apf::per_channel;
  same.norm = Norm::add;
  same.beta_aware = false;
  EXPECT_EQ(canonical(same).value_or_throw(), delta_net);
}

TEST(Canonical, IsIdempotentAndKeepsWhatHasAMeaning) {
  const unsigned seed = tests::fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  tests::Random random(seed);
  for (int i = 0; i < 1000; ++i) {
    const Problem given = random.problem();
    const Problem once = canonical(given).value_or_throw();
    EXPECT_EQ(canonical(once).value_or_throw(), once);
    EXPECT_EQ(once.k, given.k);
    EXPECT_EQ(once.v, given.v);
    EXPECT_EQ(once.type, given.type);
    EXPECT_EQ(once.qk_l2norm, given.qk_l2norm);
    EXPECT_EQ(once.beta_type, given.beta_type);
    EXPECT_EQ(once.precondition, given.precondition);
    if (given.precondition == Precondition::osdn) {
      EXPECT_EQ(once.apf, given.apf);
      EXPECT_EQ(once.norm, given.norm);
      EXPECT_EQ(once.beta_aware, given.beta_aware);
    }
  }
}

TEST(Canonical, TakesEveryHeadDimensionOfTheRangeAndNoOther) {
  for (int n = -300; n <= 600; ++n) {
    const bool legal = n >= 16 && n <= 256 && n % 16 == 0;
    const auto k = canonical(Problem{.k = n});
    const auto v = canonical(Problem{.v = n});
    EXPECT_EQ(k.has_value(), legal) << n;
    EXPECT_EQ(v.has_value(), legal) << n;
    if (legal) continue;
    EXPECT_EQ(k.error().message,
              "problem field k was '" + std::to_string(n) + "'; allowed: a multiple of 16 from 16 to 256");
    EXPECT_EQ(v.error().code, ErrorCode::invalid_argument);
  }
}

TEST(Canonical, RefusesAValueThatNoEnumHas) {
  Problem p;
  p.norm = static_cast<Norm>(7);
  const auto out = canonical(p);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().message, "problem field norm was '7'; allowed: max, add or one");
  p = {};
  p.operation = static_cast<Operation>(3);
  const auto operation = canonical(p);
  ASSERT_FALSE(operation);
  EXPECT_EQ(operation.error().message, "problem field operation was '3'; allowed: osdn_forward or osdn_decode");
}

TEST(Canonical, NamesWhatHasKernels) {
  const auto refusal = [](Problem p) {
    const auto out = canonical(p);
    EXPECT_FALSE(out);
    EXPECT_EQ(out.error().code, ErrorCode::unsupported);
    return out.error().message;
  };
  EXPECT_EQ(refusal({.decay = Decay::vector}),
            "problem field decay was 'vector'; only 'none' has kernels in this version");
  EXPECT_EQ(refusal({.erase = Erase::none}), "problem field erase was 'none'; only 'beta' has kernels in this version");
  EXPECT_EQ(refusal({.value = ValueCoefficient::one}),
            "problem field value was 'one'; only 'beta' has kernels in this version");
  EXPECT_EQ(refusal({.micro_steps = 2}), "problem field micro_steps was '2'; only '1' has kernels in this version");
}

constexpr float infinity = std::numeric_limits<float>::infinity();
const float not_a_number = std::nanf("");

struct Number {
  const char* field;
  float Hyperparameters::*member;
  float value;
  const char* allowed;
};

TEST(Hyperparameters, OutOfRangeIsNamed) {
  const Problem problem{.apf = Apf::constant};
  const Number cases[] = {
      {"eta", &Hyperparameters::eta, -1.0F, "a finite number of at least 0"},
      {"eta", &Hyperparameters::eta, infinity, "a finite number of at least 0"},
      {"eta", &Hyperparameters::eta, not_a_number, "a finite number of at least 0"},
      {"d_min", &Hyperparameters::d_min, -0.5F, "a finite number of at least 0"},
      {"d_min", &Hyperparameters::d_min, not_a_number, "a finite number of at least 0"},
      {"d_max", &Hyperparameters::d_max, 0.25F, "a finite number of at least d_min = 0.5"},
      {"d_max", &Hyperparameters::d_max, infinity, "a finite number of at least d_min = 0.5"},
      {"norm_eps", &Hyperparameters::norm_eps, 0.0F, "a finite number above 0 (it is unused only with norm=one)"},
      {"norm_eps", &Hyperparameters::norm_eps, not_a_number,
       "a finite number above 0 (it is unused only with norm=one)"},
      {"anchor", &Hyperparameters::anchor, infinity, "a finite number"},
      {"log_gamma", &Hyperparameters::log_gamma, 0.5F, "a finite number of at most 0"},
      {"log_gamma", &Hyperparameters::log_gamma, -infinity, "a finite number of at most 0"},
  };
  for (const Number& c : cases) {
    Hyperparameters h;
    h.*c.member = c.value;
    const auto out = validate(h, problem);
    ASSERT_FALSE(out) << c.field;
    EXPECT_EQ(out.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(out.error().message.find("hyperparameter field " + std::string(c.field) + " was '"), 0u)
        << out.error().message;
    EXPECT_NE(out.error().message.find("; allowed: " + std::string(c.allowed)), std::string::npos)
        << out.error().message;
  }
  Hyperparameters h;
  h.scale = not_a_number;
  EXPECT_FALSE(validate(h, problem));
}

TEST(Hyperparameters, WhatTheProblemDoesNotUseIsNotJudged) {
  Hyperparameters h;
  h.log_gamma = 5.0F;
  EXPECT_TRUE(validate(h, Problem{.apf = Apf::per_token}));
  h.norm_eps = 0.0F;
  EXPECT_TRUE(validate(h, Problem{.norm = Norm::one}));
  EXPECT_FALSE(validate(h, Problem{.norm = Norm::add}));
  h.eta = -1.0F;
  EXPECT_TRUE(validate(h, Problem{.precondition = Precondition::none}));
  EXPECT_TRUE(validate(Hyperparameters{.anchor = -3.0F}, Problem{}));
  EXPECT_TRUE(validate(Hyperparameters{.d_min = 1.0F, .d_max = 1.0F}, Problem{}));
}

TEST(Presets, HoldThePublishedNumbers) {
  ASSERT_EQ(presets().size(), 3u);
  const Preset paper = find_preset("paper").value_or_throw();
  EXPECT_TRUE(paper.beta_aware);
  EXPECT_EQ(paper.norm, Norm::max);
  EXPECT_EQ(paper.hyperparameters, (Hyperparameters{.eta = 0.003F, .d_min = 0.5F, .d_max = 2.0F, .norm_eps = 1e-6F}));
  const Preset small = find_preset("release-340m").value_or_throw();
  EXPECT_FALSE(small.beta_aware);
  EXPECT_EQ(small.norm, Norm::one);
  EXPECT_EQ(small.hyperparameters, (Hyperparameters{.eta = 0.003F, .d_min = 2.0F / 3.0F, .d_max = 1.5F}));
  const Preset large = find_preset("release-1.3b").value_or_throw();
  EXPECT_EQ(large.apf, Apf::per_token);
  EXPECT_EQ(large.hyperparameters, (Hyperparameters{.eta = 1.0F, .d_min = 0.0F, .d_max = 1e9F}));
  for (const Preset& preset : presets()) {
    const Problem problem{.apf = preset.apf, .norm = preset.norm, .beta_aware = preset.beta_aware};
    EXPECT_TRUE(validate(preset.hyperparameters, problem)) << preset.name;
  }
  const auto unknown = find_preset("release-1.3B");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().message,
            "preset 'release-1.3B' is unknown (did you mean 'release-1.3b'?); known: paper, release-340m or "
            "release-1.3b");
}

TEST(Architecture, EveryNumberFrom70To130IsTakenOrRefusedInWords) {
  for (int number = 70; number <= 130; ++number) {
    const bool known = number == 80 || (number >= 86 && number <= 90) || number == 100 || number == 103 ||
                       number == 110 || number == 120 || number == 121;
    for (const std::string& name : {"sm_" + std::to_string(number), std::to_string(number),
                                    "compute_" + std::to_string(number), "sm_" + std::to_string(number) + "a"}) {
      const auto found = generator::find_architecture(name);
      ASSERT_EQ(found.has_value(), known) << name;
      if (known) {
        EXPECT_EQ(found->number, number);
        EXPECT_EQ(found->shared_per_block + 1024, found->shared_per_multiprocessor);
        EXPECT_EQ(to_string(*found), "sm_" + std::to_string(number));
        EXPECT_EQ(*generator::find_architecture(to_string(*found)), *found);
        continue;
      }
      EXPECT_EQ(found.error().code, ErrorCode::unsupported);
      EXPECT_NE(found.error().message.find("sm_" + std::to_string(number)), std::string::npos);
      EXPECT_NE(found.error().message.find("supported: sm_80, sm_86"), std::string::npos) << found.error().message;
      EXPECT_EQ(found.error().message.find("cp.async") != std::string::npos, number < 80) << found.error().message;
    }
  }
}

TEST(Architecture, Limits) {
  const auto per_block = [](std::string_view name) {
    return generator::find_architecture(name).value_or_throw().shared_per_block;
  };
  // Technical Specifications per Compute Capability, CUDA C++ Programming Guide.
  EXPECT_EQ(per_block("sm_80"), 163u * 1024);
  EXPECT_EQ(per_block("sm_86"), 99u * 1024);
  EXPECT_EQ(per_block("sm_89"), 99u * 1024);
  EXPECT_EQ(per_block("sm_90a"), 227u * 1024);
  EXPECT_EQ(per_block("sm_100"), 227u * 1024);
  EXPECT_EQ(per_block("sm_120"), 99u * 1024);
}

TEST(Architecture, NamesThatAreNoneAreInvalid) {
  for (const char* name : {"", "sm_", "sm_80b", "80 ", "sm_8", "sm_9999", "gfx942", "sm_-80", "compute_", "sm_80aa"}) {
    const auto found = generator::find_architecture(name);
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().code, ErrorCode::invalid_argument) << name;
    EXPECT_NE(found.error().message.find("allowed: sm_80"), std::string::npos);
  }
}

}  // namespace
}  // namespace osdn
