// A key's file: what is appended is there, damage costs only what is damaged.
#include "autotune/database/database.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "autotune/database/key_file.hpp"
#include "autotune/database/line.hpp"
#include "autotune/database/record.hpp"
#include "support.hpp"

namespace osdn::autotune::test {
namespace {

namespace fs = std::filesystem;

using Files = DatabaseTest;

/// Of trials that no other supersedes.
std::vector<Trial> distinct_trials(Draw& draw, int count) {
  std::vector<Trial> out;
  for (int i = 0; i < count; ++i) {
    out.push_back(draw.trial());
    out.back().shape.t = 64;
  }
  return out;
}

TEST_F(Files, WhatIsAppendedIsThere) {
  Draw draw(10);
  const Database database = open();
  const Key key = some_key();
  const Entry none = database.load(key);
  EXPECT_TRUE(none.trials.empty() && !none.choice && !none.pin && none.lines == 0);
  EXPECT_TRUE(none.key == key);

  const std::vector<Trial> trials = distinct_trials(draw, 5);
  for (const Trial& trial : trials) ASSERT_TRUE(database.append(key, trial));
  Choice first = draw.choice();
  Choice second = draw.choice();
  first.circumstances.when = 100;
  second.circumstances.when = 200;
  ASSERT_TRUE(database.append(key, second));
  ASSERT_TRUE(database.append(key, first));
  ASSERT_TRUE(database.append(key, Pin{trials[0].config, 50}));

  for (const Database& reader : {database, open()}) {
    const Entry entry = reader.load(key);
    EXPECT_TRUE(entry.key == key);
    EXPECT_TRUE(entry.trials == trials);
    EXPECT_TRUE(entry.choice == second);
    ASSERT_EQ(entry.earlier.size(), 1U);
    EXPECT_TRUE(entry.earlier[0] == first);
    EXPECT_TRUE(entry.pin == (Pin{trials[0].config, 50}));
    EXPECT_EQ(entry.lines, 9);
    EXPECT_EQ(entry.damaged, 0);
    EXPECT_EQ(entry.foreign, 0);
    EXPECT_EQ(entry.origin, key_path(directory(), key));
    ASSERT_EQ(reader.keys().size(), 1U);
    EXPECT_TRUE(reader.keys()[0] == key);
    EXPECT_EQ(reader.keys(&key.problem).size(), 1U);
    Problem other = key.problem;
    other.k = 64;
    EXPECT_TRUE(reader.keys(&other).empty());
  }
  ASSERT_TRUE(database.remove_pin(key));
  EXPECT_FALSE(database.load(key).pin);
  EXPECT_TRUE(warnings_.empty());

  struct stat found {};
  ASSERT_EQ(::stat(key_path(directory(), key).c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777U, 0600U);
  ASSERT_EQ(::stat((directory() + "/v1").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777U, 0700U);
}

TEST_F(Files, TheNewestTrialOfOneKindCounts) {
  Draw draw(11);
  const Database database = open();
  const Key key = some_key();
  Trial old = draw.trial();
  old.circumstances.when = 100;
  Trial young = old;
  young.outcome = Outcome::hung;
  young.circumstances.when = 200;
  Trial elsewhere = old;  // another bucket: another question
  elsewhere.shape.t = elsewhere.shape.t * 8 + 64;
  for (const Trial& trial : {young, old, elsewhere}) ASSERT_TRUE(database.append(key, trial));
  EXPECT_TRUE(database.load(key).trials == (std::vector{young, elsewhere}));
  Trial same_second = old;
  same_second.circumstances.when = 200;
  ASSERT_TRUE(database.append(key, same_second));
  EXPECT_TRUE(database.load(key).trials == (std::vector{elsewhere, same_second}));
}

TEST_F(Files, KeysHaveFilesOfTheirOwn) {
  Draw draw(12);
  const Database database = open();
  std::vector<Key> keys(6, some_key());
  keys[1].bucket = {5, 12};
  keys[2].gpu.emulated = false;
  keys[3].gpu.name = "Software 'GPU' µ/1";  // the same words
  keys[4].gpu.name = "../../../etc";
  keys[5].problem.apf = Apf::per_token;
  std::vector<Trial> trials;
  for (const Key& key : keys) {
    trials.push_back(draw.trial());
    ASSERT_TRUE(database.append(key, trials.back()));
  }
  EXPECT_EQ(database.keys().size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_TRUE(database.load(keys[i]).trials == std::vector{trials[i]}) << i;
    const std::string path = key_path(directory(), keys[i]);
    EXPECT_TRUE(path.starts_with(directory() + "/v1/"));
    EXPECT_EQ(path.find(".."), std::string::npos);
  }
}

TEST_F(Files, EveryTruncationCostsOnlyTheTornLine) {
  Draw draw(13);
  const Key key = some_key();
  const std::vector<Trial> trials = distinct_trials(draw, 3);
  const Trial next = distinct_trials(draw, 1)[0];
  {
    const Database database = open();
    for (const Trial& trial : trials) ASSERT_TRUE(database.append(key, trial));
  }
  const std::string file = key_path(directory(), key);
  const std::string whole = read(file);
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write(file, whole.substr(0, size));
    // The key's line, then the trials. A line counts with its last byte, its newline need not be there.
    std::vector<Trial> left;
    bool torn = false;
    std::size_t begin = 0;
    for (std::size_t line = 0; line < 4; ++line) {
      const std::size_t newline = whole.find('\n', begin);
      if (size >= newline && line > 0) left.push_back(trials[line - 1]);
      if (size > begin && size < newline) torn = true;
      begin = newline + 1;
    }
    const Database database = open();
    const Entry entry = database.load(key);
    ASSERT_TRUE(entry.trials == left) << size;
    ASSERT_EQ(entry.damaged, torn ? 1 : 0) << size;
    ASSERT_TRUE(database.append(key, next));
    left.push_back(next);
    const Entry after = database.load(key);
    ASSERT_TRUE(after.trials == left) << size;
    ASSERT_EQ(after.damaged, 0) << size;  // the torn line is cut away
    ASSERT_EQ(database.keys().size(), 1U) << size;
  }
}

TEST_F(Files, DamageCostsOnlyTheDamagedLine) {
  Draw draw(14);
  const Key key = some_key();
  const std::vector<Trial> trials = distinct_trials(draw, 3);
  {
    const Database database = open();
    for (const Trial& trial : trials) ASSERT_TRUE(database.append(key, trial));
  }
  const std::string file = key_path(directory(), key);
  const std::string whole = read(file);
  for (std::size_t at = 0; at < whole.size(); at += 1 + static_cast<std::size_t>(draw.integer(0, 6))) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + draw.integer(0, 254)));
    write(file, bytes);
    warnings_.clear();
    const Database database = open();
    const Entry entry = database.load(key);
    // Every record that is read was written.
    EXPECT_GE(entry.damaged, 1) << at;
    EXPECT_GE(entry.trials.size(), 1U) << at;  // at most two lines: a newline that is gone joins them
    for (const Trial& trial : entry.trials) {
      EXPECT_TRUE(std::find(trials.begin(), trials.end(), trial) != trials.end()) << at;
    }
    EXPECT_EQ(warnings_.size(), 1U);
    ASSERT_TRUE(database.append(key, Pin{trials[0].config, 5}));
    EXPECT_TRUE(database.load(key).pin);
    EXPECT_EQ(database.keys().size(), 1U) << at;  // a damaged key's line is written again
  }
}

