// Many processes, and processes that die: what was reported appended is there, and nothing else is.
#include "processes.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <set>
#include <thread>

#include "autotune/database/exchange.hpp"
#include "autotune/database/key_file.hpp"
#include "support.hpp"

namespace osdn::autotune::test {
namespace {

namespace fs = std::filesystem;

/// The trial with this number, told from every other by its sources.
Trial numbered(int writer, int number) {
  Trial out;
  out.sources = fmt::format("{:016x}{:016x}", writer, number);
  out.shape.t = 64;
  out.samples = number;
  out.reason = std::string(static_cast<std::size_t>(number % 300), 'r');
  return out;
}

class Processes : public DatabaseTest {
 protected:
  Database quiet() const {
    DatabaseOptions options;
    options.directory = directory();
    options.library_entries = false;
    options.log = runtime::Log([](LogLevel, std::string_view) {});
    return *Database::open(options);
  }
};

TEST_F(Processes, EightThatAppendLoseNothing) {
  constexpr int writers = 8;
  constexpr int lines = 500;
  std::vector<pid_t> children;
  for (int writer = 0; writer < writers; ++writer) {
    children.push_back(in_child([&] {
      const Database database = quiet();
      for (int number = 0; number < lines; ++number) {
        if (!database.append(some_key(), numbered(writer, number))) return 1;
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  const Entry entry = open().load(some_key());
  EXPECT_EQ(entry.damaged, 0);
  EXPECT_EQ(entry.lines, 1 + writers * lines);
  ASSERT_EQ(entry.trials.size(), static_cast<std::size_t>(writers * lines));
  std::set<std::string> seen;
  for (const Trial& trial : entry.trials) seen.insert(trial.sources);
  EXPECT_EQ(seen.size(), entry.trials.size());
}

TEST_F(Processes, CompactionsBesideAppendsLoseNothing) {
  constexpr int writers = 3;
  constexpr int lines = 150;
  std::vector<pid_t> children;
  for (int writer = 0; writer < writers; ++writer) {
    children.push_back(in_child([&] {
      const Database database = quiet();
      for (int number = 0; number < lines; ++number) {
        // Every line twice: one of them is for the compaction.
        if (!database.append(some_key(), numbered(writer, number))) return 1;
        if (!database.append(some_key(), numbered(writer, number))) return 1;
      }
      return 0;
    }));
  }
  const pid_t compactor = in_child([&] {
    const Database database = quiet();
    for (;;) {
      if (!database.compact(some_key())) return 1;
      // The lock knows no turns: who takes it again at once leaves nobody else a chance.
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (const pid_t child : children) EXPECT_EQ(wait_for(child), 0);
  ::kill(compactor, SIGKILL);
  EXPECT_EQ(wait_for(compactor), 128 + SIGKILL);
  const Database database = open();
  ASSERT_TRUE(database.compact(some_key()));  // a dead one's lock and temporary file are in nobody's way
  const Entry entry = database.load(some_key());
  EXPECT_EQ(entry.damaged, 0);
  EXPECT_EQ(entry.lines, 1 + writers * lines);
  EXPECT_EQ(entry.trials.size(), static_cast<std::size_t>(writers * lines));
}

TEST_F(Processes, ReadersSeeWholeRecordsOnly) {
  std::vector<Trial> all;
  for (int number = 0; number < 300; ++number) all.push_back(numbered(0, number));
  const pid_t writer = in_child([&] {
    const Database database = quiet();
    for (const Trial& trial : all) {
      if (!database.append(some_key(), trial)) return 1;
    }
    return 0;
  });
  const Database database = quiet();
  std::size_t most = 0;
  while (most < all.size()) {
    const Entry entry = database.load(some_key());
    ASSERT_GE(entry.trials.size(), most);  // nothing that was seen goes away
    most = entry.trials.size();
    ASSERT_TRUE(std::equal(entry.trials.begin(), entry.trials.end(), all.begin()));
    if (::kill(writer, 0) != 0) break;
  }
  EXPECT_EQ(wait_for(writer), 0);
}

TEST_F(Processes, OneThatIsKilledLosesNothingThatItReported) {
  Draw draw(50);
  std::set<std::string> reported;
  for (int round = 0; round < 60; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t writer = in_child([&] {
      const Database database = quiet();
      for (int number = 0;; ++number) {
        if (!database.append(some_key(), numbered(round, number))) return 1;
        if (::write(pipe[1], &number, sizeof number) != sizeof number) return 2;
      }
    });
    ::close(pipe[1]);
    std::this_thread::sleep_for(std::chrono::microseconds(draw.integer(100, 20000)));
    ::kill(writer, SIGKILL);
    EXPECT_EQ(wait_for(writer), 128 + SIGKILL);
    int number = 0;
    while (::read(pipe[0], &number, sizeof number) == sizeof number) reported.insert(numbered(round, number).sources);
    ::close(pipe[0]);

    const Entry entry = open().load(some_key());
    ASSERT_LE(entry.damaged, 1);  // the last line alone may be torn
    std::set<std::string> there;
    for (const Trial& trial : entry.trials) there.insert(trial.sources);
    ASSERT_TRUE(std::includes(there.begin(), there.end(), reported.begin(), reported.end())) << "round " << round;
  }
  EXPECT_FALSE(reported.empty());
  const Database database = open();
  ASSERT_TRUE(database.append(some_key(), numbered(1000, 1)));
  EXPECT_EQ(database.load(some_key()).damaged, 0);
}

/// A death between any two bytes of a line, which a kernel that is not killed itself never shows.
TEST_F(Processes, ATornLineOfADeadProcessIsCutAwayUnderTheLockAlone) {
  const Database database = open();
  ASSERT_TRUE(database.append(some_key(), numbered(0, 0)));
  const std::string file = key_path(directory(), some_key());
  const std::string whole = read(file);
  write(file, whole + "{\"checksum\":\"01");
  ASSERT_TRUE(database.append(some_key(), numbered(0, 1)));
  EXPECT_EQ(read(file).substr(0, whole.size() + 30), whole + read(file).substr(whole.size(), 30));
  EXPECT_EQ(database.load(some_key()).damaged, 0);
  EXPECT_EQ(database.load(some_key()).trials.size(), 2U);

  // Where the lock's file cannot be made there is none: the torn line may be another's, who is writing it.
  const std::string before = read(file);
  write(file, before + "{\"checksum\":\"01");
  fs::create_directory(file + ".lock");
  ASSERT_TRUE(database.append(some_key(), numbered(0, 2)));
  EXPECT_TRUE(read(file).starts_with(before + "{\"checksum\":\"01\n"));
  EXPECT_EQ(database.load(some_key()).damaged, 1);
  EXPECT_EQ(database.load(some_key()).trials.size(), 3U);
  EXPECT_FALSE(database.compact(some_key()));  // never without the lock
  fs::remove(file + ".lock");
  ASSERT_TRUE(database.compact(some_key()));
  EXPECT_EQ(database.load(some_key()).damaged, 0);
}

}  // namespace
}  // namespace osdn::autotune::test
