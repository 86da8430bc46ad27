// A CUDA driver that does nothing but keep books: what was called, what is alive, what was launched. Any call can be
// made to fail.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "runtime/driver_api.hpp"
#include "templates/parameters.cuh"

namespace null_driver {

struct Launch {
  std::string kernel;
  unsigned int grid = 0;
  unsigned int threads = 0;
  unsigned int shared_bytes = 0;
  void* stream = nullptr;
  osdn::ForwardParameters parameters{};
};

struct Books {
  // What the test sets.
  std::atomic<bool> recording{true};    ///< keep calls and launches; off for timing
  std::atomic<int> fail_at{-1};         ///< this call, counted from 0 since `calls` was cleared, fails …
  std::atomic<int> fail_with{999};      ///< … with this code
  std::atomic<int> fail_entry_with{0};  ///< every call of `fail_entry` fails with this code; 0: none
  std::string fail_entry;
  std::string refused_code;  ///< images that contain this are refused …
  int refuse_with = 0;       ///< … with this code; 0: none
  std::atomic<int> driver_version{13000};
  std::atomic<int> device_count{1};
  std::atomic<int> capture_status{0};

  // What the driver keeps.
  std::mutex mutex;
  std::vector<std::string> calls;
  std::vector<Launch> launches;
  std::map<std::uint64_t, std::size_t> allocations;
  std::set<const void*> modules;
  std::set<const void*> functions;
  int retained = 0;
};

/// Exported as `null_driver_books`.
using GetBooks = Books* (*)();
/// Exported as `null_driver_set_current`: makes any context current on this thread; null: none.
using SetCurrent = void (*)(osdn::runtime::cuda::Context);
/// Exported as `null_driver_primary` and `null_driver_other`: two contexts of device 0.
using GetContext = osdn::runtime::cuda::Context (*)();

}  // namespace null_driver
