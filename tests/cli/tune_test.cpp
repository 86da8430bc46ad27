// osdn tune, as a user runs it.
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "program.hpp"

namespace osdn::test {
namespace {

using Json = nlohmann::json;

const std::string small = "osdn_forward:type=fp32,k=16,v=16,precondition=none";
// Six candidates, the default among them: what they need is compiled in seconds.
const std::string few = "chunk=16|32,stages=1,warps=1,value_split=1";

class Tune : public Program {
 protected:
  [[nodiscard]] std::vector<std::string> arguments(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"tune", "--problem",   small,          "--shapes", "b=1,t=200,h=2", "--only",
                                    few,    "--directory", path("tuning"), "--device", "emulator"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] Json tune(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = arguments(more);
    all.push_back("--json");
    const Ran ran = osdn(all);
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    return ran.json();
  }
};

TEST_F(Tune, SaysWhatItWouldTry) {
  const Ran ran = osdn({"tune", "--dry-run", "--json", "--shapes", "b=1,t=2048,h=8", "--problem", "osdn_forward:"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const Json row = ran.json()["dry_run"][0];
  EXPECT_GT(row["legal"], 1000);
  EXPECT_EQ(row["strategy"], "random+descent");
  EXPECT_GT(row["at_most"], 100);
  std::int64_t refused = 0;
  for (const Json& refusal : row["refusals"]) {
    EXPECT_FALSE(refusal["example"].get<std::string>().empty());
    refused += refusal["count"].get<std::int64_t>();
  }
  EXPECT_EQ(row["refused"], refused);

  const Ran text = osdn({"tune", "--dry-run", "--shapes", "b=1,t=2048,h=8", "--problem", small, "--only", few});
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_NE(text.out.find("exhaustive: at most"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("default: chunk="), std::string::npos) << text.out;
}

TEST_F(Tune, FindsTheBestAndRemembersIt) {
  const Json first = tune({"--trials"});
  ASSERT_EQ(first["sweeps"].size(), 1U);
  const Json& sweep = first["sweeps"][0];
  EXPECT_EQ(sweep["stopwatch"], "modelled");
  EXPECT_EQ(sweep["tried"], sweep["candidates"]);
  EXPECT_GT(sweep["candidates"], 3);
  EXPECT_EQ(sweep["gated_out"], 0) << sweep["failures"].dump(2);
  EXPECT_LE(sweep["winner"]["median_seconds"], sweep["default"]["median_seconds"]);
  EXPECT_GT(sweep["winner"]["median_seconds"], 0);
  EXPECT_FALSE(first["interrupted"]);

  const Json second = tune();
  EXPECT_EQ(second["sweeps"][0]["taken_over"], sweep["candidates"]);
  EXPECT_FALSE(second["sweeps"][0]["raced"]);
  EXPECT_EQ(second["sweeps"][0]["winner"], sweep["winner"]);

  const Ran text = osdn(arguments());
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* word : {"default", "best", "gain", "spread", "gated out", "modelled, not measured"}) {
    EXPECT_NE(text.out.find(word), std::string::npos) << word << "\n" << text.out;
  }
  const std::string table = text.out.substr(text.out.find("problem "));
  EXPECT_LT(table.find('\n'), 130U) << "the table is too wide for a terminal:\n" << text.out;
}

TEST_F(Tune, GivesTheSameAnswersToTheLastBit) {
  Json sweeps[2];
  for (Json& sweep : sweeps) {
    std::filesystem::remove_all(path("tuning"));
    sweep = tune({"--seed", "3"})["sweeps"][0];
    sweep.erase("seconds");
  }
  EXPECT_EQ(sweeps[0], sweeps[1]);
}

TEST_F(Tune, TakesProblemsFromATrace) {
  std::ofstream(path("trace.jsonl")) << R"({"problem": ")" << small << R"(", "shape": "b=1,t=100,h=2"})"
                                     << "\n# by hand\n\n"
                                     << R"({"problem": ")" << small << R"(", "shape": "b=1,t=110,h=2"})"
                                     << "\n";
  const Ran ran = osdn({"tune", "--from-trace", path("trace.jsonl"), "--only",
                        "chunk=16,stages=1,warps=1,value_split=1", "--directory", path("tuning"), "--json"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ran.json()["sweeps"].size(), 1U);
  EXPECT_NE(ran.err.find("b=1,t=110,h=2,hv=2 shares its entry with b=1,t=100,h=2,hv=2"), std::string::npos) << ran.err;
}

TEST_F(Tune, PassesOverAnEmptyBatchInATrace) {
  std::ofstream(path("trace.jsonl")) << R"({"problem": ")" << small << R"(", "shape": "b=1,t=0,h=2"})"
                                     << "\n"
                                     << R"({"problem": ")" << small << R"(", "shape": "b=1,t=110,h=2"})"
                                     << "\n";
  const Ran ran = osdn({"tune", "--from-trace", path("trace.jsonl"), "--dry-run", "--json"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ran.json()["dry_run"].size(), 1U) << ran.out;
  EXPECT_NE(ran.err.find("1 shapes of"), std::string::npos) << ran.err;
}

TEST_F(Tune, GoesOnBehindAProblemThatCannotBeTuned) {
  std::ofstream(path("trace.jsonl")) << R"({"problem": ")" << small << R"(", "shape": "b=1,t=1000000000000,h=1"})"
                                     << "\n"
                                     << R"({"problem": ")" << small << R"(", "shape": "b=1,t=100,h=1"})"
                                     << "\n";
  const Ran ran = osdn({"tune", "--from-trace", path("trace.jsonl"), "--only", "chunk=16,stages=1,warps=1", "--budget",
                        "1", "--directory", path("tuning"), "--json"});
  EXPECT_EQ(ran.exit_code, 3) << ran.err;
  const Json all = ran.json();
  EXPECT_EQ(all["sweeps"].size(), 1U);
  ASSERT_EQ(all["failures"].size(), 1U);
  EXPECT_EQ(all["failures"][0]["code"], "out_of_memory") << all["failures"];
  EXPECT_NE(ran.err.find("no memory for inputs of these sizes"), std::string::npos) << ran.err;
  // Nothing was written down of the candidate.
  EXPECT_EQ(all["sweeps"][0]["taken_over"], 0);
}

TEST_F(Tune, SaysOnceThatManyShapesShareAnEntry) {
  std::ofstream trace(path("trace.jsonl"));
  for (int t = 100; t < 110; ++t) {
    trace << R"({"problem": ")" << small << R"(", "shape": "b=1,t=)" << t << "\"}\n";
  }
  trace.close();
  const Ran ran = osdn({"tune", "--from-trace", path("trace.jsonl"), "--dry-run"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_NE(ran.err.find("b=1,t=101,h=1,hv=1 and 8 more shapes share their entry with b=1,t=100"), std::string::npos)
      << ran.err;
  EXPECT_EQ(ran.err.find("t=102"), std::string::npos) << ran.err;
}

TEST_F(Tune, RefusesNumbersThatWouldBeTakenForOthers) {
  const std::vector<std::vector<std::string>> bad = {{"--budget", "5,6"},   {"--budget", "5,"},
                                                     {"--budget", "5s,1m"}, {"--seed", "-1"},
                                                     {"--seed", "1x"},      {"--seed", "18446744073709551616"},
                                                     {"--jobs", "-1"},      {"--budget", "1e300"}};
  for (const auto& option : bad) {
    const Ran ran =
        osdn({"tune", "--problem", small, "--shapes", "b=1,t=100", "--dry-run", option.front(), option.back()});
    EXPECT_EQ(ran.exit_code, 2) << option.front() << " " << option.back() << "\n" << ran.out;
    EXPECT_NE(ran.err.find(option.front()), std::string::npos) << ran.err;
  }
  const Ran ran = osdn({"tune", "--problem", small, "--shapes", "b=1,t=100", "--dry-run", "--seed",
                        "18446744073709551615", "--jobs", "0"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_NE(osdn({"db", "pin"}).err.find("allowed after osdn db pin:"), std::string::npos);
}

TEST_F(Tune, KeepsTheBestSoFarOnTheFirstInterruption) {
  Running running(
      {"tune", "--problem", small, "--shapes", "b=1,t=200,h=2", "--directory", path("tuning"), "--trials", "--json"});
  while (running.err().find("passed") == std::string::npos) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  running.signal(SIGINT);
  const Ran ran = running.wait();
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const Json all = ran.json();
  EXPECT_TRUE(all["interrupted"]);
  const Json& sweep = all["sweeps"][0];
  EXPECT_EQ(sweep["ended"], "interrupted");
  EXPECT_LT(sweep["tried"], sweep["candidates"]);
  EXPECT_GE(sweep["tried"], 1);

  const Json rest = osdn({"tune", "--problem", small, "--shapes", "b=1,t=200,h=2", "--directory", path("tuning"),
                          "--resume", "--budget", "2", "--json"})
                        .json()["sweeps"][0];
  EXPECT_EQ(rest["tried"], sweep["tried"].get<int>() + 2);
  EXPECT_EQ(rest["taken_over"], sweep["tried"]);
}

TEST_F(Tune, SaysWhatIsWrong) {
  struct Bad {
    std::vector<std::string> more;
    int exit_code;
    std::string word;
  };
  const std::vector<std::string> shape = {"--shapes", "b=1,t=10,h=1"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), shape.begin(), shape.end());
    return more;
  };
  const Bad cases[] = {
      {{"--problem", small}, 2, "--shapes"},
      {with({}), 2, "--problem"},
      {with({"--problem", small, "--budget", "-3"}), 2, "--budget"},
      {with({"--problem", small, "--budget", "3 weeks"}), 2, "--budget"},
      {with({"--problem", small, "--budget", "1.5"}), 2, "--budget"},
      {with({"--problem", small, "--only", "chunk=5"}), 2, "chunk"},
      {with({"--problem", small, "--resume", "--fresh"}), 2, "--fresh"},
      {with({"--problem", small, "--device", "reference"}), 2, "emulator"},
      {with({"--problem", small, "--device", "gpu"}), 3, "libcuda"},
      {with({"--problem", small, "--stopwatch", "sundial"}), 2, "events"},
      {with({"--problem", small, "--worker", "/nonexistent/worker"}), 3, "/nonexistent/worker"},
      {{"--problem", small, "--shapes", "b=1,t=0,h=1"}, 2, "t = 0"},
      {{"--problem", small, "--shapes", "b=0,t=1,h=1"}, 2, "b was"},
      {{"--from-trace", "/nonexistent/trace"}, 3, "/nonexistent/trace"},
      {{"--from-trace", OSDN_TEST_DATA "/golden/osdn_paper.safetensors"}, 2, "osdn_paper"},
      {with({"--from-trace", "/dev/null"}), 2, "--shapes"},
  };
  for (const Bad& bad : cases) {
    std::vector<std::string> all = {"tune", "--directory", path("tuning")};
    all.insert(all.end(), bad.more.begin(), bad.more.end());
    const Ran ran = osdn(all);
    EXPECT_EQ(ran.exit_code, bad.exit_code) << bad.word << ": " << ran.err;
    EXPECT_NE(ran.err.find(bad.word), std::string::npos) << bad.word << ": " << ran.err;
  }
}

TEST_F(Tune, AnswersWhereItCannotRemember) {
  std::ofstream(path("file")) << "in the way";
  std::vector<std::string> all = arguments({"--json"});
  *std::find(all.begin(), all.end(), path("tuning")) = path("file") + "/tuning";
  const Ran ran = osdn(all);
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ran.json()["sweeps"].size(), 1U);
  EXPECT_NE(ran.err.find("warning"), std::string::npos) << ran.err;
}

TEST_F(Tune, SaysWhenTheDiskIsFull) {
  EXPECT_EQ(tune()["sweeps"].size(), 1U);  // kernels are in the cache
  std::filesystem::remove_all(path("tuning"));
  std::vector<std::string> all = arguments({"--json"});
  const Ran ran = osdn(all, {}, 4096);
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_TRUE(ran.json()["sweeps"][0].contains("unrecorded")) << ran.out;
  EXPECT_NE(ran.err.find("tuning"), std::string::npos) << ran.err;
  EXPECT_EQ(tune()["sweeps"][0]["tried"], ran.json()["sweeps"][0]["tried"]);
}

}  // namespace
}  // namespace osdn::test
