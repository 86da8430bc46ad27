// How plans cut sequences: what they launch, what it needs, when they do.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "generator/constraints.hpp"
#include "generator/plan.hpp"
#include "templates/parameters.cuh"

namespace osdn::generator {
namespace {

Architecture with(int multiprocessors) {
  Architecture out = find_architecture("sm_80").value_or_throw();
  out.multiprocessors = multiprocessors;
  return out;
}

Plan planned(const char* problem, const char* config) {
  return plan(parse_problem(problem).value_or_throw(), parse_config(config).value_or_throw(), with(100))
      .value_or_throw();
}

std::vector<Launch> launches_of(const Plan& plan, const char* phase, const Shape& shape) {
  std::vector<Launch> out;
  for (const Launch& launch : plan.launches(shape)) {
    if (plan.kernels[launch.kernel].phase == phase) out.push_back(launch);
  }
  return out;
}

TEST(CutPlan, LaunchesASegmentACta) {
  const Plan cut = planned("osdn_forward:k=96,v=64", "chunk=32,warps=2,value_split=2,cut=fixed,segment=256,cut_d=4");
  const Shape shape{.b = 1, .t = 1000, .h = 3, .hv = 3, .n = 5};
  const std::int64_t segments = 3 + 5;  // ⌊1000 / 256⌋ + N
  EXPECT_EQ(cut.cutting(shape).segments, segments);
  EXPECT_LE(cut.launches(shape).size(), Launches::most);
  const auto delta = launches_of(cut, "delta_rule", shape);
  ASSERT_EQ(delta.size(), 1u);
  EXPECT_EQ(delta[0].ctas, segments * 3 * 2);
  const auto transfer = launches_of(cut, "segment_transfer", shape);
  ASSERT_EQ(transfer.size(), 1u);
  EXPECT_EQ(transfer[0].ctas, segments * 3 * (2 + 3));  // 6 tiles of 16 operator columns, two a CTA
  const auto states = launches_of(cut, "segment_states", shape);
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].ctas, 5 * 3 * 4);
  // A round for every correction and one behind the last, then what they left over, a sequence a CTA.
  const auto rounds = launches_of(cut, "preconditioner", shape);
  ASSERT_EQ(rounds.size(), std::size_t{cut_corrections} + 2);
  for (int round = 0; round <= cut_corrections; ++round) {
    EXPECT_EQ(rounds[static_cast<std::size_t>(round)].ctas, segments * 3);
    EXPECT_EQ(rounds[static_cast<std::size_t>(round)].pass, round);
  }
  EXPECT_EQ(rounds.back().ctas, 5 * 3);
  EXPECT_EQ(rounds.back().pass, settle_pass);
  EXPECT_EQ(launches_of(cut, "segment_jacobian", shape).size(), std::size_t{cut_corrections});
  EXPECT_EQ(launches_of(cut, "segment_correction", shape).size(), std::size_t{cut_corrections});
}

// Where no sequence can have enough segments for d to be cut, nothing is launched that would only find that out.
TEST(CutPlan, LaunchesNoRoundsForFewSegments) {
  const Plan cut = planned("osdn_forward:k=96,v=64", "chunk=32,warps=2,cut=fixed,segment=256,cut_d=5");
  for (const std::int64_t packed : {0, 5}) {
    const Shape shape{.b = 1, .t = 1000, .h = 3, .hv = 3, .n = packed};
    EXPECT_FALSE(cut.cutting(shape).cuts_d);
    const auto rounds = launches_of(cut, "preconditioner", shape);
    ASSERT_EQ(rounds.size(), 1u);
    EXPECT_EQ(rounds[0].ctas, (packed == 0 ? 4 : 3 + 5) * 3);
    EXPECT_EQ(rounds[0].pass, 0);
    EXPECT_EQ(launches_of(cut, "segment_jacobian", shape).size(), 0u);
    EXPECT_EQ(launches_of(cut, "delta_rule", shape).size(), 1u);
  }
  EXPECT_TRUE(cut.cutting({.b = 1, .t = 1025, .h = 3, .hv = 3}).cuts_d);
}

TEST(CutPlan, LeavesWhatIsShorterThanASegmentWhole) {
  const Plan cut = planned("osdn_forward:", "cut=fixed,segment=256");
  EXPECT_EQ(cut.launches({.b = 7, .t = 256, .h = 2, .hv = 2}).size(), 2u);
  EXPECT_EQ(cut.workspace({.b = 7, .t = 256, .h = 2, .hv = 2}).cut_rounds_offset, 0u);
  EXPECT_GT(cut.launches({.b = 7, .t = 257, .h = 2, .hv = 2}).size(), 2u);
}

