// The compile cache on disk, and the ways a disk and other processes can spoil it.
#include "runtime/disk_cache.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include "runtime/cache_directory.hpp"
#include "runtime/compiler.hpp"
#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct Sample {
  std::string record;
  CacheKey key;
  CompiledKernel kernel;
};

Sample sample(int number, std::size_t bytes = 1000) {
  CompileInput input;
  input.source = "source " + std::to_string(number);
  input.arch = "sm_80";
  Sample made;
  made.record = cache_record(input, 13000);
  made.key = cache_key(made.record);
  made.kernel.ptx = "ptx";
  made.kernel.cubin = std::string(bytes, static_cast<char>(number));
  made.kernel.arch = "sm_80";
  return made;
}

DiskCacheOptions options(const std::string& directory, Messages& messages) {
  DiskCacheOptions made;
  made.directory = directory;
  made.log = Log(messages.callback());
  return made;
}

void store(DiskCache& cache, const Sample& one) {
  cache.store(one.key, one.record, "entry", one.kernel);
}
bool holds(DiskCache& cache, const Sample& one) {
  const auto found = cache.load(one.key, one.record);
  return found && found->cubin == one.kernel.cubin;
}

void set_age(const std::string& path, int seconds) {
  const timespec then{::time(nullptr) - seconds, 0};
  const timespec both[2] = {then, then};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), both, 0), 0);
}

int mode_of(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? static_cast<int>(found.st_mode & 07777U) : -1;
}

/// Runs `work` in a child process; its exit status.
template <class Work>
int in_child(Work work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
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

TEST(DiskCache, ADirectoryComesFromOptionVariableOrHome) {
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

TEST(DiskCache, ADirectoryThatOthersCanWriteIsNotUsed) {
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

TEST(DiskCache, ADirectoryBelowOneThatOthersCanWriteIsNotUsed) {
  TemporaryDirectory home;
  ASSERT_EQ(::mkdir((home / "open").c_str(), 0700), 0);
  ASSERT_EQ(::chmod((home / "open").c_str(), 0777), 0);
  Messages messages;
  EXPECT_FALSE(DiskCache(options(home / "open/cache", messages)).usable());
  ASSERT_EQ(::chmod((home / "open").c_str(), 01777), 0);  // as /tmp: nobody can swap another's directory
  EXPECT_TRUE(DiskCache(options(home / "open/cache", messages)).usable());
}

TEST(DiskCache, ADirectoryOfAnotherUserIsNotUsed) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  TemporaryDirectory home;
  ASSERT_EQ(::mkdir((home / "cache").c_str(), 0700), 0);
  ASSERT_EQ(::chown((home / "cache").c_str(), 12345, 12345), 0);
  Messages messages;
  const DiskCache cache(options(home / "cache", messages));
  EXPECT_FALSE(cache.usable());
  EXPECT_NE(messages.all().find("belongs to user 12345"), std::string::npos);
}

TEST(DiskCache, AnUnusableDirectoryIsOneWarning) {
  TemporaryDirectory home;
  write_all(home / "file", "");
  Messages messages;
  DiskCache cache(options(home / "file", messages));
  EXPECT_FALSE(cache.usable());
  DiskCache below(options(home / "file/cache", messages));
  EXPECT_FALSE(below.usable());
  EXPECT_EQ(messages.warnings().size(), 2U);
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

TEST(FileLock, WaitsForTheHolderButNotForever) {
  TemporaryDirectory home;
  const std::string path = home / "lock";
  {
    const FileLock first(path, 1s);
    ASSERT_TRUE(first.held());
    const FileLock second(path, 30ms);
    EXPECT_FALSE(second.held());
  }
  EXPECT_FALSE(fs::exists(path));
  auto first = std::make_unique<FileLock>(path, 1s);
  std::thread releasing([&] {
    std::this_thread::sleep_for(50ms);
    first.reset();
  });
  const FileLock second(path, 10s);
  EXPECT_TRUE(second.held());
  releasing.join();
}

TEST(FileLock, ManyThreadsAreInsideOneAtATime) {
  TemporaryDirectory home;
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::vector<std::thread> all;
  for (int t = 0; t < 8; ++t) {
    all.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const FileLock lock(home / "lock", 60s);
        EXPECT_TRUE(lock.held());
        const int now = ++inside;
        if (now > most) most = now;
        std::this_thread::yield();
        --inside;
      }
    });
  }
  for (std::thread& thread : all) thread.join();
  EXPECT_EQ(most, 1);
}

