#include "driver/launch_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace emulator {
namespace {

using Sizes = std::array<unsigned, 3>;
constexpr Sizes kMaxGrid{0x7FFFFFFF, 65535, 65535};
constexpr Sizes kMaxBlock{1024, 1024, 64};

std::string text_of(const Sizes& extent) {
  return fmt::format("{} x {} x {}", extent[0], extent[1], extent[2]);
}

bool has_zero(const Sizes& extent) {
  return extent[0] == 0 || extent[1] == 0 || extent[2] == 0;
}

bool fits(const Sizes& extent, const Sizes& most) {
  return extent[0] <= most[0] && extent[1] <= most[1] && extent[2] <= most[2];
}

void check_block(const Kernel& kernel, const Device& device, const Sizes& block) {
  const std::uint64_t threads = std::uint64_t{block[0]} * block[1] * block[2];
  const auto device_limit = static_cast<std::uint64_t>(device.architecture.profile.threads_per_block);
  const auto refuse = [&](const std::string& why) {
    refuse_launch(kernel.name(), CUDA_ERROR_INVALID_VALUE,
                  fmt::format("a block of {} = {} threads; {}", text_of(block), threads, why));
  };
  if (!fits(block, kMaxBlock) || threads > device_limit)
    refuse(fmt::format("the device allows {} and {} in all", text_of(kMaxBlock), device_limit));
  // PTX ISA 11.4.2, 11.4.3.
  if (const Sizes wanted = kernel.required_block(); wanted[0] != 0 && wanted != block)
    refuse(fmt::format("the kernel's .reqntid wants exactly {}", text_of(wanted)));
  if (threads > static_cast<std::uint64_t>(kernel.max_threads()))
    refuse(fmt::format("the kernel's .maxntid allows {}", kernel.max_threads()));
}

void check_cluster(const Kernel& kernel) {
  if (kernel.cluster_blocks() == 1) return;
  refuse_launch(kernel.name(), CUDA_ERROR_NOT_SUPPORTED,
                fmt::format("the kernel is one for clusters of {} blocks (.reqnctapercluster, __cluster_dims__); the "
                            "emulator has clusters of one block only",
                            kernel.cluster_blocks()));
}

void check_shared(const Function& function, const Device& device, std::size_t dynamic) {
  const Kernel& kernel = *function.kernel;
  const std::size_t most = device.architecture.profile.shared_per_block_optin, fixed = kernel.static_shared();
  const std::string asked = fmt::format("{} bytes of dynamic shared memory beside {} static ones", dynamic, fixed);
  if (fixed + dynamic > most)
    refuse_launch(kernel.name(), CUDA_ERROR_INVALID_VALUE,
                  fmt::format("{}; a block of this device has {} at most", asked, most));
  const auto allowed = static_cast<std::size_t>(std::max(function.max_dynamic_shared.load(), 0));
  if (dynamic > allowed)
    refuse_launch(kernel.name(), CUDA_ERROR_INVALID_VALUE,
                  fmt::format("{}; this function may have {} dynamic ones until cuFuncSetAttribute raises "
                              "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, here up to {}",
                              asked, allowed, most - fixed));
}

std::size_t packed_bytes(const Kernel& kernel) {
  std::size_t bytes = 0;
  for (const Parameter& parameter : kernel.parameters()) bytes = std::max(bytes, parameter.offset + parameter.size);
  return bytes;
}

/// The buffer that `extra` describes. Drivers take its size without padding behind the last parameter, and no other.
std::vector<std::byte> unpack_extra(const Kernel& kernel, void** extra) {
  const void* buffer = nullptr;
  const std::size_t* size = nullptr;
  const auto refuse = [&](const std::string& why) { refuse_launch(kernel.name(), CUDA_ERROR_INVALID_VALUE, why); };
  for (void** at = extra; reinterpret_cast<std::uintptr_t>(*at) != CU_LAUNCH_PARAM_END_AS_INT; at += 2) {
    const auto tag = reinterpret_cast<std::uintptr_t>(*at);
    if (tag == CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT)
      buffer = at[1];
    else if (tag == CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT)
      size = static_cast<const std::size_t*>(at[1]);
    else
      refuse(
          fmt::format("entry {} of extra is {:#x}, neither CU_LAUNCH_PARAM_BUFFER_POINTER (1) nor "
                      "CU_LAUNCH_PARAM_BUFFER_SIZE (2) nor CU_LAUNCH_PARAM_END (0)",
                      at - extra, tag));
  }
  const std::size_t wanted = packed_bytes(kernel);
  if (wanted == 0 && (size == nullptr || *size == 0)) return {};
  if (size == nullptr) refuse(fmt::format("extra has no CU_LAUNCH_PARAM_BUFFER_SIZE; {} bytes are wanted", wanted));
  if (*size != wanted)
    refuse(
        fmt::format("a packed buffer of {} bytes; the kernel's parameters take exactly {}, without padding behind "
                    "the last",
                    *size, wanted));
  if (buffer == nullptr) refuse("extra has no CU_LAUNCH_PARAM_BUFFER_POINTER");
  const auto* bytes = static_cast<const std::byte*>(buffer);
  return {bytes, bytes + wanted};
}

}  // namespace

