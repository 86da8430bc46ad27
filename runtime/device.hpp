// One device of a loaded driver and the context everything of an Engine lives in.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "generator/architecture.hpp"
#include "osdn/engine.hpp"
#include "runtime/driver.hpp"
#include "runtime/sharded_counter.hpp"

namespace osdn::runtime {

/// Shared by the Engine and by all that it made; with the last of them the modules go, and the context is let go.
class DeviceContext {
 public:
  /// Takes the context that is current on this thread when it is one of this device; it must then outlive everything
  /// made from this. Otherwise retains the device's primary context. Never creates another.
  static expected<std::shared_ptr<const DeviceContext>> open(std::shared_ptr<const Driver> driver, int ordinal);
  ~DeviceContext();
  DeviceContext(const DeviceContext&) = delete;
  DeviceContext& operator=(const DeviceContext&) = delete;

  [[nodiscard]] const Driver& driver() const { return *driver_; }
  [[nodiscard]] cuda::Context context() const { return context_; }
  [[nodiscard]] const DeviceDescription& description() const { return description_; }
  /// Of the operations that live here.
  [[nodiscard]] ShardedCounter& launches() const { return launches_; }
  [[nodiscard]] std::size_t shared_per_multiprocessor() const { return shared_per_multiprocessor_; }

  /// Takes over a module of this context, whose kernels may be launched from now on.
  void adopt(cuda::Module module) const;

 private:
  explicit DeviceContext(std::shared_ptr<const Driver> driver) : driver_(std::move(driver)) {}
  expected<void> describe(int ordinal);
  expected<void> enter();
  /// Waits for the context's work, once for all modules. Where that is refused they stay loaded: what may still run
  /// must not lose its code.
  void unload_modules();

  std::shared_ptr<const Driver> driver_;
  cuda::Device device_ = 0;
  cuda::Context context_ = nullptr;
  bool retained_ = false;
  DeviceDescription description_;
  std::size_t shared_per_multiprocessor_ = 0;
  mutable ShardedCounter launches_;
  mutable std::mutex adopting_;
  mutable std::vector<cuda::Module> modules_;
};

/// Describes a device without touching contexts. Errors: no_device naming how many there are, driver.
expected<DeviceDescription> describe_device(const Driver& driver, int ordinal);

/// Makes a context current on this thread for a scope.
class ContextScope {
 public:
  explicit ContextScope(const DeviceContext& device);
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

  [[nodiscard]] cuda::Result result() const { return result_; }

 private:
  const Driver& driver_;
  cuda::Result result_ = cuda::success;
  bool pushed_ = false;
};

}  // namespace osdn::runtime
