// The compile cache on disk while all is well: what is stored is found, and what is too much goes.
#include <fcntl.h>
#include <sys/stat.h>

#include <ctime>

#include "disk_cache_samples.hpp"

namespace osdn::runtime::testing {
namespace {

namespace fs = std::filesystem;

void set_age(const std::string& path, int seconds) {
  const timespec then{::time(nullptr) - seconds, 0};
  const timespec both[2] = {then, then};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), both, 0), 0);
}

int mode_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? static_cast<int>(found.st_mode & 07777U) : -1;
}

TEST(DiskCache, KeepsWhatIsStored) {
  TemporaryDirectory home;
  Messages messages;
  DiskCache cache(options(home / "a/b/cache", messages));
  ASSERT_TRUE(cache.usable()) << cache.refusal();
  const Sample one = sample(1);
  EXPECT_FALSE(holds(cache, one));
  store(cache, one);
  EXPECT_TRUE(holds(cache, one));
  DiskCache another(options(home / "a/b/cache", messages));
  EXPECT_TRUE(holds(another, one));
  EXPECT_EQ(messages.all(), "");
  const std::string path = cache.path(one.key);
  EXPECT_EQ(path, home / ("a/b/cache/" + one.key.hex().substr(0, 2) + "/" + one.key.hex().substr(2) + ".osdn"));
  EXPECT_EQ(mode_of(path), 0600);
  EXPECT_EQ(mode_of(home / "a/b/cache"), 0700);
  EXPECT_EQ(mode_of(home / "a"), 0700);
  EXPECT_EQ(mode_of(fs::path(path).parent_path().string()), 0700);
}

TEST(DiskCache, TheLeastRecentlyUsedGoFirst) {
  TemporaryDirectory home;
  Messages messages;
  DiskCacheOptions small = options(home / "cache", messages);
  const std::uint64_t entry_bytes = encode_entry(sample(0).record, "entry", sample(0).kernel).size();
  small.max_bytes = entry_bytes * 5 / 2;  // two entries
  DiskCache cache(small);
  for (int number : {0, 1}) {
    store(cache, sample(number));
    set_age(cache.path(sample(number).key), 100 - number);
  }
  EXPECT_TRUE(holds(cache, sample(0)));  // used now: younger than 1
  store(cache, sample(2));
  EXPECT_TRUE(holds(cache, sample(0)));
  EXPECT_FALSE(holds(cache, sample(1)));
  EXPECT_TRUE(holds(cache, sample(2)));
}

TEST(DiskCache, TheCapComesFromTheEnvironment) {
  TemporaryDirectory home;
  Messages messages;
  {
    const ScopedVariable bytes("OSDN_CACHE_MAX_BYTES", "12345");
    EXPECT_EQ(DiskCache(options(home / "cache", messages)).max_bytes(), 12345U);
  }
  {
    const ScopedVariable bytes("OSDN_CACHE_MAX_BYTES", "10GB");
    EXPECT_EQ(DiskCache(options(home / "cache", messages)).max_bytes(), std::uint64_t{1} << 30);
    EXPECT_NE(messages.all().find("OSDN_CACHE_MAX_BYTES is '10GB'"), std::string::npos);
  }
  const auto warnings = messages.warnings().size();
  const ScopedVariable empty("OSDN_CACHE_MAX_BYTES", "");  // as good as not set
  EXPECT_EQ(DiskCache(options(home / "cache", messages)).max_bytes(), std::uint64_t{1} << 30);
  EXPECT_EQ(messages.warnings().size(), warnings) << messages.all();
}

TEST(DiskCache, TrimmingRemovesWhatTheDeadLeft) {
  TemporaryDirectory home;
  Messages messages;
  DiskCache cache(options(home / "cache", messages));
  store(cache, sample(1));
  const std::string shard = fs::path(cache.path(sample(1).key)).parent_path().string();
  for (const char* name : {"/new-abcdef", "/0123456789abcdef0123456789abcd.osdn.lock"}) {
    write_all(shard + name, "left");
    set_age(shard + name, 7200);
  }
  write_all(shard + "/new-fresh1", "being written");
  write_all(shard + "/notes.txt", "not ours");
  cache.trim();
  EXPECT_FALSE(fs::exists(shard + "/new-abcdef"));
  EXPECT_FALSE(fs::exists(shard + "/0123456789abcdef0123456789abcd.osdn.lock"));
  EXPECT_TRUE(fs::exists(shard + "/new-fresh1"));
  EXPECT_TRUE(fs::exists(shard + "/notes.txt"));
  EXPECT_TRUE(holds(cache, sample(1)));
}

TEST(DiskCache, ListShowVerifyClear) {
  TemporaryDirectory home;
  Messages messages;
  DiskCache cache(options(home / "cache", messages));
  for (int number : {1, 2, 3}) store(cache, sample(number));
  write_all(home / "cache/README", "a stranger's file");
  EXPECT_EQ(cache.list().size(), 3U);
  const std::string key = sample(2).key.hex();
  const CacheEntry shown = cache.show(key.substr(0, 8)).value_or_throw();
  EXPECT_EQ(shown.record, sample(2).record);
  EXPECT_EQ(shown.kernel.cubin, sample(2).kernel.cubin);
  EXPECT_EQ(cache.show("").error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(cache.show("zz").error().code, ErrorCode::invalid_argument);

  write_all(cache.path(sample(1).key), "damaged");
  fs::rename(cache.path(sample(3).key),
             fs::path(cache.path(sample(3).key)).parent_path() / (std::string(30, 'a') + ".osdn"));
  int bad = 0;
  for (const auto& one : cache.verify()) bad += one.problem.empty() ? 0 : 1;
  EXPECT_EQ(bad, 2);

  const DiskCache::Cleared cleared = cache.clear().value_or_throw();
  EXPECT_EQ(cleared.files, 3U);
  EXPECT_GT(cleared.bytes, 1000U);
  EXPECT_TRUE(cache.list().empty());
  EXPECT_TRUE(fs::exists(home / "cache/README"));
}

}  // namespace
}  // namespace osdn::runtime::testing
