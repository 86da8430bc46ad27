// Which directory the compile cache lies in, and which are not trusted.
#include "runtime/cache_directory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "disk_cache_samples.hpp"

namespace osdn::runtime::testing {
namespace {

namespace fs = std::filesystem;

TEST(CacheDirectory, ADirectoryComesFromOptionVariableOrHome) {
  EXPECT_EQ(cache_directory("/x"), "/x");
  const ScopedVariable home("HOME", "/home/u");
  const ScopedVariable no_xdg("XDG_CACHE_HOME", "");
  const ScopedVariable no_own("OSDN_CACHE_DIR", "");
  EXPECT_EQ(cache_directory(""), "/home/u/.cache/osdn");
  const ScopedVariable relative("XDG_CACHE_HOME", "xdg");
  EXPECT_EQ(cache_directory(""), "/home/u/.cache/osdn");
  const ScopedVariable xdg("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(cache_directory(""), "/xdg/osdn");
  const ScopedVariable own("OSDN_CACHE_DIR", "/own");
  EXPECT_EQ(cache_directory(""), "/own");
}

TEST(CacheDirectory, ADirectoryThatOthersCanWriteIsNotUsed) {
  for (const int mode : {0777, 0770, 0720, 0702, 01777}) {
    TemporaryDirectory home;
    ASSERT_EQ(::mkdir((home / "cache").c_str(), 0700), 0);
    ASSERT_EQ(::chmod((home / "cache").c_str(), static_cast<mode_t>(mode)), 0);
    Messages messages;
    DiskCache cache(options(home / "cache", messages));
    EXPECT_FALSE(cache.usable());
    store(cache, sample(1));
    EXPECT_FALSE(holds(cache, sample(1)));
    EXPECT_TRUE(fs::is_empty(home / "cache"));
    ASSERT_EQ(messages.warnings().size(), 1U);
    EXPECT_NE(messages.warnings()[0].find("other users can write"), std::string::npos);
  }
}

TEST(CacheDirectory, ADirectoryBelowOneThatOthersCanWriteIsNotUsed) {
  TemporaryDirectory home;
  ASSERT_EQ(::mkdir((home / "open").c_str(), 0700), 0);
  ASSERT_EQ(::chmod((home / "open").c_str(), 0777), 0);
  Messages messages;
  EXPECT_FALSE(DiskCache(options(home / "open/cache", messages)).usable());
  ASSERT_EQ(::chmod((home / "open").c_str(), 01777), 0);  // as /tmp: nobody can swap another's directory
  EXPECT_TRUE(DiskCache(options(home / "open/cache", messages)).usable());
}

TEST(CacheDirectory, ADirectoryOfAnotherUserIsNotUsed) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  TemporaryDirectory home;
  ASSERT_EQ(::mkdir((home / "cache").c_str(), 0700), 0);
  ASSERT_EQ(::chown((home / "cache").c_str(), 12345, 12345), 0);
  Messages messages;
  const DiskCache cache(options(home / "cache", messages));
  EXPECT_FALSE(cache.usable());
  EXPECT_NE(messages.all().find("belongs to user 12345"), std::string::npos);
}

TEST(CacheDirectory, AnUnusableDirectoryIsOneWarning) {
  TemporaryDirectory home;
  write_all(home / "file", "");
  Messages messages;
  DiskCache cache(options(home / "file", messages));
  EXPECT_FALSE(cache.usable());
  DiskCache below(options(home / "file/cache", messages));
  EXPECT_FALSE(below.usable());
  EXPECT_EQ(messages.warnings().size(), 2U);
}

}  // namespace
}  // namespace osdn::runtime::testing
