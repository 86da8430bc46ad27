// Work on several threads: each piece once, and what is thrown arrives where the work was asked for.
#include "runtime/in_parallel.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <new>
#include <set>
#include <stdexcept>

namespace osdn::runtime::testing {
namespace {

using namespace std::chrono_literals;

TEST(InParallel, EveryPieceIsDoneOnce) {
  for (const int threads : {-1, 0, 1, 2, 7}) {
    for (const std::size_t count : {0, 1, 3, 1000}) {
      std::vector<std::atomic<int>> done(count);
      in_parallel(count, threads, [&](std::size_t i) { ++done[i]; });
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(done[i], 1) << i << " of " << count << ", " << threads;
    }
  }
}

TEST(InParallel, AHelpersExceptionIsThrownHereWhenAllHaveEnded) {
  const auto here = std::this_thread::get_id();
  std::atomic<bool> thrown{false};
  std::atomic<int> inside{0};
  std::atomic<int> begun{0};
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  EXPECT_THROW(in_parallel(1000, 4,
                           [&](std::size_t) {
                             ++begun;
                             if (std::this_thread::get_id() != here && !thrown.exchange(true)) throw std::bad_alloc();
                             ++inside;
                             while (!thrown && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
                             std::this_thread::sleep_for(1ms);
                             --inside;
                           }),
               std::bad_alloc);
  EXPECT_EQ(inside, 0) << "a thread is still at work";
  EXPECT_LT(begun, 1000) << "what was left was done nevertheless";
}

TEST(InParallel, OfSeveralExceptionsOneArrives) {
  std::atomic<int> thrown{0};
  try {
    in_parallel(8, 8, [&](std::size_t) {
      ++thrown;
      throw std::runtime_error("no");
    });
    ADD_FAILURE() << "nothing was thrown";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "no");
  }
  EXPECT_GE(thrown, 1);
}

}  // namespace
}  // namespace osdn::runtime::testing
