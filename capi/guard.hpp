// What every function of the C ABI does around its work: nothing is thrown through, and a failure is kept for the
// thread that met it.
#pragma once

#include <exception>
#include <new>
#include <string_view>

#include "osdn/error.hpp"
#include "osdn/osdn.h"

namespace osdn::capi {

/// Keeps the error for osdn_last_error and returns its status. Where there is no memory to keep it in, a fixed text.
osdn_status keep(const Error& error) noexcept;
osdn_status keep_out_of_memory() noexcept;
osdn_status keep_thrown(const char* what) noexcept;

[[nodiscard]] Error invalid(std::string_view message);

/// Runs `work`, which returns expected<void>.
template <class Work>
osdn_status guarded(Work&& work) noexcept {
  try {
    const expected<void> done = work();
    return done ? OSDN_OK : keep(done.error());
  } catch (const Exception& thrown) {
    return keep(thrown.error());
  } catch (const std::bad_alloc&) {
    return keep_out_of_memory();
  } catch (const std::exception& thrown) {
    return keep_thrown(thrown.what());
  } catch (...) {
    return keep_thrown("something that is no std::exception");
  }
}

/// Likewise for what has no way to report: destructors and texts.
template <class Work>
void silently(Work&& work) noexcept {
  try {
    work();
  } catch (...) {
  }
}

}  // namespace osdn::capi