TEST(CutPlan, CountsItsWorkspace) {
  const auto up = [](std::size_t bytes) { return (bytes + 255) / 256 * 256; };
  const Shape shape{.b = 2, .t = 1000, .h = 1, .hv = 3};
  // Four segments of each of two sequences, three heads; an operator for those between the first and the last.
  const std::size_t segments = 2 * 4 * 3;
  const std::size_t states = up(segments * 96 * 64 * 4) + up(2 * 2 * 3 * 96 * 96 * 4);
  EXPECT_EQ(
      planned("osdn_forward:k=96,v=64,precondition=none", "chunk=32,cut=fixed,segment=256").workspace(shape).bytes,
      states);
  EXPECT_EQ(planned("osdn_forward:k=96,v=64", "chunk=32,cut=fixed,segment=256").workspace(shape).bytes,
            up(3 * 2000 * 4) + up(3 * (2000 / 32 + 2) * 96 * 4) + states + 2 * up(segments * 96 * 4) +
                up(segments * 4) + up(2 * 3 * 2 * 4));
  // Packed, of 2000 tokens: at most ⌊2000 / 256⌋ + N segments and, behind each boundary but the last, an operator.
  EXPECT_EQ(planned("osdn_forward:k=96,v=64,precondition=none", "chunk=32,cut=fixed,segment=256")
                .workspace({.b = 1, .t = 2000, .h = 1, .hv = 3, .n = 4})
                .bytes,
            up((7 + 4) * 3 * 96 * 64 * 4) + up(6 * 3 * 96 * 96 * 4));
}

TEST(CutPlan, KeepsTheWorkspaceSmallBesideTheTensors) {
  const Shape grouped{.b = 1, .t = 8192, .h = 2, .hv = 8};
  const auto segment = [&](const char* text) {
    return cutting({}, parse_config(text).value_or_throw(), with(100), grouped).segment;
  };
  EXPECT_EQ(segment("cut=automatic,cut_memory=25"), 1024);
  EXPECT_EQ(segment("cut=automatic"), 2048);  // 1024 would take 19 %
  EXPECT_EQ(segment("cut=automatic,cut_memory=5"), 0);
}

TEST(CutPlan, FixedDoesNotLookAtTheBatch) {
  const Config fixed = parse_config("cut=fixed,segment=512").value_or_throw();
  for (const std::int64_t batch : {1, 3, 1000}) {
    for (const int multiprocessors : {1, 100}) {
      const Cutting cut = cutting({}, fixed, with(multiprocessors), {.b = batch, .t = 4000, .h = 1, .hv = 16});
      EXPECT_TRUE(cut.cut);
      EXPECT_EQ(cut.segment, 512);
    }
  }
}

TEST(CutPlan, AutomaticCutsWhereFewHeadsMeetLongSequences) {
  const Config config = parse_config("cut=automatic,segment=1024,cut_fill=50").value_or_throw();
  const auto segment = [&](const Shape& shape, int multiprocessors = 100) {
    return cutting({}, config, with(multiprocessors), shape).segment;
  };
  EXPECT_EQ(segment({.b = 1, .t = 65536, .h = 1, .hv = 1}), 1024);  // more segments than multiprocessors: the least
  EXPECT_EQ(segment({.b = 1, .t = 65536, .h = 4, .hv = 4}), 2048);  // a hundred are shared by 4 chains of 32
  EXPECT_EQ(segment({.b = 1, .t = 65536, .h = 4, .hv = 4}, 200), 1024);
  EXPECT_EQ(segment({.b = 1, .t = 65536, .h = 1, .hv = 4, .n = 2}), 2048);
  EXPECT_EQ(segment({.b = 1, .t = 3072, .h = 1, .hv = 1}), 0);     // too short
  EXPECT_EQ(segment({.b = 4, .t = 8192, .h = 32, .hv = 32}), 0);   // enough chains
  EXPECT_EQ(segment({.b = 1, .t = 65536, .h = 32, .hv = 32}), 0);  // four segments would come in several turns
  Config split = config;
  split.value_split = 8;
  EXPECT_EQ(cutting({}, split, with(100), {.b = 1, .t = 65536, .h = 7, .hv = 7}).segment, 0);
}

TEST(CutPlan, DefaultsAndSpacesOfAShapeCutWhereThatPays) {
  const Shape few{.b = 1, .t = 65536, .h = 2, .hv = 2};
  const Shape many{.b = 4, .t = 8192, .h = 32, .hv = 32};
  const Architecture target = find_architecture("sm_80").value_or_throw();
  EXPECT_EQ(default_config(Problem{}, target, many).value_or_throw(),
            default_config(Problem{}, target).value_or_throw());
  EXPECT_EQ(default_config(Problem{}, target, few).value_or_throw().cut, Cut::automatic);
  const auto plain = configuration_space(Problem{}, target).value_or_throw();
  EXPECT_EQ(configuration_space(Problem{}, target, many).value_or_throw().size(), plain.size());
  const auto more = configuration_space(Problem{}, target, few).value_or_throw();
  EXPECT_GT(more.size(), plain.size());
  EXPECT_LT(more.size(), 2 * plain.size());
  std::map<std::string, int> seen;
  for (const Candidate& candidate : more) {
    EXPECT_EQ(++seen[to_string(candidate.config)], 1) << to_string(candidate.config);
    EXPECT_EQ(bool(check(Problem{}, candidate.config, target)), candidate.refusal.empty());
  }
  EXPECT_EQ(seen.count(to_string(default_config(Problem{}, target, few).value_or_throw())), 1u);
}

TEST(CutPlan, WantsWholeChunks) {
  const auto refused =
      plan(Problem{.k = 32, .v = 32}, parse_config("chunk=128,cut=fixed,segment=64").value_or_throw(), with(100));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().context, "cutting");
}

}  // namespace
}  // namespace osdn::generator
