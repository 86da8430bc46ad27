// In which order an Engine is taken down: nothing of a kernel goes while its work may still run.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

using null_driver::Books;

constexpr int illegal_address = 700;  // one of the errors that stick
constexpr int stream_capture_unsupported = 900;
constexpr int stream_capture_implicit = 906;

/// Two operations of three kernels together, launched by nobody: the driver's books do not ask.
struct Loaded {
  std::optional<Engine> engine = Engine::create(null_options()).value_or_throw();
  std::optional<PreparedOperation> one = engine->prepare(small_problem()).value_or_throw();
  std::optional<PreparedOperation> other;
  Loaded() {
    Problem problem = small_problem();
    problem.precondition = Precondition::none;
    other = engine->prepare(problem).value_or_throw();
  }
};

/// What the last to go calls the driver for.
std::vector<std::string> calls_of_the_end(Books& books, Loaded& loaded) {
  loaded.engine.reset();
  loaded.one.reset();
  {
    const std::lock_guard lock(books.mutex);
    EXPECT_EQ(std::count(books.calls.begin(), books.calls.end(), "cuModuleUnload"), 0);
    books.calls.clear();
  }
  loaded.other.reset();
  const std::lock_guard lock(books.mutex);
  return books.calls;
}

/// The driver kept these modules; the next test begins without.
void forget_modules(Books& books) {
  const std::lock_guard lock(books.mutex);
  for (const void* module : books.modules) delete static_cast<const char*>(module);
  books.modules.clear();
}

TEST(TearDown, WaitsOnceForTheContextAndThenUnloadsEverything) {
  Books& books = fresh_books();
  Loaded loaded;
  ASSERT_EQ(books.modules.size(), 3U);
  EXPECT_EQ(calls_of_the_end(books, loaded),
            (std::vector<std::string>{"cuCtxGetCurrent", "cuCtxPushCurrent_v2", "cuStreamIsCapturing",
                                      "cuCtxSynchronize", "cuModuleUnload", "cuModuleUnload", "cuModuleUnload",
                                      "cuCtxPopCurrent_v2", "cuDevicePrimaryCtxRelease_v2"}));
  EXPECT_TRUE(books.modules.empty());
  EXPECT_EQ(books.retained, 0);
}

TEST(TearDown, LeavesKernelsLoadedWhereWaitingIsRefused) {
  for (const int refusal : {illegal_address, stream_capture_unsupported}) {
    Books& books = fresh_books();
    Loaded loaded;
    books.fail_entry = "cuCtxSynchronize";
    books.fail_entry_with = refusal;
    EXPECT_EQ(calls_of_the_end(books, loaded),
              (std::vector<std::string>{"cuCtxGetCurrent", "cuCtxPushCurrent_v2", "cuStreamIsCapturing",
                                        "cuCtxSynchronize", "cuCtxPopCurrent_v2", "cuDevicePrimaryCtxRelease_v2"}));
    EXPECT_EQ(books.modules.size(), 3U);
    forget_modules(books);
  }
}

TEST(TearDown, DoesNotBreakACapture) {
  Books& books = fresh_books();
  Loaded loaded;
  books.fail_entry = "cuStreamIsCapturing";
  books.fail_entry_with = stream_capture_implicit;
  EXPECT_EQ(calls_of_the_end(books, loaded),
            (std::vector<std::string>{"cuCtxGetCurrent", "cuCtxPushCurrent_v2", "cuStreamIsCapturing",
                                      "cuCtxPopCurrent_v2", "cuDevicePrimaryCtxRelease_v2"}));
  EXPECT_EQ(books.modules.size(), 3U);
  forget_modules(books);
}

TEST(TearDown, WaitsForNothingWhereNothingWasLoaded) {
  Books& books = fresh_books();
  (void)Engine::create(null_options()).value_or_throw();
  EXPECT_EQ(std::count(books.calls.begin(), books.calls.end(), "cuCtxSynchronize"), 0);
  EXPECT_EQ(books.retained, 0);
}

TEST(TearDown, AKernelThatCannotBeMadeReadyIsUnloadedAtOnce) {
  Books& books = fresh_books();
  Engine engine = Engine::create(null_options()).value_or_throw();
  books.fail_entry = "cuModuleGetFunction";
  books.fail_entry_with = 999;
  ASSERT_FALSE(engine.prepare(small_problem()));
  EXPECT_TRUE(books.modules.empty());
  EXPECT_EQ(std::count(books.calls.begin(), books.calls.end(), "cuCtxSynchronize"), 0);
}

}  // namespace
}  // namespace osdn::runtime::testing
