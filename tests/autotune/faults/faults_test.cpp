// Sweeps that are killed, that meet each other, that find a damaged database.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "autotune/database/database.hpp"
#include "autotune/key.hpp"
#include "tests/cli/program.hpp"

namespace osdn::autotune {
namespace {

using osdn::test::Environment;
using osdn::test::Program;
using osdn::test::Ran;
using osdn::test::Running;

const std::string small = "osdn_forward:type=fp32,k=16,v=16,precondition=none";

class Faults : public Program {
 protected:
  /// `only` names what is tried; everything goes to folders of this test.
  [[nodiscard]] std::vector<std::string> tune(const std::string& only) const {
    return {"tune",        "--problem",    small,      "--shapes", "b=1,t=100,h=2", "--only", only,
            "--directory", path("tuning"), "--device", "emulator", "--trials",      "--json"};
  }
  [[nodiscard]] Database database() const {
    DatabaseOptions options;
    options.directory = path("tuning");
    return Database::open(std::move(options)).value_or_throw();
  }
  /// The only entry that there is.
  [[nodiscard]] Entry entry() const {
    const Database opened = database();
    const auto keys = opened.keys();
    EXPECT_EQ(keys.size(), 1U);
    return keys.empty() ? Entry{} : opened.load(keys.front());
  }
  /// Compiled kernels in a cache.
  static std::size_t kernels(const std::string& cache) {
    std::size_t count = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(cache)) {
      count += file.path().extension() == ".osdn" ? 1 : 0;
    }
    return count;
  }
};

/// Configurations that a killed process said were done.
std::set<std::string> reported(const std::string& err) {
  std::set<std::string> out;
  std::istringstream lines(err);
  for (std::string line; std::getline(lines, line);) {
    const std::string begin = "passed: ";
    if (!line.starts_with(begin) || lines.eof()) continue;  // the last line may be torn
    out.insert(line.substr(begin.size(), line.find(": ", begin.size()) - begin.size()));
  }
  return out;
}

TEST_F(Faults, NothingReportedIsLostByAHundredKills) {
  const std::string only = "chunk=16|32,warps=1|2,value_split=1,inverse=blocked";
  std::filesystem::create_directories(path("cache"));
  const Environment environment = {{"OSDN_CACHE_DIR", path("cache")}};
  const Ran whole = osdn::test::osdn(tune(only), environment);  // compiles
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const std::int64_t candidates = whole.json()["sweeps"][0]["candidates"];
  const auto winner = whole.json()["sweeps"][0]["winner"]["config"];

  std::mt19937 random(std::random_device{}());
  std::set<std::string> done;
  int finished = 0;
  for (int kill = 0; kill < 100; ++kill) {
    if (finished > 0 && kill % 5 == 0) {  // again from nothing
      std::filesystem::remove_all(path("tuning"));
      done.clear();
      finished = 0;
    }
    Running running(tune(only), environment);
    std::this_thread::sleep_for(std::chrono::milliseconds(std::uniform_int_distribution(20, 500)(random)));
    running.signal(SIGKILL);
    const Ran ran = running.wait();
    finished += ran.exit_code == 0 ? 1 : 0;
    done.merge(reported(ran.err));
    if (database().keys().empty()) {  // killed before its first line
      EXPECT_TRUE(done.empty()) << *done.begin() << " is lost";
      continue;
    }
    const Entry found = entry();
    EXPECT_LE(found.damaged, kill + 1) << "at most the line that was being written, each time";
    std::set<std::string> known;
    for (const Trial& trial : found.trials) known.insert(to_string(trial.config));
    for (const std::string& config : done) EXPECT_TRUE(known.contains(config)) << config << " is lost";
  }
  const Ran last = osdn::test::osdn(tune(only), environment);
  ASSERT_EQ(last.exit_code, 0) << last.err;
  EXPECT_EQ(last.json()["sweeps"][0]["tried"], candidates);
  EXPECT_EQ(last.json()["sweeps"][0]["winner"]["config"], winner);
  EXPECT_EQ(entry().trials.size(), static_cast<std::size_t>(candidates));
}

TEST_F(Faults, EightAtOnceDoTheWorkOnce) {
  const std::string only = "chunk=16,stages=1|2,value_split=1";
  std::filesystem::create_directories(path("cache"));
  const Environment environment = {{"OSDN_CACHE_DIR", path("cache")}};
  std::vector<std::unique_ptr<Running>> running;
  for (int i = 0; i < 8; ++i) running.push_back(std::make_unique<Running>(tune(only), environment));
  std::set<std::string> winners;
  std::int64_t taken_over = 0;
  std::int64_t candidates = 0;
  for (const auto& one : running) {
    const Ran ran = one->wait();
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    const auto sweep = ran.json()["sweeps"][0];
    EXPECT_EQ(sweep["tried"], sweep["candidates"]);
    candidates = sweep["candidates"];
    taken_over += sweep["taken_over"].get<std::int64_t>();
    winners.insert(sweep["winner"]["config"].get<std::string>());
  }
  EXPECT_EQ(winners.size(), 1U);
  EXPECT_EQ(taken_over, 7 * candidates) << "one measured, seven looked up";
  const Entry found = entry();
  EXPECT_EQ(found.damaged, 0);
  EXPECT_EQ(found.trials.size(), static_cast<std::size_t>(candidates));
  EXPECT_EQ(kernels(path("cache")), static_cast<std::size_t>(candidates)) << "DeltaNet: one kernel a candidate";
}

TEST_F(Faults, ADamagedDatabaseCostsWhatIsDamaged) {
  const std::string only = "chunk=16,stages=1,value_split=1";
  const Ran first = osdn::test::osdn(tune(only));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const std::int64_t candidates = first.json()["sweeps"][0]["candidates"];
  const std::string file = entry().origin;
  std::vector<std::string> lines;
  {
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
  }
  ASSERT_GT(lines.size(), 4U);
  lines[2][lines[2].size() / 2] ^= 1;
  lines.back().resize(lines.back().size() / 2);
  {
    std::ofstream out(file);
    for (std::size_t i = 0; i < lines.size(); ++i) out << lines[i] << (i + 1 < lines.size() ? "\n" : "");
  }
  const Ran second = osdn::test::osdn(tune(only));
  ASSERT_EQ(second.exit_code, 0) << second.err;
  const auto sweep = second.json()["sweeps"][0];
  EXPECT_EQ(sweep["taken_over"], candidates - 1) << "the damaged trial is done again";
  EXPECT_EQ(sweep["winner"]["config"], first.json()["sweeps"][0]["winner"]["config"]);
  EXPECT_EQ(entry().trials.size(), static_cast<std::size_t>(candidates));
}

}  // namespace
}  // namespace osdn::autotune
