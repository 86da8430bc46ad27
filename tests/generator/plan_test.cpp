// Plans: constraints, launch geometry, workspace, the default and the configuration space.
#include "generator/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "generator/constraints.hpp"
#include "templates/layout.cuh"
#include "tests/generator/random_values.hpp"

namespace osdn::generator {
namespace {

using osdn::tests::fresh_seed;
using osdn::tests::Random;

Architecture architecture(std::string_view name) {
  return find_architecture(name).value_or_throw();
}

constexpr const char* architectures[] = {"sm_80",  "sm_86",  "sm_87",  "sm_88",  "sm_89", "sm_90",
                                         "sm_100", "sm_103", "sm_110", "sm_120", "sm_121"};

struct Broken {
  const char* rule;
  Problem problem;
  const char* config;
  const char* sentence;
};

TEST(Constraints, EachSaysWhatBreaksItWithTheNumbers) {
  const Broken cases[] = {
      {"value_split",
       {.v = 96},
       "value_split=4",
       "value_split = 4 does not divide the 6 blocks of 16 value columns of v = 96"},
      {"state_fits_registers",
       {.k = 128, .v = 256},
       "warps=4",
       "the state takes 256 registers of a thread (k = 128 features of 4 blocks of 16 value columns a warp); at most "
       "128 fit: choose more warps or a larger value_split"},
      {"registers_fit",
       {.k = 256, .v = 256},
       "warps=16",
       "delta_rule asks for 192 registers of a thread (128 of them state); 16 warps leave 128: choose fewer warps and "
       "a larger value_split"},
      {"chunked_preconditioner",
       {},
       "warps=8,preconditioner=chunked,preconditioner_warps=2",
       "preconditioner = chunked works in one warpgroup or two; preconditioner_warps was 2: choose 4 or 8"},
      {"chunked_preconditioner",
       {.apf = Apf::per_channel},
       "warps=8,preconditioner=chunked",
       "preconditioner = chunked needs one factor γ a token; apf = per_channel has one a feature: choose parallel"},
  };
  for (const Broken& c : cases) {
    const auto out = check(c.problem, parse_config(c.config).value_or_throw(), architecture("sm_90"));
    ASSERT_FALSE(out) << c.rule;
    EXPECT_EQ(out.error().code, ErrorCode::constraint);
    EXPECT_EQ(out.error().context, c.rule);
    EXPECT_EQ(out.error().message, c.sentence);
  }
}

TEST(Constraints, ConfigsOutsideTheirDomainAreRefusedThoughNoTextMadeThem) {
  const auto refusal = [](const Config& config) {
    const auto out = plan(Problem{}, config, architecture("sm_80"));
    EXPECT_FALSE(out);
    EXPECT_EQ(out.error().code, ErrorCode::constraint);
    return out.error().message;
  };
  EXPECT_EQ(refusal({.chunk = 48}), "config field chunk was '48'; allowed: 16, 32, 64 or 128");
  EXPECT_EQ(refusal({.chunk = 0}), "config field chunk was '0'; allowed: 16, 32, 64 or 128");
  EXPECT_EQ(refusal({.warps = 0}), "config field warps was '0'; allowed: 1, 2, 4, 8 or 16");
  EXPECT_EQ(refusal({.warps = 32}), "config field warps was '32'; allowed: 1, 2, 4, 8 or 16");
  EXPECT_EQ(refusal({.stages = 4}), "config field stages was '4'; allowed: 1, 2 or 3");
  EXPECT_EQ(refusal({.value_split = 0}), "config field value_split was '0'; allowed: an integer from 1 to 16");
  EXPECT_EQ(refusal({.preconditioner_warps = 16}), "config field preconditioner_warps was '16'; allowed: 1, 2, 4 or 8");
  EXPECT_EQ(refusal({.inverse = static_cast<InverseAlgorithm>(5)}),
            "config field inverse was '5'; allowed: substitution or blocked");
}

TEST(Constraints, SharedMemoryIsWhatTheKernelsLayOut) {
  const unsigned seed = fresh_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Random random(seed);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    const Problem problem = canonical(random.problem()).value_or_throw();
    Config config = random.config();
    while (problem.v / 16 % config.value_split != 0) config.value_split = random.config().value_split;
    const int element = problem.type == ElementType::fp32 ? 4 : 2;
    const auto delta =
        static_cast<std::size_t>(delta_rule_layout(element, problem.k, problem.v / config.value_split, config.chunk,
                                                   config.stages, problem.precondition == Precondition::osdn)
                                     .bytes);
    const bool chunked = config.preconditioner == PreconditionerAlgorithm::chunked;
    const auto before = static_cast<std::size_t>(
        chunked ? preconditioner_chunked_layout(element, problem.k, config.chunk, config.preconditioner_warps).bytes
                : preconditioner_layout(element, problem.k, config.preconditioner_warps,
                                        config.preconditioner == PreconditionerAlgorithm::parallel,
                                        problem.apf == Apf::per_channel)
                      .bytes);
    EXPECT_EQ(shared_bytes(delta_rule, problem, config), delta);
    EXPECT_EQ(shared_bytes(preconditioner, problem, config), before);
    for (const char* name : {"sm_80", "sm_86", "sm_90"}) {
      const Architecture target = architecture(name);
      const auto out = check(problem, config, target);
      if (out) {
        EXPECT_LE(delta, target.shared_per_block);
        EXPECT_TRUE(problem.precondition == Precondition::none || before <= target.shared_per_block);
        continue;
      }
      if (out.error().context != "shared_memory") continue;
      ++refused;
      const bool first = problem.precondition == Precondition::osdn && before > target.shared_per_block;
      EXPECT_NE(out.error().message.find(
                    (first ? "preconditioner asks for " + grouped(before) : "delta_rule asks for " + grouped(delta)) +
                    " bytes of shared memory; " + name + " allows " + grouped(target.shared_per_block) + ": choose "),
                std::string::npos)
          << out.error().message;
    }
  }
  EXPECT_GT(refused, 50);
}

TEST(Constraints, AdviceIsOfUse) {
  const Architecture a100 = find_architecture("sm_80").value_or_throw();
  const auto advice = [&](const char* problem, const char* config) {
    const auto refused = plan(parse_problem(problem).value_or_throw(), parse_config(config).value_or_throw(), a100);
    EXPECT_FALSE(refused) << problem << " " << config;
    if (refused) return std::string();
    return refused.error().message.substr(refused.error().message.rfind(": choose ") + 9);
  };
  EXPECT_EQ(advice("osdn_forward:k=128,v=64", "chunk=128,warps=4"), "a smaller chunk");
  EXPECT_EQ(advice("osdn_forward:k=128,v=128", "chunk=64,warps=8,stages=3"),
            "a smaller chunk, fewer stages or a larger value_split");
  EXPECT_EQ(advice("osdn_forward:type=fp32,k=256,v=64",
                   "chunk=64,warps=4,value_split=4,preconditioner=chunked,preconditioner_warps=8"),
            "a smaller chunk or preconditioner = parallel");
}

TEST(Constraints, OneByteMoreThanTheDeviceHasIsRefused) {
  const Problem problem;
  const Config config;
  Architecture exact = architecture("sm_80");
  exact.shared_per_block =
      std::max(shared_bytes(delta_rule, problem, config), shared_bytes(preconditioner, problem, config));
  EXPECT_TRUE(plan(problem, config, exact));
  exact.shared_per_block -= 1;
  const auto out = plan(problem, config, exact);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().context, "shared_memory");
}

