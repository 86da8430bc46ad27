// Databases as files: export, import, merge, diff, verify.
#include "autotune/database/exchange.hpp"

#include <algorithm>

#include "autotune/database/key_file.hpp"
#include "autotune/database/ladder.hpp"
#include "autotune/database/line.hpp"
#include "support.hpp"

namespace osdn::autotune::test {
namespace {

namespace fs = std::filesystem;

using Exchange = DatabaseTest;

Entry entry_of(Draw& draw, const Bucket& bucket) {
  Entry out;
  out.key = some_key();
  out.key.bucket = bucket;
  for (std::int64_t left = draw.integer(0, 6); left > 0; --left) out.trials.push_back(draw.trial());
  for (int i = 0; i < 2; ++i) out.earlier.push_back(draw.choice());
  out.choice = draw.choice();
  out.earlier[0].circumstances.when = 10;
  out.earlier[1].circumstances.when = 20;
  out.choice->circumstances.when = 30;
  out.pin = Pin{draw.config(), 40};
  return out;
}

bool same(const Entry& a, const Entry& b) {
  return a.key == b.key && a.trials == b.trials && a.choice == b.choice && a.earlier == b.earlier && a.pin == b.pin;
}

std::vector<Entry> all_of(const Database& database) {
  std::vector<Entry> out;
  for (const Key& key : database.keys()) out.push_back(database.load(key));
  return out;
}

TEST_F(Exchange, WhatIsExportedIsImported) {
  Draw draw(40);
  const std::vector<Entry> entries = {entry_of(draw, {1, 2}), entry_of(draw, {3, 4}), entry_of(draw, {0, 0})};
  const auto imported = import_text(export_text(entries), "a file");
  ASSERT_TRUE(imported);
  EXPECT_EQ(imported->damaged, 0);
  EXPECT_EQ(imported->foreign, 0);
  ASSERT_EQ(imported->entries.size(), entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    EXPECT_TRUE(same(imported->entries[i], entries[i])) << i;
    EXPECT_EQ(imported->entries[i].origin, "a file");
  }
  EXPECT_EQ(export_text(imported->entries), export_text(entries));
  // Exports one behind the other are one.
  const auto both = import_text(export_text({entries[0]}) + export_text({entries[1], entries[0]}), "");
  ASSERT_TRUE(both);
  ASSERT_EQ(both->entries.size(), 2U);
  EXPECT_TRUE(same(both->entries[0], entries[0]));
}

TEST_F(Exchange, ADamagedLineCostsNoOther) {
  Draw draw(41);
  const std::vector<Entry> entries = {entry_of(draw, {1, 2}), entry_of(draw, {3, 4})};
  const std::string text = export_text(entries);
  for (std::size_t at = 0; at < text.size(); at += 1 + static_cast<std::size_t>(draw.integer(0, 400))) {
    std::string bytes = text;
    bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + draw.integer(0, 254)));
    const auto imported = import_text(bytes, "");
    ASSERT_TRUE(imported);
    EXPECT_GE(imported->damaged, 1);
    for (const Entry& entry : imported->entries) {
      // Whatever is left stands under its own key, also where the line that names the key is the damaged one.
      const auto own = std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.key == entry.key; });
      ASSERT_TRUE(own != entries.end());
      for (const Trial& trial : entry.trials) {
        EXPECT_TRUE(std::find(own->trials.begin(), own->trials.end(), trial) != own->trials.end()) << at;
      }
      EXPECT_TRUE(!entry.pin || entry.pin == own->pin) << at;
    }
  }
}

TEST_F(Exchange, WhatIsNoExportIsRefused) {
  for (const std::string text : {"", "\n\n", "hello\n", "{}\n", "{\"checksum\":\"0000000000000000\",\"format\":1}\n"}) {
    const auto refused = import_text(text, "notes.txt");
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
    EXPECT_NE(refused.error().message.find("notes.txt"), std::string::npos);
  }
  const auto newer = import_text(sealed(R"(,"format":9,"kind":"key"})"), "");
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->foreign, 1);
  EXPECT_EQ(read_export(path("nothing")).error().code, ErrorCode::io);
  EXPECT_EQ(read_export(folder_.string()).error().code, ErrorCode::io);
}

TEST_F(Exchange, MergingTwiceAddsNothing) {
  Draw draw(42);
  const Database database = open();
  const std::vector<Entry> entries = {entry_of(draw, {1, 2}), entry_of(draw, {3, 4})};
  const auto records = static_cast<std::int64_t>(entries[0].trials.size() + entries[1].trials.size() + 8);
  const auto first = merge(database, entries);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->added, records);
  EXPECT_EQ(first->known, 0);
  for (const Entry& entry : entries) EXPECT_TRUE(same(database.load(entry.key), entry));
  const std::string bytes = read(key_path(directory(), entries[0].key));
  const auto again = merge(database, entries);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->added, 0);
  EXPECT_EQ(again->known, records);
  EXPECT_EQ(read(key_path(directory(), entries[0].key)), bytes);
}

