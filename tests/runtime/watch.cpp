// The program's own definitions of these functions come before those of any library it loads.
#include "watch.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <cstdlib>
#include <new>

namespace {

thread_local osdn::runtime::testing::Watch::Counts seen;
thread_local long fails_at = -1;
thread_local bool has_failed = false;

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(::dlsym(RTLD_NEXT, name));
}

void* allocate_or_null(std::size_t bytes) noexcept {
  ++seen.allocations;
  if (fails_at >= 0 && fails_at-- == 0) {
    has_failed = true;
    return nullptr;
  }
  return std::malloc(bytes != 0 ? bytes : 1);
}

void* allocate(std::size_t bytes) {
  if (void* memory = allocate_or_null(bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t bytes) {
  return allocate(bytes);
}
void* operator new[](std::size_t bytes) {
  return allocate(bytes);
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate_or_null(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
  return allocate_or_null(bytes);
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
  static const auto real = next<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
  ++seen.locks;
  return real(mutex);
}

extern "C" int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  static const auto real = next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_rdlock");
  ++seen.locks;
  return real(lock);
}

extern "C" char* getenv(const char* name) noexcept {
  static const auto real = next<char* (*)(const char*)>("getenv");
  ++seen.environment;
  return real(name);
}

namespace osdn::runtime::testing {

Watch::Watch() : begin_(seen) {}

Watch::Counts Watch::counts() const {
  return {seen.allocations - begin_.allocations, seen.locks - begin_.locks, seen.environment - begin_.environment};
}

void fail_allocation(long at) {
  fails_at = at;
  has_failed = false;
}

void fail_no_allocation() {
  fails_at = -1;
}

bool allocation_failed() {
  return has_failed;
}

}  // namespace osdn::runtime::testing
