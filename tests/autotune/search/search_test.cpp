// Which candidates are asked, in which order.
#include "autotune/search/search.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "autotune/search/grid.hpp"
#include "landscape.hpp"

namespace osdn::autotune {
namespace {

using test::grid_of_configs;
using test::separable;

std::map<std::string, double> times(const std::vector<Recorded>& recorded) {
  std::map<std::string, double> out;
  for (const Recorded& one : recorded) {
    if (one.verdict.outcome == Outcome::passed) out[to_string(one.config)] = one.seconds;
  }
  return out;
}

/// Asks and answers until the end; the texts in the order asked.
std::vector<std::string> play(Search& search, const std::map<std::string, double>& times, std::size_t most) {
  std::vector<std::string> out;
  for (;;) {
    const auto question = search.ask(most);
    if (question.empty()) return out;
    EXPECT_LE(question.size(), most);
    for (const Config& config : question) {
      out.push_back(to_string(config));
      const auto found = times.find(out.back());
      search.tell(config, found == times.end() ? std::nullopt : std::optional(found->second));
    }
  }
}

double best_of(const std::vector<std::string>& asked, const std::map<std::string, double>& times) {
  double best = 1;
  for (const std::string& text : asked) {
    if (const auto found = times.find(text); found != times.end()) best = std::min(best, found->second);
  }
  return best;
}

TEST(Exhaustive, AsksEveryCandidateOnceTheDefaultFirst) {
  const auto configs = grid_of_configs(2, 2);
  const Config usual{32, 4, 1, 1, PreconditionerAlgorithm::parallel, 4, InverseAlgorithm::blocked};
  for (const std::size_t most : {1U, 7U, 100000U}) {
    const auto search = exhaustive_search(configs, usual, 5);
    EXPECT_EQ(search->expected_total(), configs.size());
    const auto asked = play(*search, times(separable(configs, 4)), most);
    ASSERT_EQ(asked.size(), configs.size());
    EXPECT_EQ(std::set(asked.begin(), asked.end()).size(), configs.size());
    EXPECT_EQ(asked.front(), to_string(usual));
  }
}

TEST(Exhaustive, AddsTheDefaultAndDropsTwins) {
  const Config a{16, 1, 1, 1};
  const Config b{32, 1, 1, 1};
  const Config usual{64, 1, 1, 1};
  auto asked = play(*exhaustive_search({a, b, a}, usual, 1), {}, 100);
  EXPECT_EQ(asked.front(), to_string(usual));
  EXPECT_EQ(std::set(asked.begin(), asked.end()), (std::set{to_string(a), to_string(b), to_string(usual)}));
  EXPECT_EQ(asked.size(), 3U);
}

TEST(Exhaustive, DoesNotAskWhatItWasTold) {
  const auto configs = grid_of_configs(1, 1);
  const auto search = exhaustive_search(configs, configs[5], 1);
  search->tell(configs[0], 1.0);
  search->tell(configs[5], std::nullopt);
  const auto asked = play(*search, {}, 3);
  EXPECT_EQ(asked.size(), configs.size() - 2);
  EXPECT_EQ(std::count(asked.begin(), asked.end(), to_string(configs[0])), 0);
  EXPECT_EQ(std::count(asked.begin(), asked.end(), to_string(configs[5])), 0);
}

TEST(Exhaustive, WaitsForNoAnswer) {
  const auto configs = grid_of_configs(2, 2);
  const auto search = exhaustive_search(configs, configs[5], 1);
  std::size_t asked = 0;
  for (auto question = search->ask(16); !question.empty(); question = search->ask(16)) asked += question.size();
  EXPECT_EQ(asked, configs.size());
}

// The first hundred of 480 hold the best of separable landscapes.
TEST(Exhaustive, AsksThePromisingFirst) {
  const auto configs = grid_of_configs(1, 2);
  const std::uint64_t seed = test::test_seed();
  int found = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto known = times(separable(configs, seed + i));
    auto asked = play(*exhaustive_search(configs, configs[i], seed), known, 16);
    const double best = best_of(asked, known);
    asked.resize(100);
    found += best_of(asked, known) == best ? 1 : 0;
  }
  // At random it would be one in five.
  EXPECT_GE(found, 60);
}

TEST(MakeSearch, IsExhaustiveUpToItsLimit) {
  auto configs = grid_of_configs();
  configs.resize(most_exhaustive);
  EXPECT_EQ(make_search(configs, configs[0], 1, 0)->name(), "exhaustive");
  EXPECT_EQ(make_search(configs, configs[0], 1, most_exhaustive)->name(), "exhaustive");
  EXPECT_EQ(make_search(configs, configs[0], 1, most_exhaustive - 1)->name(), "random+descent");
  configs = grid_of_configs();
  configs.resize(most_exhaustive + 1);
  const auto search = make_search(configs, configs[0], 1, 0);
  EXPECT_EQ(search->name(), "random+descent");
  EXPECT_EQ(search->expected_total(), usual_trials);
  EXPECT_EQ(make_search(configs, configs[0], 1, 33)->expected_total(), 33U);
}

TEST(RandomDescent, RepeatsItselfForASeedAndDiffersForAnother) {
  const auto configs = grid_of_configs();
  const auto known = times(separable(configs, 3));
  const auto asked = [&](std::uint64_t seed, std::size_t most) {
    const auto search = random_descent_search(configs, configs[77], seed, 150);
    return play(*search, known, most);
  };
  EXPECT_EQ(asked(1, 8), asked(1, 8));
  // Answers come after each question, but which candidates are asked does not depend on how many fit in one.
  EXPECT_EQ(asked(1, 1), asked(1, 1000));
  EXPECT_NE(asked(1, 8), asked(2, 8));
}

// Pinned: a search that changes from one build or library to the next could not be resumed.
TEST(RandomDescent, DrawsTheSameEverywhere) {
  const auto configs = grid_of_configs();
  const auto search = random_descent_search(configs, configs[0], 1, 100);
  const auto question = search->ask(4);
  ASSERT_EQ(question.size(), 4U);
  std::string all;
  for (const Config& config : question) all += to_string(config) + "\n";
  EXPECT_EQ(
      all,
      "chunk=16,warps=1,stages=1,value_split=1,preconditioner=serial,preconditioner_warps=1,inverse=substitution\n"
      "chunk=32,warps=8,stages=2,value_split=5,preconditioner=serial,preconditioner_warps=2,inverse=substitution\n"
      "chunk=128,warps=1,stages=1,value_split=4,preconditioner=serial,preconditioner_warps=2,inverse=substitution\n"
      "chunk=16,warps=4,stages=2,value_split=2,preconditioner=serial,preconditioner_warps=1,inverse=blocked\n");
}

TEST(RandomDescent, AsksNothingTwiceAndSpendsItsTrials) {
  const auto configs = grid_of_configs();
  for (const std::size_t trials : {1U, 5U, 40U, 300U, 5000U}) {
    const auto search = random_descent_search(configs, configs[11], test::test_seed(), trials);
    const auto asked = play(*search, times(separable(configs, 8)), 16);
    EXPECT_EQ(asked.size(), std::min(trials, configs.size()));
    EXPECT_EQ(std::set(asked.begin(), asked.end()).size(), asked.size());
    EXPECT_EQ(asked.front(), to_string(configs[11]));
  }
}

TEST(RandomDescent, GoesOnWhenEverythingFails) {
  const auto configs = grid_of_configs();
  const auto search = random_descent_search(configs, configs[0], 4, 700);
  EXPECT_EQ(play(*search, {}, 16).size(), 700U);
}

TEST(RandomDescent, FindsTheBestOfSeparableLandscapes) {
  const auto configs = grid_of_configs();
  const std::uint64_t seed = test::test_seed();
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto known = times(separable(configs, seed + i));
    double best = 1;
    for (const auto& [text, seconds] : known) best = std::min(best, seconds);
    const auto search = random_descent_search(configs, configs[i], seed + i, usual_trials);
    EXPECT_EQ(best_of(play(*search, known, 16), known), best) << "landscape " << i;
  }
}

