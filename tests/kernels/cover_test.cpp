// The kernel family against the float64 recurrence: every two values of every two axes meet in one of these rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "tests/kernels/session.hpp"

namespace osdn::tests {
namespace {

using reference::Case;

constexpr std::uint64_t cover_seed = 3;

const PairwiseCover& cover() {
  static const PairwiseCover made = pairwise_cover(family_space(), cover_seed);
  return made;
}

FamilyMember member_of(std::size_t row) {
  return family_member(cover().rows[row], cover_seed + row);
}

// Compiles the rows ahead of the tests that run them, on whatever core is free.
class Ahead {
 public:
  Ahead() {
    if (testing::GTEST_FLAG(filter) != "*") return;
    worker_ = std::jthread([](const std::stop_token& stop) {
      for (std::size_t row = 0; row < cover().rows.size() && !stop.stop_requested(); ++row) {
        const FamilyMember member = member_of(row);
        // An error comes again where the row is run.
        static_cast<void>(engine().prepare(member.problem, member.config).has_value());
      }
    });
  }

 private:
  std::jthread worker_;
};

class Cover : public testing::TestWithParam<std::size_t> {
 protected:
  static void SetUpTestSuite() {
    input_seed();
    engine();
    ahead_ = std::make_unique<Ahead>();
  }
  static void TearDownTestSuite() { ahead_.reset(); }

 private:
  static inline std::unique_ptr<Ahead> ahead_;
};

TEST_P(Cover, EqualsTheRecurrence) {
  FamilyMember member = member_of(GetParam());
  member.random.seed = input_seed() + GetParam();
  SCOPED_TRACE(to_string(member) + " | inputs " + std::to_string(member.random.seed));
  const PreparedOperation operation = prepare(member.problem, member.config);

  const auto made = reference::random_case(member.problem, member.shape, member.numbers, member.random);
  ASSERT_TRUE(made) << made.error().message;
  const LaunchOptions options{member.states, member.index_type};
  expect_right(*made, launch(operation, *made, options), member.states);

  // The same kernels on no token and on one: rows and states must be right without a full chunk.
  for (const std::int64_t length : {0, 1}) {
    SCOPED_TRACE("T = " + std::to_string(length));
    Shape shape = member.shape;
    shape.t = length;
    reference::RandomOptions random = member.random;
    if (shape.packed()) random.lengths = {0, 0, length, 0, 0};
    auto small = reference::random_case(member.problem, shape, member.numbers, random);
    ASSERT_TRUE(small) << small.error().message;
    small->q = small->k;  // of one token, ⟨q, k⟩ may vanish by chance, and with it what errors are relative to
    expect_right(*small, launch(operation, *small, options), member.states);
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, Cover, testing::Range(std::size_t{0}, cover().rows.size()));

TEST(PairwiseCover, EveryPairIsMetOrImpossible) {
  const PairwiseSpace space = family_space();
  const auto plays = [&](const Row& row, int axis) {
    return std::all_of(space.plays.begin(), space.plays.end(),
                       [&](const auto& part) { return part.first != axis || part.second.holds(row); });
  };
  using Key = std::array<int, 4>;
  std::set<Key> met;
  const int axes = static_cast<int>(space.axes.size());
  for (const Row& row : cover().rows) {
    for (const Rule& rule : space.rules) EXPECT_TRUE(rule.holds(row));
    for (int a = 0; a < axes; ++a) {
      for (int b = a + 1; b < axes; ++b) {
        if (plays(row, a) && plays(row, b)) met.insert(Key{a, row[a], b, row[b]});
      }
    }
  }
  std::size_t pairs = 0;
  for (int a = 0; a < axes; ++a) {
    for (int b = a + 1; b < axes; ++b) pairs += static_cast<std::size_t>(space.axes[a].values * space.axes[b].values);
  }
  EXPECT_EQ(met.size() + cover().impossible.size(), pairs);
  for (const Pair& p : cover().impossible) EXPECT_EQ(met.count(Key{p.axis_a, p.value_a, p.axis_b, p.value_b}), 0u);
  EXPECT_LT(cover().rows.size(), 60u);
  std::printf("%zu rows meet %zu pairs; %zu pairs are impossible\n", cover().rows.size(), met.size(),
              cover().impossible.size());
}

// Seldom enough to be read by a person: what cannot meet, and why.
TEST(PairwiseCover, WhatCannotMeetIsKnown) {
  const PairwiseSpace space = family_space();
  std::set<std::string> names;
  for (const Pair& p : cover().impossible) {
    const std::string pair = space.axes[p.axis_a].name + " and " + space.axes[p.axis_b].name;
    names.insert(pair);
  }
  const std::set<std::string> known = {
      "k and chunk",                           // 128 rows of 128 keys are more than sm_80's shared memory
      "type and chunk",                        // so are 128 rows of fp32
      "k and warps",                           // 16 warps leave no room for the state of 256 features
      "v and value_split",                     // it does not divide
      "write_scale and norm",                  // DeltaNet has no preconditioner
      "write_scale and beta_aware",            //
      "write_scale and preconditioner",        //
      "write_scale and preconditioner_warps",  //
      "write_scale and numbers",               //
  };
  EXPECT_EQ(names, known);
}

}  // namespace
}  // namespace osdn::tests
