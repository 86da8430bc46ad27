// osdn report: what goes into the page, and that it appears whole or not at all.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "autotune/database/database.hpp"
#include "autotune/database/exchange.hpp"
#include "generator/plan.hpp"
#include "program.hpp"

namespace osdn::test {
namespace {

using namespace autotune;

constexpr const char* gpu_name = "Device <b>of</b> the test";

std::string read(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

/// A database with one key: the default and one refused trial, and a choice.
Entry fill(const std::string& directory) {
  auto database = Database::open({.directory = directory, .read_only = {}, .library_entries = false, .log = {}});
  const Shape shape{.b = 1, .t = 512, .h = 2, .hv = 2};
  const Problem problem = canonical(Problem{.k = 64, .v = 64}).value_or_throw();
  const Key key{problem, bucket_of(shape), {gpu_name, 132, 90, 3200, false}};
  const auto architecture = generator::find_architecture("sm_90").value_or_throw();
  Trial usual;
  usual.config = generator::default_config(problem, architecture).value_or_throw();
  usual.sources = source_hash(generator::plan(problem, usual.config, architecture).value_or_throw());
  usual.shape = shape;
  usual.median_seconds = 25e-6;
  usual.ratio = 1;
  usual.samples = 8;
  usual.circumstances = {1'763'700'000, 12080, 12080, "0.1.0", "events"};
  Trial refused = usual;
  refused.config.chunk = 16;
  refused.sources = std::string(32, '0');  // of kernels that nobody writes now
  refused.outcome = Outcome::hung;
  refused.reason = "was not done after 60 s";
  refused.median_seconds = refused.ratio = 0;
  refused.samples = 0;
  Choice choice;
  choice.shape = shape;
  choice.default_config = usual.config;
  Finalist finalist;
  finalist.config = usual.config;
  finalist.sources = usual.sources;
  finalist.median_seconds = usual.median_seconds;
  finalist.samples = {24e-6, 25e-6, 26e-6};
  choice.finalists = {finalist};
  choice.strategy = "exhaustive";
  choice.ended = "separated";
  choice.circumstances = usual.circumstances;
  for (const Trial& trial : {usual, refused}) database->append(key, trial).value_or_throw();
  database->append(key, choice).value_or_throw();
  return database->load(key);
}

TEST_F(Program, ReportsTheTuningDatabase) {
  fill(path("tuning"));
  const Ran ran = osdn({"report", path("out.html"), "--directory", path("tuning"), "--json"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  const auto json = ran.json();
  EXPECT_EQ(json["entries"], 1);
  EXPECT_EQ(json["trials"], 2);
  EXPECT_EQ(json["path"], path("out.html"));
  const std::string page = read(path("out.html"));
  EXPECT_EQ(json["bytes"], page.size());
  EXPECT_NE(page.find("Device \\u003cb\\u003eof"), std::string::npos);
  EXPECT_EQ(page.find(gpu_name), std::string::npos);
  EXPECT_NE(page.find("was not done after 60 s"), std::string::npos);
  EXPECT_NE(page.find("\"stale\":[0,1]"), std::string::npos);
  const Ran people = osdn({"report", path("out.html")}, {{"OSDN_TUNING_DIR", path("tuning")}});
  EXPECT_EQ(people.exit_code, 0) << people.err;
  EXPECT_NE(people.out.find("out.html: 1 entries, 2 trials"), std::string::npos) << people.out;
  EXPECT_EQ(read(path("out.html")), page);
}

TEST_F(Program, ReportsExportsAndSingleProblems) {
  const Entry entry = fill(path("tuning"));
  std::ofstream(path("export.jsonl")) << export_text({entry}) << "{\"torn";
  const Ran ran = osdn({"report", path("out.html"), "--from", path("export.jsonl"), "--json"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_EQ(ran.json()["entries"], 1);
  EXPECT_NE(ran.err.find("1 damaged lines"), std::string::npos) << ran.err;
  for (const auto& [problem, entries] :
       {std::pair{"osdn_forward:k=64,v=64", 1}, std::pair{"osdn_forward:k=32,v=64", 0}}) {
    for (const char* from : {"--from", "--directory"}) {
      const std::string where = path(from == std::string("--from") ? "export.jsonl" : "tuning");
      const Ran some = osdn({"report", path("out.html"), from, where, "--problem", problem, "--json"});
      ASSERT_EQ(some.exit_code, 0) << some.err;
      EXPECT_EQ(some.json()["entries"], entries) << problem << from;
    }
  }
}

TEST_F(Program, AReportAppearsWholeOrNotAtAll) {
  fill(path("tuning"));
  std::ofstream(path("out.html")) << "what was there";
  const Ran full = osdn({"report", path("out.html"), "--directory", path("tuning")}, {}, 4096);
  EXPECT_EQ(full.exit_code, 3) << full.err;
  EXPECT_EQ(read(path("out.html")), "what was there");
  EXPECT_EQ(files().size(), 2U);  // the database and the page, nothing half written
  std::ofstream(path("not-ours.jsonl")) << "{\"a\": 1}\n";
  EXPECT_EQ(osdn({"report", path("out.html"), "--from", path("not-ours.jsonl")}).exit_code, 2);
  EXPECT_NE(osdn({"report", path("out.html"), "--from", path("nowhere.jsonl")}).exit_code, 0);
  EXPECT_EQ(osdn({"report", path("no/folder/out.html")}).exit_code, 3);
  EXPECT_EQ(read(path("out.html")), "what was there");
  // Looking makes no directory.
  const Ran empty = osdn({"report", path("new.html"), "--json"}, {{"OSDN_TUNING_DIR", path("none")}});
  EXPECT_EQ(empty.exit_code, 0) << empty.err;
  EXPECT_EQ(empty.json()["entries"], 0);
  EXPECT_FALSE(std::filesystem::exists(path("none")));
}

}  // namespace
}  // namespace osdn::test