TEST(RandomDescent, WaitsForAnswersBeforeItDescendsAndAsksAllNeighboursAtOnce) {
  const auto configs = grid_of_configs();
  const auto search = random_descent_search(configs, configs[0], 9, 100);
  const auto drawn = search->ask(1000);
  EXPECT_EQ(drawn.size(), 25U);
  EXPECT_TRUE(search->ask(1000).empty());
  for (const Config& config : drawn) search->tell(config, config == drawn[3] ? 1.0 : 2.0);
  const auto around = search->ask(1000);
  Grid grid(configs, configs[0]);
  std::set<std::string> expected;
  for (const std::size_t index : grid.neighbours(*grid.find(drawn[3]))) expected.insert(grid.text(index));
  for (const Config& config : drawn) expected.erase(to_string(config));
  std::set<std::string> asked;
  for (const Config& config : around) asked.insert(to_string(config));
  EXPECT_EQ(asked, expected);
}

// One candidate more moves no other in the random order, so that what was tried before is mostly tried again.
TEST(RandomDescent, KeepsItsDrawsWhenACandidateIsAdded) {
  auto configs = grid_of_configs();
  const Config added = configs.back();
  configs.pop_back();
  const auto draws = [&](const std::vector<Config>& candidates) {
    std::set<std::string> out;
    for (const Config& config : random_descent_search(candidates, configs[0], 21, 400)->ask(100)) {
      out.insert(to_string(config));
    }
    return out;
  };
  const auto before = draws(configs);
  configs.push_back(added);
  std::size_t kept = 0;
  for (const std::string& text : draws(configs)) kept += before.count(text);
  EXPECT_GE(kept, 99U);
}

TEST(Grid, StepsOverWhatIsNotLegalBesideTheOtherFields) {
  const Config a{16, 1, 1, 1};
  Config b = a;
  b.value_split = 4;
  Config c = a;
  c.value_split = 2;
  c.warps = 2;
  const Grid grid({a, b, c}, a);
  EXPECT_EQ(grid.neighbours(0), (std::vector<std::size_t>{1}));
  EXPECT_EQ(grid.neighbours(1), (std::vector<std::size_t>{0}));
  EXPECT_TRUE(grid.neighbours(2).empty());
}

}  // namespace
}  // namespace osdn::autotune
