#include "runtime/device.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "runtime/fork_guard.hpp"

namespace osdn::runtime {
namespace {

expected<cuda::Device> find(const Driver& driver, int ordinal) {
  int count = 0;
  if (const auto result = driver.device_get_count(&count); result != cuda::success) {
    return driver.error(result, "counting devices");
  }
  if (ordinal < 0 || ordinal >= count) {
    return Error{ErrorCode::no_device,
                 fmt::format("device {} was asked for; {} has {} ({})", ordinal, driver.library, count,
                             count == 0 ? "no usable GPU" : fmt::format("0 to {}", count - 1)),
                 ""};
  }
  cuda::Device device = 0;
  if (const auto result = driver.device_get(&device, ordinal); result != cuda::success) {
    return driver.error(result, fmt::format("opening device {}", ordinal));
  }
  return device;
}

/// Reads attributes until one fails.
class Attributes {
 public:
  Attributes(const Driver& driver, cuda::Device device) : driver_(driver), device_(device) {}
  int operator()(int attribute) {
    int value = 0;
    if (result_ == cuda::success) result_ = driver_.device_get_attribute(&value, attribute, device_);
    return value;
  }
  [[nodiscard]] cuda::Result result() const { return result_; }

 private:
  const Driver& driver_;
  cuda::Device device_;
  cuda::Result result_ = cuda::success;
};

}  // namespace

expected<DeviceDescription> describe_device(const Driver& driver, int ordinal) {
  auto device = find(driver, ordinal);
  if (!device) return std::move(device).error();
  DeviceDescription found;
  found.ordinal = ordinal;
  found.emulated = driver.emulated;
  found.driver_version = driver.version;
  found.driver_library = driver.library;
  std::array<char, 256> text{};
  if (const auto result = driver.device_get_name(text.data(), static_cast<int>(text.size()) - 1, *device);
      result != cuda::success) {
    return driver.error(result, "asking for the device's name");
  }
  found.name = text.data();
  Attributes attribute(driver, *device);
  found.arch = 10 * attribute(cuda::attribute_compute_capability_major);
  found.arch += attribute(cuda::attribute_compute_capability_minor);
  found.multiprocessors = attribute(cuda::attribute_multiprocessor_count);
  const int shared = attribute(cuda::attribute_max_shared_memory_per_block);
  const int opt_in = attribute(cuda::attribute_max_shared_memory_per_block_optin);
  found.shared_per_block = static_cast<std::size_t>(opt_in > shared ? opt_in : shared);
  found.memory_clock_mhz = attribute(cuda::attribute_memory_clock_rate) / 1000;
  found.l2_bytes = static_cast<std::size_t>(attribute(cuda::attribute_l2_cache_size));
  if (attribute.result() != cuda::success)
    return driver.error(attribute.result(), "asking for the device's attributes");
  text.fill('\0');
  if (const auto result = driver.device_get_pci_bus_id(text.data(), static_cast<int>(text.size()) - 1, *device);
      result != cuda::success) {
    return driver.error(result, "asking for the device's bus number");
  }
  found.pci_bus_id = text.data();
  if (const auto result = driver.device_total_mem(&found.memory_bytes, *device); result != cuda::success) {
    return driver.error(result, "asking for the device's memory");
  }
  return found;
}

expected<std::shared_ptr<const DeviceContext>> DeviceContext::open(std::shared_ptr<const Driver> driver, int ordinal) {
  std::shared_ptr<DeviceContext> device(new DeviceContext(std::move(driver)));
  if (auto done = device->describe(ordinal); !done) return std::move(done).error();
  if (auto done = device->enter(); !done) return std::move(done).error();
  return std::shared_ptr<const DeviceContext>(std::move(device));
}

expected<void> DeviceContext::describe(int ordinal) {
  auto found = describe_device(*driver_, ordinal);
  if (!found) return std::move(found).error();
  description_ = *std::move(found);
  auto device = find(*driver_, ordinal);
  if (!device) return std::move(device).error();
  device_ = *device;
  Attributes attribute(*driver_, device_);
  shared_per_multiprocessor_ =
      static_cast<std::size_t>(attribute(cuda::attribute_max_shared_memory_per_multiprocessor));
  if (attribute.result() != cuda::success) {
    return driver_->error(attribute.result(), "asking for the device's attributes");
  }
  return {};
}

expected<void> DeviceContext::enter() {
  cuda::Context current = nullptr;
  if (const auto result = driver_->context_get_current(&current); result != cuda::success) {
    return driver_->error(result, "asking for the current context");
  }
  cuda::Device its_device = -1;
  if (current != nullptr) {
    if (const auto result = driver_->context_get_device(&its_device); result != cuda::success) {
      return driver_->error(result, "asking for the current context's device");
    }
    if (its_device == device_) {
      context_ = current;
      return {};
    }
  }
  if (const auto result = driver_->primary_context_retain(&context_, device_); result != cuda::success) {
    return driver_->error(result, "retaining the device's primary context");
  }
  retained_ = true;
  return {};
}

void DeviceContext::adopt(cuda::Module module) const {
  const std::lock_guard lock(adopting_);
  modules_.push_back(module);
}

void DeviceContext::unload_modules() {
  if (modules_.empty()) return;
  const ContextScope scope(*this);
  if (scope.result() != cuda::success) return;
  // Waiting breaks a capture that is under way in the context. The legacy stream knows of one, unless it is of a stream
  // that does not wait for it, and asking breaks none (CUDA driver API, cuStreamIsCapturing).
  int status = 0;
  if (driver_->stream_is_capturing(nullptr, &status) != cuda::success) return;
  if (driver_->context_synchronize() != cuda::success) return;
  for (cuda::Module module : modules_) driver_->module_unload(module);
}

DeviceContext::~DeviceContext() {
  unload_modules();
  if (retained_ && !forked()) driver_->primary_context_release(device_);
}

ContextScope::ContextScope(const DeviceContext& device) : driver_(device.driver()) {
  if (forked()) {  // also what lets destructors in a child leave the parent's handles alone
    result_ = cuda::error_not_initialized;
    return;
  }
  cuda::Context current = nullptr;
  result_ = driver_.context_get_current(&current);
  if (result_ != cuda::success || current == device.context()) return;
  result_ = driver_.context_push(device.context());
  pushed_ = result_ == cuda::success;
}

ContextScope::~ContextScope() {
  cuda::Context popped = nullptr;
  if (pushed_) driver_.context_pop(&popped);
}

}  // namespace osdn::runtime
