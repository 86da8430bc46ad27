#include "runtime/loaded_kernel.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <utility>

namespace osdn::runtime {
namespace {

std::string refusal_line(const DeviceContext& device, const CompilerResult& compiled, const Error& error) {
  const Driver& driver = device.driver();
  std::string line = fmt::format("{}, code for {} by NVRTC {}: refused by the driver {} ({}): {}", compiled.place,
                                 compiled.kernel.arch, version_text(compiled.kernel.nvrtc_version), driver.library,
                                 version_text(driver.version), error.message);
  if (!error.context.empty()) line += '\n' + error.context;
  return line;
}

}  // namespace

KernelReport kernel_report(const generator::KernelPlan& plan, const CompilerResult& compiled, std::size_t image_bytes) {
  const CompiledKernel& kernel = compiled.kernel;
  KernelReport report;
  report.name = plan.entry;
  report.phase = plan.phase;
  report.arch = kernel.arch;
  report.source = name(compiled.origin);
  report.compile_ms = kernel.compile_ms;
  report.threads = plan.threads;
  report.registers = kernel.resources.registers;
  report.spill_bytes = kernel.resources.spill_store_bytes + kernel.resources.spill_load_bytes;
  report.stack_bytes = kernel.resources.stack_bytes;
  report.static_shared_bytes = kernel.resources.static_shared_bytes;
  report.dynamic_shared_bytes = plan.dynamic_shared;
  report.image_bytes = image_bytes;
  return report;
}

expected<std::shared_ptr<const LoadedKernel>> LoadedKernel::load(std::shared_ptr<const DeviceContext> device,
                                                                 const generator::KernelPlan& plan,
                                                                 const CompilerResult& compiled, RefusedCode& refused) {
  std::shared_ptr<LoadedKernel> loaded(new LoadedKernel(std::move(device)));
  const bool emulated = loaded->device_->description().emulated;
  // PTX without machine code comes from a pack: the driver compiles it.
  const std::string& image = emulated || compiled.kernel.cubin.empty() ? compiled.kernel.ptx : compiled.kernel.cubin;
  if (image.empty()) {
    return Error{ErrorCode::internal, fmt::format("{} was compiled without code", plan.entry), ""};
  }
  const ContextScope scope(*loaded->device_);
  if (scope.result() != cuda::success) {
    return loaded->device_->driver().error(scope.result(), "entering the context");
  }
  Error error;
  if (const auto result = loaded->load_module(image, plan.entry, error); result != cuda::success) {
    if (cuda::refuses_code(result)) refused.add(image, refusal_line(*loaded->device_, compiled, error));
    return error;
  }
  if (auto done = loaded->allow_shared_memory(plan); !done) return std::move(done).error();
  loaded->report_ = kernel_report(plan, compiled, image.size());
  loaded->device_->adopt(loaded->module_);
  loaded->module_ = nullptr;
  return std::shared_ptr<const LoadedKernel>(std::move(loaded));
}

cuda::Result LoadedKernel::load_module(const std::string& image, const std::string& entry, Error& error) {
  const Driver& driver = device_->driver();
  std::array<char, 4096> log{};
  std::array<int, 2> options{cuda::jit_error_log_buffer, cuda::jit_error_log_buffer_size_bytes};
  std::array<void*, 2> values{log.data(), reinterpret_cast<void*>(static_cast<std::uintptr_t>(log.size() - 1))};
  auto result = driver.module_load(&module_, image.c_str(), static_cast<unsigned int>(options.size()), options.data(),
                                   values.data());
  if (result != cuda::success) {
    module_ = nullptr;
    error = driver.error(result, fmt::format("loading {}", entry));
    error.context = log.data();
    return result;
  }
  result = driver.module_get_function(&function_, module_, entry.c_str());
  if (result != cuda::success) error = driver.error(result, fmt::format("finding {} in its module", entry));
  return result;
}

expected<void> LoadedKernel::allow_shared_memory(const generator::KernelPlan& plan) {
  if (plan.dynamic_shared == 0) return {};
  const Driver& driver = device_->driver();
  const auto result = driver.function_set_attribute(function_, cuda::function_max_dynamic_shared_size_bytes,
                                                    static_cast<int>(plan.dynamic_shared));
  if (result != cuda::success) {
    return driver.error(
        result, fmt::format("allowing {} {} bytes of shared memory (a CTA of {} may have {})", plan.entry,
                            plan.dynamic_shared, device_->description().name, device_->description().shared_per_block));
  }
  return {};
}

LoadedKernel::~LoadedKernel() {
  if (module_ == nullptr) return;  // else it could not be made ready, and nothing of it ever ran
  const ContextScope scope(*device_);
  if (scope.result() == cuda::success) device_->driver().module_unload(module_);
}

}  // namespace osdn::runtime
