// Hosts that throw, memory that ends, and a launch that needs neither memory nor locks: nothing passes through the C
// interface but a status.
#include <gtest/gtest.h>
#include <osdn/osdn.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <new>
#include <span>
#include <stdexcept>
#include <string>

#include "tests/capi/null_host.hpp"
#include "tests/runtime/watch.hpp"
#include "tests/temporary_directory.hpp"

namespace {

using osdn::capi::testing::null_options;
using osdn::runtime::testing::allocation_failed;
using osdn::runtime::testing::fail_allocation;
using osdn::runtime::testing::fail_no_allocation;
using osdn::runtime::testing::fresh_books;
using osdn::runtime::testing::Watch;

/// An engine on the driver that only keeps books, and an operation of it.
class Capi : public ::testing::Test {
 protected:
  void SetUp() override { open(null_options()); }
  void TearDown() override {
    osdn_operation_destroy(operation_);
    osdn_engine_destroy(engine_);
  }
  void open(const osdn_engine_options& options) {
    osdn_operation_destroy(operation_);
    osdn_engine_destroy(engine_);
    ASSERT_EQ(osdn_engine_create(&options, &engine_), OSDN_OK) << osdn_last_error();
    ASSERT_EQ(osdn_prepare_text(engine_, text, nullptr, &operation_), OSDN_OK) << osdn_last_error();
  }

