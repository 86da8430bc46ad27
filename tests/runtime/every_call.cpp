#include "every_call.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <set>

#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

using null_driver::Books;

/// How a life went in which one call failed.
struct Outcome {
  expected<void> told;  ///< of begin and work
  std::string failed;   ///< the entry; empty: the life has fewer calls
  bool in_the_end = false;
};

std::string call_at(Books& books, std::size_t index) {
  const std::lock_guard lock(books.mutex);
  return index < books.calls.size() ? books.calls[index] : std::string();
}

Outcome live(const Life& life, Books& books, std::size_t failing) {
  fresh_books();
  books.fail_at = static_cast<int>(failing);
  Outcome out{.told = life.begin(), .failed = {}};
  const bool begun = out.told.has_value();
  if (begun) out.told = life.work();
  out.failed = call_at(books, failing);
  if (begun && !out.failed.empty()) {
    const auto again = life.work();
    EXPECT_TRUE(again) << "after " << out.failed << " had failed: " << again.error().message;
  }
  life.end();
  if (out.failed.empty()) {
    out.failed = call_at(books, failing);
    out.in_the_end = true;
  }
  return out;
}

/// What the driver still holds is a release's that failed; the next life begins without.
void balance(Books& books, const Outcome& outcome) {
  const std::lock_guard lock(books.mutex);
  const int kinds = (books.modules.empty() ? 0 : 1) + (books.allocations.empty() ? 0 : 1) + (books.retained != 0);
  EXPECT_LE(kinds, outcome.in_the_end ? 1 : 0) << "modules " << books.modules.size() << ", allocations "
                                               << books.allocations.size() << ", retained " << books.retained;
  for (const void* module : books.modules) delete static_cast<const char*>(module);
  for (const auto& [address, bytes] : books.allocations) std::free(reinterpret_cast<void*>(address));
  books.modules.clear();
  books.allocations.clear();
  books.retained = 0;
}

void judge(const Outcome& outcome) {
  // Popping is what gives a context back after a call that was done.
  if (outcome.in_the_end || outcome.failed == "cuCtxPopCurrent_v2") {
    EXPECT_TRUE(outcome.told) << outcome.told.error().message;
    return;
  }
  ASSERT_FALSE(outcome.told);
  EXPECT_EQ(outcome.told.error().code, ErrorCode::driver);
  EXPECT_NE(outcome.told.error().message.find("CUDA_ERROR_UNKNOWN (999): made to fail"), std::string::npos)
      << outcome.told.error().message;
}

}  // namespace

void survives_an_error_of_every_call(const Life& life, const std::vector<std::string>& reached) {
  Books& books = fresh_books();
  std::set<std::string> failed;
  for (std::size_t failing = 0;; ++failing) {
    const Outcome outcome = live(life, books, failing);
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, "call " + std::to_string(failing) + ", " + outcome.failed);
    judge(outcome);
    balance(books, outcome);
    if (outcome.failed.empty()) break;
    failed.insert(outcome.failed);
    if (::testing::Test::HasFatalFailure()) break;
  }
  books.fail_at = -1;
  for (const std::string& entry : reached) EXPECT_TRUE(failed.contains(entry)) << entry << " was never called";
}

}  // namespace osdn::runtime::testing
