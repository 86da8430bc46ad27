// The lock that keeps processes from compiling one kernel twice.
#include "runtime/file_lock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

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

}  // namespace
}  // namespace osdn::runtime::testing