TEST(Compiler, ProcessesThatAreColdAtOnceCompileEachKernelOnce) {
  TemporaryDirectory home;
  const ScopedVariable count("FAKE_NVRTC_COUNT", home / "count");
  const ScopedVariable delay("FAKE_NVRTC_DELAY_MS", "60");
  constexpr int processes = 6;
  std::vector<pid_t> children;
  for (int p = 0; p < processes; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      CompilerOptions made;
      made.nvrtc.option = OSDN_FAKE_NVRTC;
      made.cache.directory = home / "cache";
      Compiler compiler(made);
      int failures = 0;
      std::vector<std::thread> threads;
      for (int k = 0; k < 2; ++k) {
        threads.emplace_back([&, k] {
          CompileInput input;
          input.entry = "kernel";
          input.source = "kernel " + std::to_string(k);
          input.arch = "sm_80";
          const auto result = compiler.compile(input);
          if (!result || result->kernel.cubin != "machine code of " + input.source) ++failures;
        });
      }
      for (std::thread& thread : threads) thread.join();
      if (compiler.disk_hits() + compiler.compilations() != 2) ++failures;
      ::_exit(failures);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(read_all(home / "count"), "xx");
  for (const auto& entry : fs::recursive_directory_iterator(home / "cache")) {
    EXPECT_NE(entry.path().extension(), ".lock") << entry.path();
  }
}

TEST(Compiler, AHitNeedsNoNvrtcToBeLoaded) {
  TemporaryDirectory home;
  fs::create_directory(home / "good");
  fs::create_directory(home / "bad");
  fs::copy_file(OSDN_FAKE_NVRTC_12_9, home / "good/libnvrtc.so.12");
  write_all(home / "bad/libnvrtc.so.12", "no library");
  for (const char* folder : {"good", "bad"}) write_all((home / folder) + "/libnvrtc-builtins.so.12.9", "");
  CompilerOptions made;
  made.cache.directory = home / "cache";
  CompileInput input;
  input.entry = "kernel";
  input.source = "x";
  input.arch = "sm_80";
  made.nvrtc.option = home / "good";
  EXPECT_EQ(Compiler(made).compile(input).value_or_throw().origin, Origin::compiled);
  made.nvrtc.option = home / "bad";
  EXPECT_EQ(Compiler(made).compile(input).value_or_throw().origin, Origin::disk);
  input.source = "y";
  const auto failed = Compiler(made).compile(input);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::library_not_found);
}

TEST(Compiler, ALibraryOfAnotherVersionThanItsNamesSayIsKeyedByItsOwn) {
  TemporaryDirectory home;
  fs::copy_file(OSDN_FAKE_NVRTC_12_9, home / "libnvrtc.so.12");
  write_all(home / "libnvrtc-builtins.so.12.4", "");
  CompilerOptions made;
  made.nvrtc.option = home / "libnvrtc.so.12";
  made.cache.directory = home / "cache";
  Compiler compiler(made);
  EXPECT_EQ(compiler.nvrtc()->version, 12040);
  CompileInput input;
  input.entry = "kernel";
  input.source = "x";
  input.arch = "sm_80";
  EXPECT_EQ(compiler.compile(input).value_or_throw().kernel.nvrtc_version, 12090);
  EXPECT_EQ(compiler.nvrtc()->version, 12090);
  ASSERT_EQ(compiler.disk()->list().size(), 1U);
  const CacheEntry entry = compiler.disk()->show("").value_or_throw();
  EXPECT_EQ(parse_record(entry.record).value_or_throw().nvrtc_version, 12090);
}

}  // namespace
}  // namespace osdn::runtime::testing