TEST(Plan, LaunchesThePreconditionerBeforeTheDeltaRule) {
  const Config config = parse_config("warps=8,value_split=2,preconditioner_warps=2").value_or_throw();
  const Plan made = plan(Problem{.v = 256}, config, architecture("sm_90")).value_or_throw();
  ASSERT_EQ(made.kernels.size(), 2u);
  const KernelPlan& before = made.kernels[0];
  EXPECT_EQ(before.phase, "preconditioner");
  EXPECT_EQ(before.entry, "osdn_preconditioner");
  EXPECT_EQ(before.threads, 64);
  EXPECT_EQ(before.ctas_per_head, 1);
  EXPECT_EQ(before.dynamic_shared, shared_bytes(preconditioner, made.problem, config));
  EXPECT_EQ(before.source, render(preconditioner, made.problem, config));
  const KernelPlan& delta = made.kernels[1];
  EXPECT_EQ(delta.phase, "delta_rule");
  EXPECT_EQ(delta.entry, "osdn_delta_rule");
  EXPECT_EQ(delta.threads, 256);
  EXPECT_EQ(delta.ctas_per_head, 2);
  EXPECT_EQ(delta.dynamic_shared, shared_bytes(delta_rule, made.problem, config));
  EXPECT_EQ(delta.source, render(delta_rule, made.problem, config));
  for (const KernelPlan& kernel : made.kernels) {
    EXPECT_TRUE(std::any_of(kernel.headers.begin(), kernel.headers.end(),
                            [&](const Header& h) { return h.name == kernel.phase + ".cuh"; }));
    EXPECT_TRUE(std::any_of(kernel.headers.begin(), kernel.headers.end(),
                            [](const Header& h) { return h.name == "parameters.cuh"; }));
    EXPECT_TRUE(std::is_sorted(kernel.headers.begin(), kernel.headers.end(),
                               [](const Header& a, const Header& b) { return a.name < b.name; }));
  }
}