TEST_F(Files, ForeignLinesAreCountedAndKept) {
  Draw draw(15);
  const Key key = some_key();
  const Database database = open();
  const Trial trial = draw.trial();
  ASSERT_TRUE(database.append(key, trial));
  const std::string file = key_path(directory(), key);
  const std::string newer = sealed(R"(,"format":2,"kind":"trial","of":"tomorrow"})");
  const std::string unknown = sealed(R"(,"format":1,"kind":"dream"})");
  write(file, read(file) + newer + unknown + "damaged\n" + newer.substr(0, newer.size() - 3) + "\n");
  const Entry entry = database.load(key);
  EXPECT_EQ(entry.foreign, 2);
  EXPECT_EQ(entry.damaged, 2);
  EXPECT_TRUE(entry.trials == std::vector{trial});

  ASSERT_TRUE(database.append(key, trial));  // superseded
  ASSERT_TRUE(database.compact(key));
  const Entry after = database.load(key);
  EXPECT_EQ(after.foreign, 2);
  EXPECT_EQ(after.damaged, 0);
  EXPECT_EQ(after.lines, 2);
  EXPECT_TRUE(after.trials == std::vector{trial});
  EXPECT_NE(read(file).find(newer), std::string::npos);
  EXPECT_NE(read(file).find(unknown), std::string::npos);
}

