// Recorded landscapes as files.
#include <gtest/gtest.h>

#include <set>

#include "autotune/search/landscape.hpp"

namespace osdn::autotune {
namespace {

Landscape example() {
  Landscape out;
  out.problem = parse_problem("osdn_forward:type=fp32,k=16,v=16").value_or_throw();
  out.shape = parse_shape("b=1,t=64,h=2").value_or_throw();
  out.arch = "sm_80";
  out.origin = "made up";
  out.phases = {
      {"delta_rule", "chunk=16,warps=1,stages=1,value_split=1,inverse=blocked", 3e-6, {64, 0, 1024, 32, 0, 0}},
      {"delta_rule", "chunk=32,warps=2,stages=1,value_split=1,inverse=blocked", 2e-6, {80, 8, 2048, 64, 0, 0}},
      {"preconditioner", "chunk=16,preconditioner=serial,preconditioner_warps=4", 5e-6, {40, 4, 512, 128, 4096, 0}},
      {"preconditioner", "chunk=16,preconditioner=parallel,preconditioner_warps=1", 4e-6, {96, 0, 4096, 32, 4096, 0}},
      {"preconditioner", "chunk=32,preconditioner=parallel,preconditioner_warps=1", 1e-6, {50, 0, 1024, 32, 2048, 0}}};
  return out;
}

TEST(RecordedLandscape, ReadsWhatItWrote) {
  Landscape other = example();
  other.arch = "sm_90";
  const auto read = parse_landscapes(to_text(example()) + "\n" + to_text(other));
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ((*read)[0], example());
  EXPECT_EQ((*read)[1], other);
}

TEST(RecordedLandscape, SaysWhichLineIsWrong) {
  const std::string good = to_text(example());
  for (const std::string line : {"{", "[]", R"({"phase": "erase"})", R"({"problem": "osdn_forward:k=7"})"}) {
    const auto read = parse_landscapes(good + line + "\n");
    ASSERT_FALSE(read) << line;
    EXPECT_EQ(read.error().code, ErrorCode::corrupt);
    EXPECT_NE(read.error().message.find("line 7"), std::string::npos) << read.error().message;
  }
  EXPECT_FALSE(parse_landscapes(good.substr(good.find('\n') + 1)));
}

TEST(RecordedLandscape, JoinsPhasesThatAgree) {
  const auto all = recorded(example());
  ASSERT_EQ(all.size(), 3U);  // two of chunk 16, one of chunk 32
  EXPECT_EQ(to_string(all[0].config),
            "chunk=16,warps=1,stages=1,value_split=1,preconditioner=serial,preconditioner_warps=4,inverse=blocked");
  EXPECT_DOUBLE_EQ(all[0].seconds, 8e-6);
  EXPECT_EQ(all[0].resources, (Resources{64, 4, 1024, 160, 4096, 0}));
  EXPECT_EQ(all[2].config.chunk, 32);
  EXPECT_DOUBLE_EQ(all[2].seconds, 3e-6);
}

TEST(RecordedLandscape, OnePhaseStandsAlone) {
  Landscape landscape = example();
  landscape.problem = parse_problem("osdn_forward:precondition=none,type=fp32,k=16,v=16").value_or_throw();
  landscape.phases.resize(2);
  const auto all = recorded(landscape);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_DOUBLE_EQ(all[1].seconds, 2e-6);
}

}  // namespace
}  // namespace osdn::autotune
