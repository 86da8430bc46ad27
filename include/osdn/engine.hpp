// Engine: owns a device, the compile cache and the compiled kernels. Thread-safe; no hidden globals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "osdn/arguments.hpp"
#include "osdn/config.hpp"
#include "osdn/error.hpp"
#include "osdn/export.h"
#include "osdn/host.hpp"
#include "osdn/problem.hpp"

namespace osdn {

/// A CUstream; nullptr is the legacy default stream.
using Stream = void*;

/// What the Engine runs on.
struct DeviceDescription {
  std::string name;
  bool emulated = false;  ///< a software device: results are real, times are not
  int ordinal = 0;
  int arch = 0;  ///< compute capability as one number: 80, 90, 120 …
  int multiprocessors = 0;
  std::size_t shared_per_block = 0;  ///< bytes a CTA may have, opt-in included
  std::size_t memory_bytes = 0;
  std::size_t l2_bytes = 0;
  int memory_clock_mhz = 0;    ///< peak, as the driver says; tells boards of one name apart
  std::string pci_bus_id;      ///< "0000:3b:00.0": which physical device; empty where the driver does not say
  int driver_version = 0;      ///< as cuDriverGetVersion says: 12040 is 12.4
  std::string driver_library;  ///< path or soname that was loaded
  int nvrtc_version = 0;       ///< same encoding; 0 when none could be loaded
  std::string nvrtc_library;
};

/// What one kernel of a prepared operation is and cost.
struct KernelReport {
  std::string name;       ///< entry name
  std::string phase;      ///< "preconditioner", "delta_rule"
  std::string arch;       ///< what it was compiled for: "sm_80", "sm_90a", "compute_80"
  std::string source;     ///< "memory", "host", "pack", "disk" or "compiled": where this prepare found it
  double compile_ms = 0;  ///< NVRTC's time when it was compiled (also for a kernel found in a cache)
  int threads = 0;
  int registers = 0;            ///< per thread; 0 where unknown (PTX only)
  std::size_t spill_bytes = 0;  ///< spill stores and loads per thread
  std::size_t stack_bytes = 0;
  std::size_t static_shared_bytes = 0;
  std::size_t dynamic_shared_bytes = 0;
  std::size_t image_bytes = 0;
};

/// Counters of the compile cache since the Engine was made.
struct CacheStatistics {
  std::uint64_t memory_hits = 0;
  std::uint64_t disk_hits = 0;
  std::uint64_t misses = 0;    ///< compilations
  std::uint64_t rejected = 0;  ///< entries found corrupt, truncated or of another key, or refused by the driver
  std::uint64_t write_failures = 0;
  std::uint64_t host_hits = 0;
  std::uint64_t pack_hits = 0;
};

enum class LogLevel { debug, info, warning };
using LogCallback = std::function<void(LogLevel, std::string_view)>;

/// A store of the host's own for compiled kernels (docs/caches.md), looked at before all others. What it gives back is
/// verified like a file. Both are called by several threads at once, hold up whoever prepares, and must neither throw
/// nor prepare anything.
struct HostCache {
  /// The bytes that were stored under a key (32 hexadecimal digits); nothing where there are none.
  std::function<std::optional<std::string>(std::string_view key)> load{};
  /// Keeps the bytes, or does not. Called for what `load` did not have and the user's directory or NVRTC had.
  std::function<void(std::string_view key, std::string_view entry)> store{};
};

struct EngineOptions {
  int device = 0;
  /// Path or soname of the CUDA driver; empty: OSDN_CUDA_LIBRARY, then libcuda.so.1. Name libosdn_emulator.so to run
  /// without a GPU: an Engine never falls back to it by itself.
  std::string driver_library{};
  /// Path or soname of NVRTC; empty: OSDN_NVRTC_LIBRARY, then the usual places.
  std::string nvrtc_library{};
  /// Empty: $OSDN_CACHE_DIR, else $XDG_CACHE_HOME/osdn, else ~/.cache/osdn.
  std::string cache_directory{};
  bool disk_cache = true;
  /// Files that `osdn pack` wrote, looked at in this order and never written; empty: $OSDN_PACKS, split at colons. One
  /// that cannot be used is a warning.
  std::vector<std::string> packs{};
  HostCache host_cache{};
  /// Check pointers, ranges and cu_seqlens at every launch (copies cu_seqlens back, synchronises): for tests and
  /// debugging.
  bool validate = false;
  /// Threads that compile the kernels of a plan at the same time; 0: one per core.
  int compile_threads = 0;
  /// Where warnings go; empty: stderr, warnings only.
  LogCallback log{};
  /// Where the host keeps its own memory or its own books.
  DeviceMemory memory{};
  TraceCallback trace{};
};

class EngineState;
class PreparedState;

/// Device memory that frees itself; for examples, tests and the program. Hosts with their own memory need none of it.
class OSDN_API DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(std::shared_ptr<EngineState> engine, DevicePointer address, std::size_t bytes);
  ~DeviceBuffer();
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;