void refuse_launch(const std::string& kernel, CUresult code, const std::string& why) {
  report_fault(fmt::format("{} refused: {}", kernel.empty() ? "a launch was" : "launch of " + kernel, why), true);
  fail(code);
}

std::shared_ptr<Function> launchable_function(CUfunction handle, const ContextPtr& context) {
  Driver& state = driver();
  std::shared_ptr<Function> function;
  try {
    function = function_of(handle);
  } catch (const Failure& failure) {
    const bool gone = state.functions.issued(handle) || state.kernels.issued(reinterpret_cast<CUkernel>(handle));
    refuse_launch("", failure.code,
                  gone ? "its function's module, library or context is gone"
                       : fmt::format("{} is not a function", static_cast<void*>(handle)));
  }
  const ContextPtr owner = function->context.lock();
  if (owner != context) {
    refuse_launch(function->kernel->name(), CUDA_ERROR_INVALID_HANDLE,
                  "the function was loaded in another context than the current one");
  }
  return function;
}

void check_geometry(const Function& function, const Device& device, const Sizes& grid, const Sizes& block,
                    std::size_t dynamic_shared) {
  check_cluster(*function.kernel);
  const Kernel& kernel = *function.kernel;
  if (has_zero(grid) || has_zero(block))
    refuse_launch(kernel.name(), CUDA_ERROR_INVALID_VALUE,
                  fmt::format("a grid of {} blocks of {} threads; no extent may be 0", text_of(grid), text_of(block)));
  if (!fits(grid, kMaxGrid))
    refuse_launch(kernel.name(), CUDA_ERROR_INVALID_VALUE,
                  fmt::format("a grid of {} blocks; the device allows {}", text_of(grid), text_of(kMaxGrid)));
  check_block(kernel, device, block);
  check_shared(function, device, dynamic_shared);
}

std::vector<std::byte> pack_parameters(const Kernel& kernel, void** parameters, void** extra) {
  const auto refuse = [&](const std::string& why) { refuse_launch(kernel.name(), CUDA_ERROR_INVALID_VALUE, why); };
  if (parameters != nullptr && extra != nullptr) refuse("parameters both in kernelParams and in extra");
  if (extra != nullptr) return unpack_extra(kernel, extra);
  std::vector<std::byte> packed(packed_bytes(kernel));
  const std::size_t count = kernel.parameters().size();
  if (count != 0 && parameters == nullptr)
    refuse(fmt::format("kernelParams is NULL; the kernel takes {} parameters", count));
  std::size_t index = 0;
  for (const Parameter& parameter : kernel.parameters()) {
    if (parameters[index] == nullptr)
      refuse(fmt::format("kernelParams[{}] is NULL; it must point at {} bytes", index, parameter.size));
    std::memcpy(packed.data() + parameter.offset, parameters[index++], parameter.size);
  }
  return packed;
}

}  // namespace emulator
