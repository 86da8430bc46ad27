// Disks that are full or read-only, folders of others: an append that fails says so and leaves what was there.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "autotune/database/key_file.hpp"
#include "processes.hpp"
#include "support.hpp"

namespace osdn::autotune::test {
namespace {

namespace fs = std::filesystem;

using Disk = DatabaseTest;

constexpr int skipped = 77;

/// Appends until it fails; checks that the failure says what to do and that every earlier line is there.
int fill(const Database& database, std::size_t most) {
  Draw draw(60);
  std::vector<Trial> done;
  const std::string file = key_path(database.directory(), some_key());
  while (done.size() < most) {
    const std::string before = read(file);
    Trial trial = draw.trial();
    trial.shape.t = 64;
    if (const auto ok = database.append(some_key(), trial); !ok) {
      const Error& error = ok.error();
      if (error.code != ErrorCode::io) return 10;
      if (error.message.find(database.directory()) == std::string::npos) return 11;
      if (error.message.find("make room") == std::string::npos) return 12;
      if (read(file) != before) return 13;  // cut back
      const Entry entry = database.load(some_key());
      return entry.damaged == 0 && entry.trials == done ? 0 : 14;
    }
    done.push_back(trial);
  }
  return 15;
}

Database quiet(const std::string& directory) {
  DatabaseOptions options;
  options.directory = directory;
  options.library_entries = false;
  options.log = runtime::Log([](LogLevel, std::string_view) {});
  return *Database::open(options);
}

TEST_F(Disk, AFileThatMayNotGrowIsCutBack) {
  for (const rlim_t bytes : {rlim_t{5000}, rlim_t{5001}, rlim_t{4700}, rlim_t{10}}) {
    fs::remove_all(directory());
    EXPECT_EQ(wait_for(in_child([&] {
                std::signal(SIGXFSZ, SIG_IGN);
                const rlimit limit = {bytes, bytes};
                if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
                return fill(quiet(directory()), 1000);
              })),
              0)
        << bytes;
    // With room again it goes on.
    ASSERT_TRUE(open().append(some_key(), Draw(61).trial()));
    EXPECT_EQ(open().load(some_key()).damaged, 0);
  }
}

TEST_F(Disk, ADirectoryThatIsRemovedMeanwhileIsMadeAgain) {
  const Database database = open();
  Draw draw(62);
  ASSERT_TRUE(database.append(some_key(), draw.trial()));
  fs::remove_all(directory());
  EXPECT_TRUE(database.load(some_key()).trials.empty());
  const auto again = database.append(some_key(), draw.trial());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(open().load(some_key()).trials.size(), 1U);
}

TEST_F(Disk, AFullDiskIsAnError) {
  fs::create_directory(directory());
  const int code = wait_for(in_child([&] {
    if (!mount_memory(directory().c_str(), 65536)) return skipped;
    return fill(quiet(directory()), 10000);
  }));
  if (code == skipped) GTEST_SKIP() << "no file system can be mounted here";
  EXPECT_EQ(code, 0);
}

TEST_F(Disk, AReadOnlyDiskIsReadAndNotWritten) {
  fs::create_directory(directory());
  const int code = wait_for(in_child([&] {
    if (!mount_memory(directory().c_str(), 1 << 20)) return skipped;
    const Trial trial = Draw(62).trial();
    if (!quiet(directory()).append(some_key(), trial)) return 1;
    if (::mount(nullptr, directory().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) return skipped;
    const Database database = quiet(directory());
    if (!database.refusal().empty()) return 2;
    const auto refused = database.append(some_key(), trial);
    if (refused || refused.error().code != ErrorCode::io) return 3;
    if (database.compact(some_key())) return 4;
    const Entry entry = database.load(some_key());
    return entry.trials == std::vector{trial} && entry.damaged == 0 && database.keys().size() == 1 ? 0 : 5;
  }));
  if (code == skipped) GTEST_SKIP() << "no file system can be mounted here";
  EXPECT_EQ(code, 0);
}

TEST_F(Disk, AReadOnlyFolderIsReadAndNotWritten) {
  if (::geteuid() == 0) GTEST_SKIP() << "root writes where it likes";
  const Trial trial = Draw(63).trial();
  ASSERT_TRUE(open().append(some_key(), trial));
  const fs::path file = key_path(directory(), some_key());
  ::chmod(file.c_str(), 0400);
  ::chmod(file.parent_path().c_str(), 0500);
  const Database database = open();
  EXPECT_EQ(database.append(some_key(), trial).error().code, ErrorCode::io);
  EXPECT_TRUE(database.load(some_key()).trials == std::vector{trial});
}

TEST_F(Disk, AFolderThatOthersMayWriteIsNotUsed) {
  fs::create_directory(directory());
  for (const mode_t mode : {0777, 0770, 0720, 0702}) {
    ::chmod(directory().c_str(), mode);
    warnings_.clear();
    const Database database = open();
    EXPECT_NE(database.refusal().find("chmod"), std::string::npos) << database.refusal();
    EXPECT_EQ(warnings_.size(), 1U);
    EXPECT_FALSE(database.append(some_key(), Draw(64).trial()));
    EXPECT_TRUE(fs::is_empty(directory()));
  }
}

TEST_F(Disk, AFolderOfAnotherIsNotUsed) {
  fs::create_directory(directory());
  if (::chown(directory().c_str(), 12345, 12345) != 0) GTEST_SKIP() << "only root gives folders away";
  const Database database = open();
  EXPECT_NE(database.refusal().find("belongs to user 12345"), std::string::npos) << database.refusal();
  EXPECT_FALSE(database.append(some_key(), Draw(65).trial()));
}

TEST_F(Disk, LinksAndPipesAreNotFollowed) {
  const Database database = open();
  ASSERT_TRUE(database.append(some_key(), Draw(66).trial()));
  const std::string file = key_path(directory(), some_key());
  const std::string text = read(file);
  write(path("elsewhere"), text);
  fs::remove(file);
  fs::create_symlink(path("elsewhere"), file);
  EXPECT_TRUE(database.load(some_key()).trials.empty());
  EXPECT_FALSE(database.append(some_key(), Draw(67).trial()));
  EXPECT_EQ(read(path("elsewhere")), text);
  EXPECT_EQ(warnings_.size(), 1U);
  fs::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_TRUE(database.load(some_key()).trials.empty());
  EXPECT_FALSE(database.append(some_key(), Draw(67).trial()));
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_TRUE(database.load(some_key()).trials.empty());
  EXPECT_FALSE(database.append(some_key(), Draw(67).trial()));
}

TEST_F(Disk, AFileThatIsTooLargeIsNotRead) {
  const Database database = open();
  ASSERT_TRUE(database.append(some_key(), Draw(68).trial()));
  const std::string file = key_path(directory(), some_key());
  fs::resize_file(file, largest_file + 1);  // a hole: it takes no room
  EXPECT_TRUE(database.load(some_key()).trials.empty());
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("move it away"), std::string::npos) << warnings_[0];
  EXPECT_FALSE(database.append(some_key(), Draw(69).trial()));
}

TEST_F(Disk, WhatStandsInTheWayIsNamed) {
  fs::create_directories(directory());
  write(directory() + "/v1", "a file");
  const auto refused = open().append(some_key(), Draw(70).trial());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::io);
  EXPECT_NE(refused.error().message.find(directory() + "/v1"), std::string::npos) << refused.error().message;
}

}  // namespace
}  // namespace osdn::autotune::test