  [[nodiscard]] DevicePointer address() const { return address_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Copies bytes() bytes; returns when the copy is done.
  expected<void> upload(const void* host) const;
  expected<void> download(void* host) const;

 private:
  std::shared_ptr<EngineState> engine_;
  DevicePointer address_ = 0;
  std::size_t bytes_ = 0;
};

/// An operation whose kernels stay loaded as long as it or its Engine lives; graphs do not keep them. Cheap to copy.
class OSDN_API PreparedOperation {
 public:
  explicit PreparedOperation(std::shared_ptr<const PreparedState> state) : state_(std::move(state)) {}

  [[nodiscard]] const Problem& problem() const;
  [[nodiscard]] const Config& config() const;
  [[nodiscard]] const std::vector<KernelReport>& kernels() const;

  /// Bytes of workspace a launch at this shape needs (256-byte aligned, contents of no meaning before and after).
  [[nodiscard]] std::size_t workspace_bytes(const Shape& shape) const;

  /// Enqueues the forward pass. Only launches: no lock, allocation, environment look-up or synchronisation; legal
  /// during graph capture. An unpacked batch of b = 0 launches nothing. The Engine's context must be current on this
  /// thread, or none: with another one the launch is refused. Errors: invalid_argument (sizes and pointers that are
  /// wrong on sight), driver.
  expected<void> launch(const ForwardArguments& arguments, Stream stream = nullptr) const;

  /// Enqueues a decoding step, likewise. Each kind of arguments is refused by the other kind of operation.
  expected<void> launch(const DecodeArguments& arguments, Stream stream = nullptr) const;

  /// What it stands on; for the library's own rooms.
  [[nodiscard]] const std::shared_ptr<const PreparedState>& state() const { return state_; }

 private:
  std::shared_ptr<const PreparedState> state_;
};

class OSDN_API Engine {
 public:
  /// Loads the driver, finds the device. Lives in the context that is current on this thread when it is one of this
  /// device (it must outlive all that is made here), else in the device's primary context; never makes another.
  /// Errors: library_not_found, no_device, driver. A missing NVRTC is an error only when something must be compiled.
  static expected<Engine> create(const EngineOptions& options = {});

  [[nodiscard]] const DeviceDescription& device() const;

  /// Compiles (or finds in the cache) and loads the kernels of a problem. Without a Config the default for this device
  /// is taken. Thread-safe; the same problem is compiled once, however many threads ask.
  /// Errors: invalid_argument, unsupported, constraint, library_not_found, compile_failed, driver.
  expected<PreparedOperation> prepare(const Problem& problem, const std::optional<Config>& config = {});

  expected<DeviceBuffer> allocate(std::size_t bytes);
  expected<void> synchronize(Stream stream = nullptr);
  [[nodiscard]] CacheStatistics cache_statistics() const;
  /// Launches that were enqueued, of all operations of this Engine.
  [[nodiscard]] std::uint64_t launches() const;

  /// What it stands on; for the library's own rooms.
  [[nodiscard]] const std::shared_ptr<EngineState>& state() const { return state_; }

 private:
  explicit Engine(std::shared_ptr<EngineState> state) : state_(std::move(state)) {}
  std::shared_ptr<EngineState> state_;
};

}  // namespace osdn
