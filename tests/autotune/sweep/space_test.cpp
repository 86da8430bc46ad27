// The candidates of a sweep.
#include <gtest/gtest.h>

#include <set>

#include "autotune/sweep/sweep.hpp"

namespace osdn::autotune {
namespace {

const generator::Architecture& sm_80() {
  static const auto found = generator::find_architecture("sm_80").value_or_throw();
  return found;
}

Problem problem(const std::string& text) {
  return canonical(parse_problem(text).value_or_throw()).value_or_throw();
}

TEST(Space, HoldsEveryLegalConfigurationOnceTheDefaultFirst) {
  for (const std::string text : {"osdn_forward:", "osdn_forward:precondition=none,type=fp32,k=16,v=48"}) {
    const auto space = make_space(problem(text), sm_80()).value_or_throw();
    EXPECT_EQ(space.candidates.front(), generator::default_config(problem(text), sm_80()).value_or_throw());
    std::set<std::string> seen;
    for (const Config& config : space.candidates) {
      EXPECT_TRUE(seen.insert(to_string(config)).second) << to_string(config);
      EXPECT_TRUE(generator::plan(problem(text), config, sm_80())) << to_string(config);
    }
    std::int64_t refused = 0;
    for (const auto& row : space.refused) {
      EXPECT_GT(row.count, 0);
      EXPECT_FALSE(row.constraint.empty());
      EXPECT_FALSE(row.example.empty());
      refused += row.count;
    }
    const auto all = generator::configuration_space(problem(text), sm_80()).value_or_throw();
    EXPECT_EQ(space.candidates.size() + static_cast<std::size_t>(refused), all.size());
  }
}

TEST(Space, IsNarrowedByFields) {
  const auto space = make_space(problem("osdn_forward:"), sm_80(), "chunk=16|32,inverse=blocked").value_or_throw();
  EXPECT_GT(space.candidates.size(), 10U);
  for (std::size_t i = 1; i < space.candidates.size(); ++i) {
    EXPECT_LE(space.candidates[i].chunk, 32);
    EXPECT_EQ(space.candidates[i].inverse, InverseAlgorithm::blocked);
  }
  EXPECT_EQ(space.candidates.front(), space.usual) << "the default stays";
}

TEST(Space, SaysWhatANarrowingMayBe) {
  const std::pair<const char*, const char*> cases[] = {
      {"chink=16", "chunk"},  {"chunk", "FIELD=VALUE"}, {"chunk=17", "16, 32, 64 or 128"}, {"chunk=16,", "FIELD=VALUE"},
      {"chunk=16|", "chunk"}, {"=", "FIELD=VALUE"},     {"inverse=fast", "blocked"},
  };
  for (const auto& [only, word] : cases) {
    const auto space = make_space(problem("osdn_forward:"), sm_80(), only);
    ASSERT_FALSE(space) << only;
    EXPECT_EQ(space.error().code, ErrorCode::invalid_argument);
    EXPECT_NE(space.error().message.find(word), std::string::npos) << only << ": " << space.error().message;
  }
}

}  // namespace
}  // namespace osdn::autotune