TEST_F(Exchange, MergingKeepsWhatIsNewer) {
  Draw draw(43);
  const Database database = open();
  Entry own = entry_of(draw, {1, 2});
  own.trials = {draw.trial()};
  own.trials[0].circumstances.when = 100;
  own.pin->when = 100;
  ASSERT_TRUE(database.append(own));
  Entry older = own;
  older.trials[0].circumstances.when = 50;
  older.trials[0].ratio = 17;
  older.choice->circumstances.when = 5;
  older.pin = Pin{draw.config(), 50};
  const auto merged = merge(database, {older});
  ASSERT_TRUE(merged);
  EXPECT_EQ(merged->added, 1);  // the choice, as an earlier one
  const Entry after = database.load(own.key);
  EXPECT_TRUE(after.trials == own.trials);
  EXPECT_TRUE(after.choice == own.choice);
  EXPECT_EQ(after.earlier.size(), 3U);
  EXPECT_TRUE(after.pin == own.pin);
  // A pin that was taken away after the other was made stays away.
  ASSERT_TRUE(database.remove_pin(own.key));
  ASSERT_TRUE(merge(database, {older}));
  EXPECT_FALSE(database.load(own.key).pin);
  Entry newer = older;
  newer.trials[0].circumstances.when = 200;
  ASSERT_TRUE(merge(database, {newer}));
  EXPECT_TRUE(database.load(own.key).trials == newer.trials);
}

TEST_F(Exchange, DifferencesAreNamed) {
  Draw draw(44);
  Entry a = entry_of(draw, {1, 2});
  Entry b = a;
  EXPECT_TRUE(diff({a}, {b}).empty());
  b.choice->finalists[0].config.chunk = a.choice->finalists[0].config.chunk == 16 ? 32 : 16;
  b.choice->finalists[0].ratio = 0.5;
  b.pin.reset();
  const Entry left = entry_of(draw, {3, 4});
  const Entry right = entry_of(draw, {0, 9});
  const auto found = diff({a, left}, {right, b});
  ASSERT_EQ(found.size(), 4U);
  const auto of = [&found](const std::string& what) {
    const auto at = std::find_if(found.begin(), found.end(), [&](const Difference& d) { return d.what == what; });
    return at == found.end() ? Difference() : *at;
  };
  EXPECT_TRUE(of("only in A").key == left.key);
  EXPECT_TRUE(of("only in B").key == right.key);
  EXPECT_TRUE(of("winner").key == a.key);
  EXPECT_NE(of("winner").right.find("2.000 times as fast"), std::string::npos) << of("winner").right;
  EXPECT_EQ(of("pin").left, to_string(a.pin->config));
  EXPECT_EQ(of("pin").right, "none");
}

TEST_F(Exchange, VerifyCountsWhatIsDamagedForeignAndStale) {
  Draw draw(45);
  const Database database = open();
  EXPECT_TRUE(verify(database).empty());
  const Key key = some_key();
  Trial current = draw.trial();
  const auto hopper = *generator::find_architecture("sm_90");
  current.config = *generator::default_config(key.problem, hopper);
  current.sources = current_hash(key.problem, current.config, hopper);
  ASSERT_EQ(current.sources.size(), 32U);
  Trial stale = current;
  stale.sources = std::string(32, '0');
  ASSERT_TRUE(database.append(key, current));
  ASSERT_TRUE(database.append(key, stale));
  auto all = verify(database);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].problem, "");
  EXPECT_EQ(all[0].lines, 3);
  EXPECT_EQ(all[0].stale, 1);

  const std::string file = key_path(directory(), key);
  const std::string good = read(file);
  write(file, good + "torn");
  all = verify(database);
  EXPECT_EQ(all[0].damaged, 1);
  EXPECT_NE(all[0].problem.find("line 4"), std::string::npos) << all[0].problem;
  write(file, good + sealed(R"(,"format":2,"kind":"key"})"));
  all = verify(database);
  EXPECT_EQ(all[0].problem, "");
  EXPECT_EQ(all[0].foreign, 1);
  write(file, good);
  fs::rename(file, fs::path(file).replace_filename("1-1.jsonl"));
  fs::create_symlink("/etc/passwd", fs::path(file).replace_filename("1-2.jsonl"));
  fs::create_directory(fs::path(file).replace_filename("1-3.jsonl"));
  all = verify(database);
  ASSERT_EQ(all.size(), 3U);
  for (const Verification& one : all) EXPECT_FALSE(one.problem.empty()) << one.file;
}

TEST_F(Exchange, ReadOnlyFilesAreReadAndNeverWritten) {
  Draw draw(46);
  const Entry entry = entry_of(draw, {1, 2});
  const std::string text = export_text({entry});
  write(path("shipped.jsonl"), text);
  const Database database = open({path("shipped.jsonl")});
  EXPECT_TRUE(database.keys().empty());
  ASSERT_EQ(database.shipped().size(), 1U);
  EXPECT_TRUE(same(database.shipped(&entry.key.problem)[0], entry));
  ASSERT_TRUE(database.append(entry.key, draw.trial()));
  EXPECT_EQ(read(path("shipped.jsonl")), text);

  DatabaseOptions options;
  options.read_only = {path("missing.jsonl")};
  EXPECT_EQ(Database::open(options).error().code, ErrorCode::io);
  write(path("shipped.jsonl"), "something else\n");
  options.read_only = {path("shipped.jsonl")};
  EXPECT_EQ(Database::open(options).error().code, ErrorCode::corrupt);
}

TEST_F(Exchange, ExportsOfADatabaseMakeTheSameDatabase) {
  Draw draw(47);
  const Database database = open();
  for (const Bucket& bucket : {Bucket{1, 2}, Bucket{3, 4}}) ASSERT_TRUE(database.append(entry_of(draw, bucket)));
  const std::string text = export_text(all_of(database));
  const auto imported = import_text(text, "");
  ASSERT_TRUE(imported);
  fs::remove_all(directory());
  const Database other = open();
  ASSERT_TRUE(merge(other, imported->entries));
  EXPECT_EQ(export_text(all_of(other)), text);
}

}  // namespace
}  // namespace osdn::autotune::test