TEST(Plan, DeltaNetIsOneKernelAndNeedsNoWorkspace) {
  const Plan made =
      plan(Problem{.precondition = Precondition::none, .apf = Apf::per_token}, Config{}, architecture("80"))
          .value_or_throw();
  EXPECT_EQ(made.problem.apf, Apf::none) << "a plan's problem is canonical";
  ASSERT_EQ(made.kernels.size(), 1u);
  EXPECT_EQ(made.kernels[0].phase, "delta_rule");
  EXPECT_EQ(made.workspace(Shape{2, 1000, 4, 4, 0}).bytes, 0u);
}

TEST(Plan, WorkspaceHoldsTheGainsAndTheChunksD) {
  const Plan made = plan(Problem{.k = 96}, Config{.chunk = 32}, architecture("80")).value_or_throw();
  // 3·101 tokens: ⌊303 / 32⌋ + 3 = 12 chunks of 96 features for 4 heads.
  const auto ragged = made.workspace(Shape{3, 101, 2, 4, 0});
  EXPECT_EQ(ragged.gain_offset, 0u);
  EXPECT_EQ(ragged.d_chunks_offset, 4864u);  // 4·303·4 = 4,848, rounded up to 256
  EXPECT_EQ(ragged.bytes, 4864u + 4u * 12u * 96u * 4u);
  const auto packed = made.workspace(Shape{1, 101, 4, 4, 7});
  EXPECT_EQ(packed.d_chunks_offset, 1792u);  // 1,616 rounded up
  EXPECT_EQ(packed.bytes, 1792u + 15360u);   // 4·(3 + 7)·96·4
  const auto empty = made.workspace(Shape{2, 0, 1, 1, 0});
  EXPECT_EQ(empty.d_chunks_offset, 0u);
  EXPECT_EQ(empty.bytes, 768u);
  // Beyond 32 bits.
  const auto large = made.workspace(Shape{64, 1 << 20, 64, 64, 0});
  EXPECT_EQ(large.d_chunks_offset, std::size_t{64} * 64 * (1 << 20) * 4);
  EXPECT_EQ(large.bytes, large.d_chunks_offset + std::size_t{64} * ((64 << 20) / 32 + 64) * 96 * 4);
}

