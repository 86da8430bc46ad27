// osdn db: what the tuning database says, and what is done with its files.
#include <sys/stat.h>

#include <fstream>

#include "autotune/database/exchange.hpp"
#include "autotune/database/key_file.hpp"
#include "autotune/database/ladder.hpp"
#include "program.hpp"

namespace osdn::test {
namespace {

namespace fs = std::filesystem;
using namespace autotune;

const std::string problem_text = "osdn_forward:type=fp32,k=32,v=32";
const std::string shape_text = "b=1,t=2048,h=32,hv=32";
const generator::Architecture hopper = *generator::find_architecture("sm_90");
const GpuKey h200 = {"NVIDIA H200", 132, 90, 3200, false};

Finalist finalist(const Problem& problem, const Config& config, double ratio) {
  Finalist out;
  out.config = config;
  out.sources = current_hash(problem, config, hopper);
  out.ratio = ratio;
  out.median_seconds = ratio * 1e-3;
  out.samples = {out.median_seconds};
  return out;
}

/// The winner is twice as fast as the default, the runner-up 1.25 times.
Entry entry_of(const GpuKey& gpu, const char* winner = "chunk=16,warps=1") {
  Entry out;
  out.key = {*canonical(*parse_problem(problem_text)), bucket_of(*parse_shape(shape_text)), gpu};
  const Config usual = *generator::default_config(out.key.problem, hopper);
  Choice choice;
  choice.shape = *parse_shape(shape_text);
  choice.default_config = usual;
  choice.finalists = {finalist(out.key.problem, *parse_config(winner, usual), 0.5),
                      finalist(out.key.problem, *parse_config("chunk=16,warps=2", usual), 0.8),
                      finalist(out.key.problem, usual, 1)};
  choice.circumstances.when = 1700000000;
  for (const Finalist& one : choice.finalists) {
    Trial& trial = out.trials.emplace_back();
    trial.config = one.config;
    trial.sources = one.sources;
    trial.shape = choice.shape;
    trial.median_seconds = one.median_seconds;
    trial.ratio = one.ratio;
  }
  out.choice = choice;
  return out;
}

class Db : public Program {
 protected:
  Db() { add(directory(), entry_of(h200)); }