TEST_F(Files, RecordsOfAnotherKeyDoNotCount) {
  Draw draw(16);
  const Key key = some_key();
  Key other = key;
  other.bucket = {1, 1};
  const Database database = open();
  ASSERT_TRUE(database.append(key, draw.trial()));
  ASSERT_TRUE(database.append(other, draw.trial()));
  const std::string file = key_path(directory(), key);
  const std::string own = read(file);
  const std::string theirs = read(key_path(directory(), other));
  // The whole of the other file, and then its records without the line that names their key.
  write(file, own + theirs);
  EXPECT_EQ(database.load(key).trials.size(), 1U);
  EXPECT_EQ(database.load(key).foreign, 2);
  write(file, own + theirs.substr(theirs.find('\n') + 1));
  EXPECT_EQ(database.load(key).trials.size(), 1U);
  EXPECT_EQ(database.load(key).damaged, 1);
  ASSERT_TRUE(database.compact(key));  // nobody will ever know whose the record is
  EXPECT_EQ(read(file), own);
  write(file, own + theirs);
  ASSERT_TRUE(database.compact(key));
  EXPECT_EQ(read(file), own + theirs);
  // A file under the wrong name is no key's.
  fs::rename(key_path(directory(), other), file);
  EXPECT_TRUE(database.load(key).trials.empty());
  EXPECT_TRUE(database.keys().empty());
}

TEST_F(Files, CompactionKeepsWhatCounts) {
  Draw draw(17);
  const Key key = some_key();
  const Database database = open();
  ASSERT_TRUE(database.compact(key));  // nothing there: nothing to do
  const std::vector<Trial> trials = distinct_trials(draw, 4);
  Choice choice = draw.choice();
  for (int round = 0; round < 3; ++round) {
    for (const Trial& trial : trials) ASSERT_TRUE(database.append(key, trial));
    ASSERT_TRUE(database.append(key, choice));
    ASSERT_TRUE(database.append(key, Pin{trials[1].config, 7 + round}));
  }
  const Entry before = database.load(key);
  EXPECT_EQ(before.lines, 1 + 3 * 6);
  ASSERT_TRUE(database.compact(key));
  const Entry after = database.load(key);
  EXPECT_EQ(after.lines, 1 + 6);
  EXPECT_TRUE(after.trials == before.trials);
  EXPECT_TRUE(after.choice == before.choice);
  EXPECT_TRUE(after.earlier == before.earlier);
  EXPECT_TRUE(after.pin == before.pin);
  const std::string once = read(key_path(directory(), key));
  ASSERT_TRUE(database.compact(key));
  EXPECT_EQ(read(key_path(directory(), key)), once);
  for (const auto& file : fs::directory_iterator(fs::path(key_path(directory(), key)).parent_path())) {
    EXPECT_EQ(file.path().extension(), ".jsonl");  // neither locks nor temporary files stay
  }
}

TEST_F(Files, AnEntryGoesInAtOnce) {
  Draw draw(18);
  const Database database = open();
  Entry entry;
  entry.key = some_key();
  entry.trials = distinct_trials(draw, 20);
  entry.choice = draw.choice();
  entry.pin = Pin{draw.config(), 3};
  ASSERT_TRUE(database.append(entry));
  const Entry back = database.load(entry.key);
  EXPECT_TRUE(back.trials == entry.trials);
  EXPECT_TRUE(back.choice == entry.choice);
  EXPECT_TRUE(back.pin == entry.pin);
}

TEST_F(Files, WhatCouldNotBeReadIsNotWritten) {
  Draw draw(19);
  const Database database = open();
  Trial trial = draw.trial();
  trial.sources = "no hash";
  const auto refused = database.append(some_key(), trial);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::internal);
  trial = draw.trial();
  trial.ratio = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(database.append(some_key(), trial));
  EXPECT_FALSE(fs::exists(key_path(directory(), some_key())));
}

TEST(DatabaseDirectory, IsTheOptionThenTheVariableThenTheCaches) {
  ::unsetenv("OSDN_TUNING_DIR");
  EXPECT_EQ(Database::directory("/a", "/c"), "/a");
  EXPECT_EQ(Database::directory("", "/c"), "/c/tuning");
  ::setenv("OSDN_TUNING_DIR", "/b", 1);
  EXPECT_EQ(Database::directory("/a", "/c"), "/a");
  EXPECT_EQ(Database::directory("", "/c"), "/b");
  ::unsetenv("OSDN_TUNING_DIR");
}

TEST(DatabaseDirectory, WithoutOneNothingIsRemembered) {
  for (const Database& database : {Database(), *Database::open({.library_entries = false})}) {
    EXPECT_FALSE(database.refusal().empty());
    EXPECT_TRUE(database.keys().empty());
    EXPECT_TRUE(database.load(some_key()).trials.empty());
    const auto refused = database.append(some_key(), Draw(20).trial());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::io);
  }
}

}  // namespace
}  // namespace osdn::autotune::test