TEST(Plan, ProblemErrorsComeThrough) {
  EXPECT_EQ(plan(Problem{.k = 100}, Config{}, architecture("80")).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(plan(Problem{.decay = Decay::scalar}, Config{}, architecture("80")).error().code, ErrorCode::unsupported);
  EXPECT_FALSE(default_config(Problem{.v = 8}, architecture("80")));
  EXPECT_FALSE(configuration_space(Problem{.micro_steps = 2}, architecture("80")));
}

TEST(DefaultConfig, IsLegalForEveryProblemOnEveryArchitecture) {
  for (const char* name : architectures) {
    const Architecture target = architecture(name);
    for (const auto type : {ElementType::bf16, ElementType::fp16, ElementType::fp32}) {
      for (const auto apf : {Apf::none, Apf::per_token, Apf::per_channel}) {
        for (const auto precondition : {Precondition::none, Precondition::osdn}) {
          for (int k = 16; k <= 256; k += 16) {
            for (int v = 16; v <= 256; v += 16) {
              const Problem problem{.type = type, .k = k, .v = v, .precondition = precondition, .apf = apf};
              const auto config = default_config(problem, target);
              ASSERT_TRUE(config) << name << " " << to_string(problem) << ": " << config.error().message;
              const auto ok = check(canonical(problem).value_or_throw(), *config, target);
              ASSERT_TRUE(ok) << name << " " << to_string(problem) << ": " << ok.error().message;
            }
          }
        }
      }
    }
  }
}

TEST(DefaultConfig, IsSensible) {
  const auto chosen = [](const Problem& problem, std::string_view name) {
    return to_string(default_config(problem, architecture(name)).value_or_throw());
  };
  EXPECT_EQ(chosen(Problem{}, "sm_80"),
            "chunk=64,warps=8,stages=1,value_split=1,preconditioner=chunked,preconditioner_warps=8,inverse=blocked");
  EXPECT_EQ(chosen(Problem{.k = 64, .v = 64}, "sm_86"),
            "chunk=64,warps=4,stages=1,value_split=1,preconditioner=chunked,preconditioner_warps=8,inverse=blocked");
  // 64 rows of 256 keys in fp32 are more than sm_86 has.
  const Config small =
      default_config(Problem{.type = ElementType::fp32, .k = 256, .v = 256}, architecture("sm_86")).value_or_throw();
  EXPECT_LT(small.chunk, 64);
}

TEST(ConfigurationSpace, HoldsEveryCombinationOnceLegalExactlyWhenPlanned) {
  const Architecture target = architecture("sm_80");
  const Problem problem{.k = 128, .v = 96};
  const auto space = configuration_space(problem, target).value_or_throw();
  // chunk × warps × stages × value_split {1, 2, 3, 4, 6, 8, 16} × inverse × preconditioner × its warps
  EXPECT_EQ(space.size(), 4u * 5 * 3 * 7 * 2 * 3 * 4);
  std::map<std::string, int> seen;
  int legal = 0;
  for (const Candidate& candidate : space) {
    EXPECT_EQ(seen[to_string(candidate.config)]++, 0);
    const auto out = check(problem, candidate.config, target);
    EXPECT_EQ(out.has_value(), candidate.refusal.empty());
    EXPECT_EQ(candidate.refusal, out ? std::string() : out.error().message);
    legal += candidate.refusal.empty() ? 1 : 0;
  }
  EXPECT_GT(legal, 100);
  EXPECT_LT(legal, static_cast<int>(space.size()));
  EXPECT_EQ(seen.count(to_string(default_config(problem, target).value_or_throw())), 1u);
}

TEST(ConfigurationSpace, WithoutAPreconditionerItsFieldsAreNotVaried) {
  const auto space =
      configuration_space(Problem{.v = 16, .precondition = Precondition::none}, architecture("sm_80")).value_or_throw();
  EXPECT_EQ(space.size(), 4u * 5 * 3 * 5 * 2);
}

}  // namespace
}  // namespace osdn::generator