  [[nodiscard]] std::string directory() const { return path("tuning"); }
  static void add(const std::string& where, const Entry& entry) {
    DatabaseOptions options;
    options.directory = where;
    ASSERT_TRUE(Database::open(options)->append(entry));
  }
  Ran db(std::vector<std::string> arguments, std::optional<std::uint64_t> limit = {}) const {
    arguments.insert(arguments.begin(), "db");
    return osdn(arguments, {{"OSDN_TUNING_DIR", directory()}}, limit);
  }
  Ran on_h200(std::vector<std::string> arguments) const {
    for (const char* more : {"--problem", problem_text.c_str(), "--shape", shape_text.c_str(), "--gpu", "h200"}) {
      arguments.emplace_back(more);
    }
    return db(arguments);
  }
  [[nodiscard]] std::string file() const { return key_path(directory(), entry_of(h200).key); }
};

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(Db, ShowListsWhatIsTuned) {
  const auto shown = db({"show", "--json"}).json();
  EXPECT_EQ(shown["directory"], directory());
  ASSERT_EQ(shown["entries"].size(), 1U);
  const auto& entry = shown["entries"][0];
  EXPECT_EQ(entry["gpu"]["name"], "NVIDIA H200");
  EXPECT_EQ(entry["bucket"], "heads=2^5,tokens=2^11");
  EXPECT_EQ(entry["trial_count"], 3);
  EXPECT_EQ(entry["choice"]["finalists"][0]["ratio"], 0.5);
  EXPECT_TRUE(entry["pin"].is_null());
  EXPECT_FALSE(entry.contains("trials"));
  EXPECT_EQ(db({"show", "--trials", "--json"}).json()["entries"][0]["trials"].size(), 3U);

  const Ran people = db({"show"});
  for (const char* word : {"fp32 32×32", "NVIDIA H200", "chunk=16,warps=1", "2.00×", "500.00 us"}) {
    EXPECT_NE(people.out.find(word), std::string::npos) << word << "\n" << people.out;
  }
  EXPECT_NE(db({"show", "--trials"}).out.find("passed"), std::string::npos);
  EXPECT_NE(db({"show", "--directory", path("empty")}).out.find("nothing is tuned"), std::string::npos);
  EXPECT_EQ(db({"show", "--shape", "t=1", "--json"}).json()["entries"].size(), 0U);
  EXPECT_EQ(db({"show", "--gpu", "A100", "--json"}).json()["entries"].size(), 0U);
  EXPECT_EQ(db({"show", "--preset", "paper", "--json"}).json()["entries"].size(), 0U);
}

TEST_F(Db, ExplainNamesTheRungAndWhatTheOthersCost) {
  const auto found = on_h200({"explain", "--json"}).json();
  EXPECT_EQ(found["source"], "exact");
  EXPECT_NE(found["config"].get<std::string>().find("chunk=16,warps=1,"), std::string::npos);
  EXPECT_EQ(found["winner"]["ratio"], 0.5);
  EXPECT_EQ(found["runner_up"]["ratio"], 0.8);
  EXPECT_EQ(found["default"]["ratio"], 1.0);
  EXPECT_EQ(found["passed_by"].size(), 1U);
  const Ran people = on_h200({"explain"});
  EXPECT_EQ(people.exit_code, 0) << people.err;
  for (const char* word : {"exact: ", "runner-up", "1.600 times as long", "2.000 times as long", "pinned: nothing"}) {
    EXPECT_NE(people.out.find(word), std::string::npos) << word << "\n" << people.out;
  }
  EXPECT_EQ(on_h200({"explain", "--deterministic", "--json"}).json()["source"], "heuristic");
}

TEST_F(Db, ExplainOnTheEmulatorKnowsNothingOfRealGpus) {
  const Ran ran = db({"explain", "--problem", problem_text, "--shape", shape_text, "--device", "emulator", "--arch",
                      "sm_90", "--json"});
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  const auto found = ran.json();
  EXPECT_EQ(found["source"], "heuristic");
  EXPECT_TRUE(found["gpu"]["emulated"].get<bool>());
  EXPECT_EQ(found["gpu"]["arch"], 90);
  EXPECT_EQ(found["passed_by"].size(), 5U);
  EXPECT_NE(ran.err.find("emulator"), std::string::npos);
}

TEST_F(Db, APinIsUsedUntilItIsTakenAway) {
  const Ran pinned = on_h200({"pin", "--config", "chunk=16,warps=2", "--json"});
  EXPECT_EQ(pinned.exit_code, 0) << pinned.err;
  EXPECT_EQ(on_h200({"explain", "--json"}).json()["source"], "pinned");
  EXPECT_EQ(on_h200({"explain", "--deterministic", "--json"}).json()["config"], pinned.json()["config"]);
  EXPECT_EQ(db({"show", "--json"}).json()["entries"][0]["pin"]["config"], pinned.json()["config"]);
  EXPECT_EQ(on_h200({"unpin", "--json"}).json()["removed"], pinned.json()["config"]);
  EXPECT_TRUE(on_h200({"unpin", "--json"}).json()["removed"].is_null());
  EXPECT_EQ(on_h200({"explain", "--json"}).json()["source"], "exact");
  const Ran illegal = on_h200({"pin", "--config", "chunk=48"});
  EXPECT_EQ(illegal.exit_code, 2);
  EXPECT_NE(illegal.err.find("allowed"), std::string::npos) << illegal.err;
}

TEST_F(Db, WhatIsExportedIsImported) {
  EXPECT_EQ(db({"export", path("out.jsonl"), "--json"}).json()["trials"], 3);
  const std::vector<std::string> there = {"--directory", path("other"), "--json"};
  const auto with = [&there](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), there.begin(), there.end());
    return arguments;
  };
  EXPECT_EQ(db(with({"import", path("out.jsonl")})).json()["added"], 4);
  EXPECT_EQ(db(with({"import", path("out.jsonl"), path("out.jsonl")})).json()["known"], 8);
  EXPECT_EQ(db({"diff", directory(), path("other")}).exit_code, 0);
  EXPECT_EQ(db({"diff", directory(), path("out.jsonl"), "--json"}).json()["differences"].size(), 0U);
  EXPECT_EQ(db(with({"explain", "--read-only", path("out.jsonl"), "--problem", problem_text, "--shape", shape_text,
                     "--gpu", "NVIDIA H200,sm_90,132 SMs,3200 MHz", "--deterministic"}))
                .json()["source"],
            "shipped");

