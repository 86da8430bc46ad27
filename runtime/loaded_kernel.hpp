// A kernel in a context, ready to be launched.
#pragma once

#include <cstddef>
#include <memory>

#include "generator/plan.hpp"
#include "osdn/engine.hpp"
#include "runtime/compiler.hpp"
#include "runtime/device.hpp"

namespace osdn::runtime {

/// What a compiled kernel of a plan is and cost; `image_bytes` of it are, or would be, loaded.
[[nodiscard]] KernelReport kernel_report(const generator::KernelPlan& plan, const CompilerResult& compiled,
                                         std::size_t image_bytes);

/// Its module is the context's once it is loaded, and stays as long.
class LoadedKernel {
 public:
  /// Loads what this driver runs: machine code, or the PTX on a software device. On an error `refused` is told of the
  /// code when the driver would not have it, and other code of this kernel may do.
  static expected<std::shared_ptr<const LoadedKernel>> load(std::shared_ptr<const DeviceContext> device,
                                                            const generator::KernelPlan& plan,
                                                            const CompilerResult& compiled, RefusedCode& refused);
  ~LoadedKernel();
  LoadedKernel(const LoadedKernel&) = delete;
  LoadedKernel& operator=(const LoadedKernel&) = delete;

  [[nodiscard]] cuda::Function function() const { return function_; }
  [[nodiscard]] const KernelReport& report() const { return report_; }

 private:
  explicit LoadedKernel(std::shared_ptr<const DeviceContext> device) : device_(std::move(device)) {}
  cuda::Result load_module(const std::string& image, const std::string& entry, Error& error);
  expected<void> allow_shared_memory(const generator::KernelPlan& plan);

  std::shared_ptr<const DeviceContext> device_;
  cuda::Module module_ = nullptr;  ///< until the context has it
  cuda::Function function_ = nullptr;
  KernelReport report_;
};

}  // namespace osdn::runtime
