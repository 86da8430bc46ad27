// Hosts that throw, memory that ends, and a launch that needs neither memory nor locks: nothing passes through the C
// interface but a status.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <osdn/osdn.h>
#include <pthread.h>

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>

#include "tests/runtime/null_driver.hpp"

namespace {

thread_local long allocations = 0;
thread_local long locks = 0;
/// The allocation of this thread that fails, counted from 0; negative: none.
thread_local long fails_at = -1;
thread_local bool has_failed = false;

void* allocate(std::size_t bytes) {
  ++allocations;
  if (fails_at >= 0 && fails_at-- == 0) {
    has_failed = true;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(bytes != 0 ? bytes : 1)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// The program's own come before those of any library.
void* operator new(std::size_t bytes) {
  return allocate(bytes);
}
void* operator new[](std::size_t bytes) {
  return allocate(bytes);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static const auto real = reinterpret_cast<int (*)(pthread_mutex_t*)>(::dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  ++locks;
  return real(mutex);
}

namespace {

osdn_engine_options null_options() {
  osdn_engine_options options;
  EXPECT_EQ(osdn_engine_options_init(&options, sizeof(options)), OSDN_OK);
  options.driver_library = OSDN_NULL_DRIVER;
  options.nvrtc_library = OSDN_FAKE_NVRTC;
  options.disk_cache = 0;
  return options;
}

null_driver::Books* books() {
  const auto get =
      reinterpret_cast<null_driver::GetBooks>(::dlsym(::dlopen(OSDN_NULL_DRIVER, RTLD_NOW), "null_driver_books"));
  return get == nullptr ? nullptr : get();
}

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
  null_driver::Books* const driver = books();
  ASSERT_NE(driver, nullptr);
  driver->recording = false;  // the driver's own are not the launch's
  const long allocated = allocations;
  const long locked = locks;
  EXPECT_EQ(osdn_launch_forward(operation_, &all, nullptr), OSDN_OK) << osdn_last_error();
  EXPECT_EQ(allocations - allocated, 0);
  EXPECT_EQ(locks - locked, 0);
  driver->recording = true;
  osdn_counters after = before;
  ASSERT_EQ(osdn_engine_counters(engine_, &after), OSDN_OK);
  EXPECT_EQ(after.launches, before.launches + 1);
}

/// Fails the first allocation of a call, then the second, and so on until the call succeeds.
template <class Call>
int fail_each(Call&& call) {
  int failures = 0;
  for (long at = 0; at < 100000; ++at) {
    has_failed = false;
    fails_at = at;
    const osdn_status status = call();
    fails_at = -1;
    if (!has_failed) {
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

TEST_F(Capi, WithoutMemoryThereIsAStatus) {
  ASSERT_NE(books(), nullptr);
  books()->recording = false;  // a driver that needs memory of its own would fail in its own ways
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
              fails_at = -1;
              EXPECT_EQ(engine == nullptr, status != OSDN_OK);
              osdn_engine_destroy(engine);
              return status;
            }),
            0);
  EXPECT_GT(fail_each([&] {
              osdn_operation* operation = nullptr;
              const osdn_status status = osdn_prepare_text(engine_, text, nullptr, &operation);
              fails_at = -1;
              EXPECT_EQ(operation == nullptr, status != OSDN_OK);
              osdn_operation_destroy(operation);
              return status;
            }),
            0);
  EXPECT_GT(fail_each([&] {
              std::uint64_t address = 0;
              const osdn_status status = osdn_allocate(engine_, 64, &address);
              fails_at = -1;
              EXPECT_EQ(address == 0, status != OSDN_OK);
              if (status != OSDN_OK) return status;
              return osdn_free(engine_, address);
            }),
            0);
  // A message that finds no memory is a message all the same.
  osdn_forward_arguments wrong = arguments();
  wrong.q = 0;
  fails_at = 0;
  EXPECT_NE(osdn_launch_forward(operation_, &wrong, nullptr), OSDN_OK);
  fails_at = -1;
  EXPECT_STRNE(osdn_last_error(), "");
  // And the engine goes on.
  const osdn_forward_arguments all = arguments();
  EXPECT_EQ(osdn_launch_forward(operation_, &all, nullptr), OSDN_OK) << osdn_last_error();
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