  static constexpr const char* text = "osdn_forward:k=64,v=64,precondition=none";
  osdn_engine* engine_ = nullptr;
  osdn_operation* operation_ = nullptr;
};

osdn_forward_arguments arguments() {
  osdn_forward_arguments out;
  EXPECT_EQ(osdn_forward_arguments_init(&out, sizeof(out)), OSDN_OK);
  out.t = 100;
  out.q = 0x10000;
  out.k = 0x20000;
  out.v = 0x30000;
  out.beta = 0x40000;
  out.o = 0x50000;
  return out;
}

TEST_F(Capi, ALaunchTakesNoMemoryAndNoLock) {
  const osdn_forward_arguments all = arguments();
  ASSERT_EQ(osdn_launch_forward(operation_, &all, nullptr), OSDN_OK) << osdn_last_error();
  osdn_counters before{};
  before.struct_size = sizeof(before);
  ASSERT_EQ(osdn_engine_counters(engine_, &before), OSDN_OK);
  fresh_books().recording = false;  // the driver's own are not the launch's
  const Watch watch;
  const osdn_status launched = osdn_launch_forward(operation_, &all, nullptr);
  const Watch::Counts counts = watch.counts();
  EXPECT_EQ(launched, OSDN_OK) << osdn_last_error();
  EXPECT_EQ(counts.allocations, 0);
  EXPECT_EQ(counts.locks, 0);
  EXPECT_EQ(counts.environment, 0);
  osdn_counters after = before;
  ASSERT_EQ(osdn_engine_counters(engine_, &after), OSDN_OK);
  EXPECT_EQ(after.launches, before.launches + 1);
}

/// Contiguous, on the null driver's device.
osdn_dl_tensor on_device(std::uint64_t address, std::uint8_t bits, std::span<std::int64_t> shape) {
  constexpr std::uint8_t dl_float = 2;
  constexpr std::uint8_t dl_bfloat = 4;
  osdn_dl_tensor out{};
  out.data = reinterpret_cast<void*>(address);
  out.device.device_type = 2;
  out.ndim = static_cast<std::int32_t>(shape.size());
  out.dtype = {bits == 32 ? dl_float : dl_bfloat, bits, 1};
  out.shape = shape.data();
  return out;
}

TEST_F(Capi, NeitherDoTensorsOfALaunch) {
  osdn_operation_destroy(operation_);
  operation_ = nullptr;
  ASSERT_EQ(osdn_prepare_text(engine_, "osdn_forward:k=64,v=64,apf=per_channel", nullptr, &operation_), OSDN_OK);
  std::int64_t rows[] = {1, 100, 1, 64};
  const osdn_dl_tensor wide = on_device(0x10000, 16, rows);
  const osdn_dl_tensor scalars = on_device(0x20000, 32, std::span(rows).first(3));
  const osdn_dl_tensor log_gamma = on_device(0x30000, 32, rows);
  osdn_forward_tensors tensors{};
  tensors.struct_size = sizeof(tensors);
  tensors.q = tensors.k = tensors.v = tensors.o = &wide;
  tensors.beta = &scalars;
  tensors.log_gamma = &log_gamma;
  osdn_forward_arguments out = arguments();
  const Watch watch;
  const osdn_status filled = osdn_forward_from_dlpack(operation_, &tensors, &out);
  const Watch::Counts counts = watch.counts();
  EXPECT_EQ(filled, OSDN_OK) << osdn_last_error();
  EXPECT_EQ(out.log_gamma, 0x30000U);
  EXPECT_EQ(counts.allocations, 0);
  EXPECT_EQ(counts.locks, 0);
  EXPECT_EQ(counts.environment, 0);
}

/// Fails the first allocation of a call, then the second, and so on until the call succeeds. `before` each.
template <class Call, class Before>
int fail_each(Call&& call, Before&& before) {
  int failures = 0;
  for (long at = 0; at < 100000; ++at) {
    before();
    fail_allocation(at);
    const osdn_status status = call();
    fail_no_allocation();
    if (!allocation_failed()) {
      EXPECT_EQ(status, OSDN_OK) << osdn_last_error();
      return failures;
    }
    if (status == OSDN_OK) continue;  // what failed was not needed
    ++failures;
    EXPECT_STRNE(osdn_last_error(), "");
    EXPECT_NE(status, OSDN_INVALID_ARGUMENT) << osdn_last_error();
  }
  ADD_FAILURE() << "the call never ends";
  return failures;
}

template <class Call>
int fail_each(Call&& call) {
  return fail_each(call, [] {});
}

TEST_F(Capi, WithoutMemoryThereIsAStatus) {
  fresh_books().recording = false;  // a driver that needs memory of its own would fail in its own ways
  osdn_problem problem;
  ASSERT_EQ(osdn_problem_init(&problem, sizeof(problem)), OSDN_OK);
  EXPECT_GT(fail_each([&] {
              char out[256];
              return osdn_problem_text(&problem, out, sizeof(out), nullptr);
            }),
            0);
  EXPECT_GT(fail_each([&] {
              osdn_engine* engine = nullptr;
              const osdn_engine_options options = null_options();
              const osdn_status status = osdn_engine_create(&options, &engine);
              fail_no_allocation();
              EXPECT_EQ(engine == nullptr, status != OSDN_OK);
              osdn_engine_destroy(engine);
              return status;
            }),
            0);
  EXPECT_GT(fail_each([&] {
              osdn_operation* operation = nullptr;
              const osdn_status status = osdn_prepare_text(engine_, text, nullptr, &operation);
              fail_no_allocation();
              EXPECT_EQ(operation == nullptr, status != OSDN_OK);
              osdn_operation_destroy(operation);
              return status;
            }),
            0);
  EXPECT_GT(fail_each([&] {
              std::uint64_t address = 0;
              const osdn_status status = osdn_allocate(engine_, 64, &address);
              fail_no_allocation();
              EXPECT_EQ(address == 0, status != OSDN_OK);
              if (status != OSDN_OK) return status;
              return osdn_free(engine_, address);
            }),
            0);
  // A message that finds no memory is a message all the same.
  osdn_forward_arguments wrong = arguments();
  wrong.q = 0;
  fail_allocation(0);
  EXPECT_NE(osdn_launch_forward(operation_, &wrong, nullptr), OSDN_OK);
  fail_no_allocation();
  EXPECT_STRNE(osdn_last_error(), "");
  // And the engine goes on.
  const osdn_forward_arguments all = arguments();
  EXPECT_EQ(osdn_launch_forward(operation_, &all, nullptr), OSDN_OK) << osdn_last_error();
}

/// The cache on disk as a killed process left it: folders and files that are looked through after the first store.
TEST_F(Capi, WithoutMemoryTheCacheOnDiskEndsNoProcess) {
  namespace fs = std::filesystem;
  fresh_books().recording = false;
  const osdn::test::TemporaryDirectory home;
  const std::string cache = home / "cache";
  const auto refill = [&] {
    fs::remove_all(cache);
    for (const char* shard : {"/ab", "/cd"}) {
      fs::create_directories(cache + shard);
      std::ofstream(cache + shard + "/" + std::string(30, 'e') + ".osdn") << "an entry";
      std::ofstream(cache + shard + "/new-abcdef") << "what was being written";
    }
  };
  const auto prepare = [&] {
    osdn_engine_options options = null_options();
    options.disk_cache = 1;
    options.cache_directory = cache.c_str();
    osdn_engine* engine = nullptr;
    osdn_operation* operation = nullptr;
    osdn_status status = osdn_engine_create(&options, &engine);
    if (status == OSDN_OK) status = osdn_prepare_text(engine, text, nullptr, &operation);
    fail_no_allocation();
    EXPECT_EQ(operation == nullptr, status != OSDN_OK);
    osdn_operation_destroy(operation);
    osdn_engine_destroy(engine);
    return status;
  };
  EXPECT_GT(fail_each(prepare, refill), 0);
}

// ---- hosts that throw, though they must not -------------------------------------------------------------------------

enum class Throws { bad_alloc, exception, number };
Throws thrown = Throws::exception;

[[noreturn]] void throw_it() {
  if (thrown == Throws::bad_alloc) throw std::bad_alloc();
  if (thrown == Throws::exception) throw std::runtime_error("the host is unwell");
  throw 7;
}

int32_t throwing_allocate(void* user, uint64_t bytes, uint64_t* address) {
  if (*static_cast<bool*>(user)) throw_it();
  *address = bytes + 0x1000 - bytes;
  return 0;
}
void throwing_free(void* user, uint64_t, uint64_t) {
  if (*static_cast<bool*>(user)) throw_it();
}
void throwing_trace(void* user, const osdn_trace_event*) {
  if (*static_cast<bool*>(user)) throw_it();
}
void throwing_log(void* user, int32_t, const char*) {
  if (*static_cast<bool*>(user)) throw_it();
}
void throwing_load(void* user, const char*, void (*)(void*, const void*, size_t), void*) {
  if (*static_cast<bool*>(user)) throw_it();
}
void throwing_store(void* user, const char*, const void*, size_t) {
  if (*static_cast<bool*>(user)) throw_it();
}

TEST_F(Capi, WhatAHostThrowsBecomesAStatusOrNothing) {
  for (const Throws kind : {Throws::bad_alloc, Throws::exception, Throws::number}) {
    thrown = kind;
    bool unwell = true;
    osdn_engine_options options = null_options();
    options.user = &unwell;
    options.allocate = throwing_allocate;
    options.free = throwing_free;
    options.trace = throwing_trace;
    options.log = throwing_log;
    options.cache_load = throwing_load;
    options.cache_store = throwing_store;
    open(options);  // compiles all the same
    std::uint64_t address = 1;
    EXPECT_EQ(osdn_allocate(engine_, 64, &address), OSDN_OUT_OF_MEMORY) << osdn_last_error();
    EXPECT_NE(std::string(osdn_last_error()).find("the host's allocator threw"), std::string::npos);
    EXPECT_EQ(address, 0U);
    unwell = false;
    EXPECT_EQ(osdn_allocate(engine_, 64, &address), OSDN_OK) << osdn_last_error();
    unwell = true;
    EXPECT_EQ(osdn_free(engine_, address), OSDN_OK);
  }
}

}  // namespace