  add(path("third"), entry_of({"NVIDIA H100", 132, 90, 2600, false}));
  add(path("third"), entry_of(h200, "chunk=32,warps=1"));
  const Ran differ = db({"diff", directory(), path("third")});
  EXPECT_EQ(differ.exit_code, 1) << differ.err;
  EXPECT_NE(differ.out.find("only in B"), std::string::npos) << differ.out;
  EXPECT_NE(differ.out.find("winner"), std::string::npos) << differ.out;
  EXPECT_EQ(db({"merge", path("third"), "--json"}).json()["directory"], directory());
  EXPECT_EQ(db({"show", "--json"}).json()["entries"].size(), 2U);
  EXPECT_EQ(on_h200({"show", "--json"}).json()["entries"].size(), 1U);
  EXPECT_EQ(db({"export", path("one.jsonl"), "--gpu", "H100", "--json"}).json()["entries"], 1);
}

TEST_F(Db, VerifyAndCompactDealWithDamage) {
  EXPECT_EQ(db({"verify"}).exit_code, 0);
  const std::string good = read(file());
  std::ofstream(file(), std::ios::app) << "damaged\n";
  const Ran damaged = db({"verify", "--json"});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_EQ(damaged.json()["unsound"], 1);
  EXPECT_EQ(damaged.json()["files"][0]["damaged"], 1);
  EXPECT_NE(db({"verify"}).out.find("line 6"), std::string::npos) << db({"verify"}).out;
  EXPECT_NE(db({"show"}).err.find("warning"), std::string::npos);
  const auto compacted = db({"compact", "--json"}).json();
  EXPECT_EQ(compacted["lines_before"], 6);
  EXPECT_EQ(compacted["lines_after"], 5);
  EXPECT_EQ(read(file()), good);
  EXPECT_EQ(db({"verify"}).exit_code, 0);
  std::ofstream(path("copy.jsonl")) << good << "damaged\n";
  EXPECT_EQ(db({"verify", path("copy.jsonl")}).exit_code, 1);
}

TEST_F(Db, WhatCannotBeIsRefused) {
  struct Case {
    std::vector<std::string> arguments;
    int exit_code;
    const char* said;
  };
  std::ofstream(path("notes.txt")) << "notes\n";
  const std::vector<Case> cases = {
      {{"explain"}, 2, "--problem"},
      {{"explain", "--problem", problem_text}, 2, "--shape"},
      {{"explain", "--problem", problem_text, "--shape", "b=0"}, 2, "b was '0'"},
      {{"explain", "--problem", problem_text, "--shape", "t=1", "--gpu", "A100"}, 2, "NVIDIA H200"},
      {{"explain", "--problem", problem_text, "--shape", "t=1", "--device", "reference"}, 2, "--device"},
      {{"explain", "--problem", problem_text, "--shape", "t=1", "--device", "gpu"}, 3, "libcuda"},
      {{"show", "--problem", "osdn_forward:k=100"}, 2, "k was '100'"},
      {{"import", path("notes.txt")}, 2, "no line of it"},
      {{"import", path("missing")}, 3, "no such file"},
      {{"import", directory()}, 2, "allowed"},
      {{"merge", path("notes.txt")}, 2, "allowed"},
      {{"export", path("no/folder")}, 3, "no/folder"},
      {{"export", path("out"), "--gpu", "A100"}, 2, "no entry"},
      {{"diff", path("notes.txt")}, 2, "allowed"},
      {{"show", "--directory", path("notes.txt")}, 3, "not a directory"},
      {{"pin", "--problem", problem_text, "--shape", "t=1"}, 2, "--config"},
  };
  for (const Case& one : cases) {
    const Ran ran = db(one.arguments);
    EXPECT_EQ(ran.exit_code, one.exit_code) << one.said << "\n" << ran.err;
    EXPECT_NE(ran.err.find(one.said), std::string::npos) << ran.err;
  }
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(Db, AFullDiskLeavesNothingHalfWritten) {
  const std::string before = read(file());
  const Ran full = db({"export", path("out.jsonl")}, 200);
  EXPECT_EQ(full.exit_code, 3);
  EXPECT_FALSE(fs::exists(path("out.jsonl")));
  const Ran pin = db({"pin", "--problem", problem_text, "--shape", shape_text, "--gpu", "h200", "--config", "warps=1"},
                     before.size() + 20);
  EXPECT_EQ(pin.exit_code, 3);
  EXPECT_NE(pin.err.find("make room"), std::string::npos) << pin.err;
  EXPECT_EQ(read(file()), before);
}

TEST_F(Db, ADirectoryThatOthersMayWriteIsNotUsed) {
  ::chmod(directory().c_str(), 0777);
  const Ran ran = db({"show"});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_NE(ran.err.find("--directory"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace osdn::test
