// The ways a disk and other processes can spoil the compile cache: always a miss, never an error.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "disk_cache_samples.hpp"

namespace osdn::runtime::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

TEST(DiskCache, ADamagedEntryIsAMissWithOneWarningAndIsReplaced) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  TemporaryDirectory home;
  const Sample one = sample(1);
  for (int round = 0; round < 200; ++round) {
    Messages messages;
    DiskCache cache(options(home / "cache", messages));
    store(cache, one);
    const std::string path = cache.path(one.key);
    std::string bytes = read_all(path);
    if (round % 3 == 0) bytes.resize(random() % bytes.size());
    if (round % 3 == 1) bytes[random() % bytes.size()] ^= static_cast<char>(1U << random() % 8);
    if (round % 3 == 2) bytes = read_all(cache.path(one.key)) + "more";
    write_all(path, bytes);
    ASSERT_FALSE(cache.load(one.key, one.record));
    EXPECT_EQ(cache.rejected(), 1U);
    ASSERT_EQ(messages.warnings().size(), 1U);
    EXPECT_NE(messages.warnings()[0].find(path), std::string::npos);
    store(cache, one);
    EXPECT_TRUE(holds(cache, one));
  }
}

TEST(DiskCache, ADirectoryInPlaceOfAnEntryIsDamageThatIsMended) {
  TemporaryDirectory home;
  Messages messages;
  DiskCache cache(options(home / "cache", messages));
  const Sample one = sample(1);
  fs::create_directories(cache.path(one.key));
  ASSERT_FALSE(cache.load(one.key, one.record));
  ASSERT_EQ(messages.warnings().size(), 1U);
  EXPECT_NE(messages.warnings()[0].find("Is a directory"), std::string::npos) << messages.warnings()[0];
  ASSERT_EQ(cache.verify().size(), 1U);
  EXPECT_FALSE(cache.verify()[0].problem.empty());
  store(cache, one);
  EXPECT_TRUE(holds(cache, one));
  EXPECT_EQ(cache.write_failures(), 0U);

  fs::remove(cache.path(one.key));
  fs::create_directories(cache.path(one.key));
  const auto cleared = cache.clear();
  ASSERT_TRUE(cleared);
  EXPECT_EQ(cleared->files, 1U);
  EXPECT_FALSE(fs::exists(cache.path(one.key)));
}

TEST(DiskCache, ManyDamagedEntriesAreOneWarning) {
  TemporaryDirectory home;
  Messages messages;
  DiskCache cache(options(home / "cache", messages));
  for (const Sample& each : {sample(1), sample(2)}) {
    store(cache, each);
    write_all(cache.path(each.key), "");
    for (int look = 0; look < 2; ++look) EXPECT_FALSE(cache.load(each.key, each.record));
  }
  EXPECT_EQ(cache.rejected(), 4U);
  EXPECT_EQ(messages.warnings().size(), 1U);
}

TEST(DiskCache, AnEntryOfAnotherKernelUnderTheSameNameIsRefused) {
  TemporaryDirectory home;
  Messages messages;
  DiskCache cache(options(home / "cache", messages));
  const Sample one = sample(1);
  const Sample two = sample(2);
  cache.store(one.key, two.record, "entry", two.kernel);  // as if the hash had collided
  EXPECT_FALSE(cache.load(one.key, one.record));
  EXPECT_EQ(cache.rejected(), 1U);
}

TEST(DiskCache, AnEntryThatIsADirectoryALinkOrAPipeIsAMiss) {
  TemporaryDirectory home;
  const Sample one = sample(1);
  for (const char* kind : {"directory", "link", "pipe"}) {
    SCOPED_TRACE(kind);
    Messages messages;
    DiskCache cache(options(home / kind, messages));
    const std::string path = cache.path(one.key);
    fs::create_directories(fs::path(path).parent_path());
    if (kind[0] == 'd') fs::create_directory(path);
    if (kind[0] == 'l') fs::create_symlink("/dev/zero", path);
    if (kind[0] == 'p') {
      ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    }
    EXPECT_FALSE(cache.load(one.key, one.record));
    store(cache, one);
    EXPECT_TRUE(holds(cache, one));
    EXPECT_FALSE(messages.warnings().empty());
  }
}

TEST(DiskCache, AReadOnlyDirectoryStillServes) {
  TemporaryDirectory home;
  const Sample one = sample(1);
  Messages messages;
  {
    DiskCache cache(options(home / "cache", messages));
    store(cache, one);
  }
  const std::string shard = home / ("cache/" + one.key.hex().substr(0, 2));
  const int status = in_child([&] {
    // A user of their own: root would write anyway.
    if (::geteuid() == 0) {
      for (const std::string& path :
           {home.path().string(), home / "cache", shard, DiskCache(options(home / "cache", messages)).path(one.key)}) {
        if (::chown(path.c_str(), 12345, 12345) != 0) return 10;
      }
      if (::setgid(12345) != 0 || ::setuid(12345) != 0) return 11;
    }
    if (::chmod(shard.c_str(), 0500) != 0 || ::chmod((home / "cache").c_str(), 0500) != 0) return 12;
    Messages inside;
    DiskCache cache(options(home / "cache", inside));
    if (!cache.usable()) return 1;
    if (!holds(cache, one)) return 2;
    const auto lock = cache.lock(one.key);
    if (lock && lock->held()) return 3;
    store(cache, sample(2));
    store(cache, sample(3));
    if (cache.write_failures() != 2) return 4;
    if (inside.warnings().size() != 1) return 5;
    return 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(DiskCache, AFullDiskLeavesNoHalfEntry) {
  TemporaryDirectory home;
  const int status = in_child([&] {
    // A file may not grow beyond 4 KiB: writing fails in the middle, as on a full disk.
    const rlimit limit{4096, 4096};
    ::signal(SIGXFSZ, SIG_IGN);
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 10;
    Messages messages;
    DiskCache cache(options(home / "cache", messages));
    store(cache, sample(1, 100000));
    if (cache.write_failures() != 1 || messages.warnings().size() != 1) return 1;
    if (holds(cache, sample(1, 100000)) || cache.rejected() != 0) return 2;
    store(cache, sample(2, 100));
    if (!holds(cache, sample(2, 100))) return 3;
    return 0;
  });
  EXPECT_EQ(status, 0);
  std::size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(home / "cache")) files += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, 1U);
}

TEST(DiskCache, KillingAWriterLeavesNoHalfEntry) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  TemporaryDirectory home;
  Messages messages;
  DiskCache cache(options(home / "cache", messages));
  int rounds_with_entries = 0;
  for (int round = 0; round < 25; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      Messages inside;
      DiskCache own(options(home / "cache", inside));
      for (int number = 0;; ++number) {
        const Sample one = sample(number % 7, 2000000);
        const auto lock = own.lock(one.key);
        store(own, one);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(2000 + random() % 30000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (const DiskCache::Verification& one : cache.verify()) EXPECT_EQ(one.problem, "") << one.file.path;
    if (!cache.list().empty()) ++rounds_with_entries;
    // Whatever the dead left, the living go on: locks of dead processes are free.
    const Sample next = sample(round % 7, 2000000);
    const auto begin = std::chrono::steady_clock::now();
    const auto lock = cache.lock(next.key);
    EXPECT_TRUE(lock->held());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
    store(cache, next);
    EXPECT_TRUE(holds(cache, next));
  }
  EXPECT_GT(rounds_with_entries, 0);
  EXPECT_EQ(cache.rejected(), 0U);
}

}  // namespace
}  // namespace osdn::runtime::testing
