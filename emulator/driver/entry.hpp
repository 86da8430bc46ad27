// What every entry does first and last: the driver must be initialised, this process must not be a fork's child, and
// no exception leaves through the C interface.
#pragma once

#include <new>
#include <type_traits>

#include "driver/state.hpp"

namespace emulator {

/// Thrown by what an entry calls, caught by the entry: the result that the program gets.
struct Failure {
  CUresult code;
};
[[noreturn]] inline void fail(CUresult code) {
  throw Failure{code};
}

inline void require(bool condition, CUresult otherwise = CUDA_ERROR_INVALID_VALUE) {
  if (!condition) fail(otherwise);
}

/// Throws when cuInit was not called, in a forked child, or inside a host callback.
Driver& driver();

/// Nothing before cuInit.
Driver* driver_if_initialized();

/// Runs an entry's body. A body that returns nothing succeeds.
template <class Body>
CUresult entry(Body body) noexcept {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Body>>) {
      body();
      return CUDA_SUCCESS;
    } else {
      return body();
    }
  } catch (const Failure& failure) {
    return failure.code;
  } catch (const std::bad_alloc&) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (...) {
    return CUDA_ERROR_UNKNOWN;
  }
}

/// The calling thread's current context: throws when there is none, it was destroyed, or it has failed.
ContextPtr current_context();

/// The same, but a failed context is returned as well.
ContextPtr current_context_even_failed();

/// The context behind a handle: throws for a wrong or destroyed one.
ContextPtr context_of(CUcontext handle);

Device& device_of(CUdevice ordinal);

/// A host callback is running on this thread: it may not call the driver.
struct InCallback {
  InCallback();
  ~InCallback();
  InCallback(const InCallback&) = delete;
  InCallback& operator=(const InCallback&) = delete;
};

}  // namespace emulator
