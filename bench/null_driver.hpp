// The tests' driver that does nothing, its books closed: they are for tests.
#pragma once

#include <dlfcn.h>

#include <stdexcept>

#include "tests/runtime/null_driver.hpp"

namespace osdn::bench {

template <class Entry>
Entry null_driver_entry(const char* name) {
  void* const library = ::dlopen(OSDN_NULL_DRIVER, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(::dlerror());
  return reinterpret_cast<Entry>(::dlsym(library, name));
}

inline const char* null_driver_library() {
  null_driver_entry<null_driver::GetBooks>("null_driver_books")()->recording = false;
  return OSDN_NULL_DRIVER;
}

}  // namespace osdn::bench
