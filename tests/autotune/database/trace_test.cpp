// Traces: what an application logs is what a sweep reads.
#include "autotune/trace.hpp"

#include "support.hpp"

namespace osdn::autotune::test {
namespace {

using Trace = DatabaseTest;

TraceLine line_of(const char* problem, const char* shape) {
  return {*canonical(*parse_problem(problem)), *parse_shape(shape)};
}

const TraceLine first = line_of("osdn_forward:type=fp32,k=16,v=16", "b=1,t=64,h=2,hv=2");
const TraceLine second = line_of("osdn_forward:type=bf16,k=64,v=64,apf=per_token", "b=1,t=4096,h=8,hv=8,n=3");

std::vector<TraceLine> parsed(const std::string& text) {
  auto lines = parse_trace(text);
  EXPECT_TRUE(lines) << (lines ? "" : lines.error().message);
  return lines ? *lines : std::vector<TraceLine>();
}

TEST(TraceText, RoundTrips) {
  EXPECT_EQ(parsed(to_text(first) + to_text(second)), (std::vector{first, second}));
  EXPECT_EQ(parsed(""), std::vector<TraceLine>());
  EXPECT_EQ(to_text(first).back(), '\n');
}

TEST(TraceText, IsForPeopleToo) {
  const std::string text =
      "# what we serve\n\n  \t\r\n"
      "  {\"shape\": \"b=1,t=64,h=2\", \"problem\": \"osdn_forward:k=16,v=16,type=fp32\", \"note\": {\"by\": [1]}}\r\n"
      "# again, in other words\n" +
      to_text(first);
  EXPECT_EQ(parsed(text), std::vector{first});
}

TEST(TraceText, ATornLastLineIsDropped) {
  const std::string whole = to_text(first) + to_text(second);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const std::size_t lines = (size + 1 >= to_text(first).size() ? 1U : 0U) + (size + 1 >= whole.size() ? 1U : 0U);
    EXPECT_EQ(parsed(whole.substr(0, size)).size(), lines) << size;
  }
}

TEST(TraceText, WhatIsWrongIsNamedWithItsLine) {
  const char* const wrong[] = {
      "hello",
      "[]",
      "{}",
      R"({"problem": 7, "shape": "b=1,t=1"})",
      R"({"problem": "osdn_forward:k=16", "shape": ["b=1,t=1"]})",
      R"({"problem": "osdn_forward:k=17", "shape": "b=1,t=1"})",
      R"({"problem": "osdn_forward:k=16", "shape": "b=0,t=1"})",
      R"({"problem": "osdn_forward:k=16", "shape": "b=1,t=1"}})",
      "{\"problem\": \"\xff\", \"shape\": \"b=1,t=1\"}",
  };
  for (const char* line : wrong) {
    const auto refused = parse_trace(to_text(first) + line + "\n" + to_text(second));
    ASSERT_FALSE(refused) << line;
    EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
    EXPECT_TRUE(refused.error().message.starts_with("line 2 was ")) << refused.error().message;
  }
  EXPECT_FALSE(parse_trace(std::string(100000, '[') + "\n"));
}

TEST_F(Trace, IsAppendedTo) {
  const std::string file = path("trace.jsonl");
  ASSERT_TRUE(append_trace(file, first));
  ASSERT_TRUE(append_trace(file, second));
  ASSERT_TRUE(append_trace(file, first));
  EXPECT_EQ(read(file), to_text(first) + to_text(second) + to_text(first));
  EXPECT_EQ(parsed(read(file)), (std::vector{first, second}));
  const auto refused = append_trace(path("no/folder"), first);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::io);
  EXPECT_NE(refused.error().message.find("no/folder"), std::string::npos);
}

}  // namespace
}  // namespace osdn::autotune::test
