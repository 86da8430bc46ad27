// What the Hopper schedule takes, what it launches, and where its candidates stand in the space.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <tuple>

#include "generator/constraints.hpp"
#include "generator/fused.hpp"
#include "generator/plan.hpp"
#include "templates/hopper/layout.cuh"
#include "tests/generator/random_values.hpp"

namespace osdn::generator {
namespace {

const Architecture h100 = find_architecture("sm_90a").value_or_throw();

Config hopper(const char* text) {
  return parse_config(std::string("schedule=hopper,") + text).value_or_throw();
}

Config fused(const char* text) {
  Config config;
  config.schedule = Schedule::hopper_fused;
  config.preconditioner = PreconditionerAlgorithm::chunked;
  return parse_config(text, config).value_or_throw();
}

TEST(Hopper, SaysWhatItDoesNotTake) {
  const struct {
    const char* rule;
    Problem problem;
    Config config;
    const char* architecture;
    const char* sentence;
  } cases[] = {
      {"hopper_architecture",
       {},
       hopper("warps=8"),
       "sm_80",
       "schedule = hopper uses instructions that only sm_90a has, not sm_80: choose schedule = portable"},
      {"hopper_architecture",
       {},
       hopper("warps=8"),
       "sm_100",
       "schedule = hopper uses instructions that only sm_90a has, not sm_100: choose schedule = portable"},
      {"hopper_problem",
       {.type = ElementType::fp32},
       hopper("warps=8"),
       "sm_90",
       "schedule = hopper takes bf16 and fp16 elements, not fp32: choose schedule = portable"},
      {"hopper_problem",
       {.k = 96},
       hopper("warps=8"),
       "sm_90",
       "schedule = hopper takes k = 64 or 128, not 96: choose schedule = portable"},
      {"hopper_problem",
       {.v = 96},
       hopper("warps=8"),
       "sm_90",
       "schedule = hopper takes v in multiples of 64, not 96: choose schedule = portable"},
      {"hopper_chunk", {}, hopper("warps=8,chunk=32"), "sm_90", "schedule = hopper takes chunk = 64, not 32"},
      {"hopper_chunk",
       {},
       hopper("warps=8,inverse=substitution"),
       "sm_90",
       "schedule = hopper takes inverse = blocked, not substitution"},
      {"hopper_state",
       {.v = 256},
       hopper("warps=8"),
       "sm_90",
       "schedule = hopper holds 256 value columns (v = 256 over value_split = 1) in warps = 8 warps; it takes 64 in 4 "
       "warps or 128 in 8: choose another value_split or number of warps"},
      {"fused_preconditioner",
       {.precondition = Precondition::none},
       fused("warps=8"),
       "sm_90",
       "schedule = hopper_fused is for precondition = osdn, not none: choose schedule = hopper"},
      {"fused_preconditioner",
       {},
       fused("warps=8,preconditioner=parallel"),
       "sm_90",
       "schedule = hopper_fused takes preconditioner = chunked, not parallel: choose that, or schedule = hopper"},
      {"chunked_preconditioner",
       {.apf = Apf::per_channel},
       fused("warps=8"),
       "sm_90",
       "preconditioner = chunked needs one factor γ a token; apf = per_channel has one a feature: choose parallel"},
      {"hopper_architecture",
       {},
       fused("warps=8"),
       "sm_80",
       "schedule = hopper_fused uses instructions that only sm_90a has, not sm_80: choose schedule = portable"},
  };
  for (const auto& c : cases) {
    const auto out = check(c.problem, c.config, find_architecture(c.architecture).value_or_throw());
    ASSERT_FALSE(out) << c.sentence;
    EXPECT_EQ(out.error().context, c.rule);
    EXPECT_EQ(out.error().message, c.sentence);
  }
}

TEST(Hopper, AsksForTheSharedMemoryThatItsKernelLaysOut) {
  const Problem problem{};  // K = V = 128, bf16, preconditioned
  // Tiles of 64 tokens by 64 columns take 8,192 bytes: two stages of K, Q and V (two tiles each); W (two), the inverse,
  // its remainder and P, twice; then, twice, 4 rows of 64 numbers and 64 × 68 numbers; 4 rows and 10 barriers.
  const std::size_t bytes = 2 * 6 * 8192 + 2 * 5 * 8192 + 2 * 4 * 256 + 2 * 64 * 68 * 4 + 4 * 256 + 10 * 8;
  EXPECT_EQ(shared_bytes(delta_rule_hopper, problem, hopper("warps=8,stages=2")), bytes);
  EXPECT_TRUE(check(problem, hopper("warps=8,stages=2"), h100));
  const auto refused = check(problem, hopper("warps=8,stages=3"), h100);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().context, "shared_memory");
  EXPECT_TRUE(check(Problem{.k = 64}, hopper("warps=8,stages=3"), h100));
}

TEST(Hopper, PlansAPersistentKernelBehindThePreconditioner) {
  const Plan made = plan(Problem{}, hopper("warps=8,stages=2"), h100).value_or_throw();
  ASSERT_EQ(made.kernels.size(), 2u);
  EXPECT_FALSE(made.kernels[0].hopper);
  const KernelPlan& kernel = made.kernels[1];
  EXPECT_EQ(kernel.entry, "osdn_delta_rule_hopper");
  EXPECT_EQ(kernel.threads, 512);
  EXPECT_TRUE(kernel.hopper);
  EXPECT_NE(kernel.source.find("__launch_bounds__(512, 1)"), std::string::npos);
  EXPECT_TRUE(std::any_of(kernel.headers.begin(), kernel.headers.end(),
                          [](const Header& h) { return h.name == "hopper/state.cuh"; }));
  const auto ctas = [&](const Shape& shape) { return made.launches(shape).begin()[1].ctas; };
  EXPECT_EQ(ctas({.b = 2, .t = 100, .h = 3, .hv = 3}), 6);
  EXPECT_EQ(ctas({.b = 8, .t = 100, .h = 64, .hv = 64}), 132);
}

TEST(Hopper, CutsWithASegmentAChain) {
  const Plan made =
      plan(Problem{}, hopper("warps=4,value_split=2,stages=2,cut=fixed,segment=256"), h100).value_or_throw();
  const Shape shape{.b = 1, .t = 1000, .h = 3, .hv = 3, .n = 5};
  const Launches launches = made.launches(shape);
  const Launch& last = *(launches.end() - 1);
  EXPECT_EQ(made.kernels[last.kernel].phase, "delta_rule_hopper");
  EXPECT_NE(made.kernels[last.kernel].source.find("segmented = true"), std::string::npos);
  EXPECT_EQ(last.ctas, (3 + 5) * 3 * 2);  // ⌊1000 / 256⌋ + N segments
  const Launches long_ones = made.launches({.b = 1, .t = 65536, .h = 1, .hv = 1});
  EXPECT_EQ((long_ones.end() - 1)->ctas, 132);
  EXPECT_EQ(check({}, fused("warps=8,cut=fixed"), h100).error().context, "cutting");
}

TEST(HopperFused, IsOneLaunchWithItsWordsCleared) {
  const Plan made = plan(Problem{}, fused("warps=8,stages=2,preconditioner_warps=8"), h100).value_or_throw();
  ASSERT_EQ(made.kernels.size(), 1u);
  EXPECT_EQ(made.kernels[0].entry, "osdn_fused_hopper");
  EXPECT_EQ(made.kernels[0].threads, 512);
  const Shape shape{.b = 2, .t = 100, .h = 3, .hv = 6};
  const Launches launches = made.launches(shape);
  ASSERT_EQ(launches.size(), 1u);
  const Launch& launch = *launches.begin();
  EXPECT_EQ(launch.zeros, 1u + 2 * 6);  // a ticket, and a word for each sequence and head
  EXPECT_EQ(launch.zeros_offset % 256, 0u);
  EXPECT_EQ(launch.zeros_offset + 256, made.workspace(shape).bytes);
  EXPECT_EQ(launch.ctas - launch.preconditioners, 12);
}

// Of 227 KiB a team of two warpgroups takes 104 with K = 128, one of one warpgroup 63, with K = 64 less.
TEST(HopperFused, HoldsAsManyTeamsAsFit) {
  const auto teams = [](int k, const char* text) { return teams_of(Problem{.k = k}, fused(text)).teams; };
  EXPECT_EQ(teams(128, "warps=8,preconditioner_warps=8"), 2);
  EXPECT_EQ(teams(128, "warps=8,preconditioner_warps=4"), 3);  // memory for no more
  EXPECT_EQ(teams(64, "warps=8,preconditioner_warps=4"), 4);
  EXPECT_EQ(teams(128, "warps=4,value_split=2,preconditioner_warps=8"), 1);  // three warpgroups
  EXPECT_EQ(teams(128, "warps=4,value_split=2,preconditioner_warps=4"), 3);
}

TEST(HopperFused, SharesItsGridOut) {
  const auto grid = [](const char* text, const Shape& shape, int multiprocessors = 132) {
    Architecture some = h100;
    some.multiprocessors = multiprocessors;
    const Launches launches = plan(Problem{}, fused(text), some).value_or_throw().launches(shape);
    const Launch& launch = *launches.begin();
    return std::pair(static_cast<int>(launch.preconditioners), static_cast<int>(launch.ctas) - launch.preconditioners);
  };
  // Room for all: a CTA a chain, and a CTA a head.
  EXPECT_EQ(grid("warps=8,stages=2,preconditioner_warps=8", {.b = 1, .t = 8192, .h = 16, .hv = 16}), std::pair(16, 16));
  // A value split makes more chains, not more heads.
  EXPECT_EQ(grid("warps=4,value_split=2,stages=2,preconditioner_warps=8", {.b = 1, .t = 8192, .h = 8, .hv = 8}),
            std::pair(8, 16));
  // More of both than multiprocessors: all of these, and each kind some.
  const auto [some, rest] = grid("warps=8,stages=2,preconditioner_warps=8", {.b = 8, .t = 1024, .h = 64, .hv = 64});
  EXPECT_EQ(some + rest, 132);
  EXPECT_GT(some, 132 / 5);
  EXPECT_GT(rest, 132 / 2);
  EXPECT_EQ(grid("warps=8,stages=2,preconditioner_warps=8", {.b = 8, .t = 1024, .h = 64, .hv = 64}, 1),
            std::pair(1, 1));
}

TEST(Hopper, HasItsCandidatesOnHopperAlone) {
  const auto count = [](const char* name, bool legal, Schedule schedule = Schedule::hopper) {
    const auto space = configuration_space(Problem{}, find_architecture(name).value_or_throw()).value_or_throw();
    return std::count_if(space.begin(), space.end(), [&](const Candidate& c) {
      return c.config.schedule == schedule && (!legal || c.refusal.empty());
    });
  };
  EXPECT_EQ(count("sm_80", false), 0);
  EXPECT_EQ(count("sm_100", false), 0);
  // {128 columns in 8 warps or 64 in 4} × {1 or 2 stages: three do not fit} × the preconditioner's 8 choices and 2
  // of chunked
  EXPECT_EQ(count("sm_90", true), 4 * 10);
  // Cut with segments of 512 to 4096 tokens: these four with the default's preconditioner in 4 or 8 warps.
  const auto cut = configuration_space(Problem{}, h100, {.b = 1, .t = 65536, .h = 2, .hv = 2}).value_or_throw();
  EXPECT_EQ(std::count_if(cut.begin(), cut.end(),
                          [](const Candidate& c) {
                            return c.config.schedule == Schedule::hopper && c.config.cut == Cut::automatic &&
                                   c.refusal.empty();
                          }),
            4 * 4 * 2);
  EXPECT_EQ(count("sm_80", false, Schedule::hopper_fused), 0);
  EXPECT_EQ(count("sm_90", true, Schedule::hopper_fused), 4 * 2);
}

/// By trying all.
std::int64_t best_preconditioners(const Config& config, const Architecture& gpu, const Shape& shape) {
  const std::int64_t most = std::min<std::int64_t>(std::max(2, gpu.multiprocessors) - 1, shape.sequences() * shape.hv);
  std::tuple<std::int64_t, std::int64_t, std::int64_t> best{};
  for (std::int64_t ctas = 1; ctas <= most; ++ctas) {
    const FusedCycles cycles = fused_cycles({}, config, gpu, shape, ctas);
    const std::tuple now{std::max(cycles.ahead, cycles.behind), cycles.ahead, ctas};
    if (ctas == 1 || now < best) best = now;
  }
  return std::get<2>(best);
}

TEST(FusedGrid, IsTheBestOfAll) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  tests::Random random(seed);
  for (int round = 0; round < 2000; ++round) {
    Architecture gpu = h100;
    gpu.multiprocessors = static_cast<int>(random.integer(1, 160));
    const Shape shape{.b = random.integer(1, 40), .t = 128, .h = 1, .hv = random.integer(1, random.coin() ? 8 : 64)};
    Config config = fused(random.coin() ? "warps=8,preconditioner_warps=4" : "warps=8,preconditioner_warps=8");
    if (random.coin()) config.value_split = 2;
    const FusedGrid grid = fused_grid({}, config, gpu, shape);
    SCOPED_TRACE(to_string(shape) + " on " + std::to_string(gpu.multiprocessors) + ", " + to_string(config));
    EXPECT_EQ(grid.preconditioners, best_preconditioners(config, gpu, shape));
    const std::int64_t chains = shape.b * shape.hv * config.value_split;
    EXPECT_EQ(grid.chains, std::min<std::int64_t>(chains, std::max(2, gpu.multiprocessors) - grid.preconditioners));
  }
}

}  // namespace
}  // namespace osdn::generator
