// Functions: their attributes, and how many blocks of them fit on a multiprocessor.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "driver/module.hpp"

namespace emulator {
namespace {

constexpr int kWarp = 32;
constexpr int kReservedSharedPerBlock = 1024;  // from compute capability 8.0 on

int round_up_to_warps(int threads) {
  return (threads + kWarp - 1) / kWarp * kWarp;
}

int reserved_shared(const Device& device) {
  return device.architecture.profile.major >= 8 ? kReservedSharedPerBlock : 0;
}

CUresult max_active_blocks(int* blocks, CUfunction handle, int threads, size_t dynamic_shared, unsigned flags) {
  require(blocks != nullptr && threads > 0 && flags <= 1);
  const auto function = function_of(handle);
  *blocks = resident_blocks(*function, current_context()->device, threads, dynamic_shared);
  return CUDA_SUCCESS;
}

CUresult potential_block_size(int* grid, int* block, CUfunction handle, CUoccupancyB2DSize shared_of, size_t shared,
                              int limit, unsigned flags) {
  require(grid != nullptr && block != nullptr && limit >= 0 && flags <= 1);
  const auto function = function_of(handle);
  const Device& device = current_context()->device;
  const int most = limit == 0 ? function->kernel->max_threads() : std::min(limit, function->kernel->max_threads());
  *grid = *block = 0;
  int best = 0;
  for (int threads = round_up_to_warps(most); threads > 0; threads -= kWarp) {
    const int size = std::min(threads, most);
    const int blocks = resident_blocks(*function, device, size, shared_of != nullptr ? shared_of(size) : shared);
    if (blocks * size <= best) continue;
    best = blocks * size;
    *block = size;
    *grid = blocks * device.architecture.profile.multiprocessors;
  }
  return CUDA_SUCCESS;
}

}  // namespace

int resident_blocks(const Function& function, const Device& device, int threads, std::size_t dynamic_shared) {
  if (threads > function.kernel->max_threads()) return 0;
  const Architecture& kind = device.architecture;
  int blocks = std::min(kind.blocks_per_multiprocessor, kind.threads_per_multiprocessor / round_up_to_warps(threads));
  const std::size_t shared = function.kernel->static_shared() + dynamic_shared;
  if (shared > kind.profile.shared_per_block_optin) return 0;
  const std::size_t charged = shared + static_cast<std::size_t>(reserved_shared(device));
  if (charged > 0)
    blocks = static_cast<int>(
        std::min<std::size_t>(static_cast<std::size_t>(blocks), kind.profile.shared_per_multiprocessor / charged));
  return blocks;
}

std::shared_ptr<Function> function_of(CUfunction handle) {
  Driver& state = driver();
  if (auto function = state.functions.find(handle)) return function;
  CUfunction function = nullptr;
  const CUresult result = cuKernelGetFunction(&function, reinterpret_cast<CUkernel>(handle));
  require(result == CUDA_SUCCESS, result);
  auto found = state.functions.find(function);
  require(found != nullptr, CUDA_ERROR_INVALID_HANDLE);
  return found;
}

void allow_dynamic_shared(Function& function, const Device& device, int bytes) {
  const std::size_t optin = device.architecture.profile.shared_per_block_optin;
  const std::size_t fixed = function.kernel->static_shared();
  if (bytes < 0 || static_cast<std::size_t>(bytes) + fixed > optin) {
    report_fault(fmt::format("{} cannot be allowed {} bytes of dynamic shared memory beside {} static ones; a block of "
                             "this device has {} at most",
                             function.kernel->name(), bytes, fixed, optin),
                 true);
    fail(CUDA_ERROR_INVALID_VALUE);
  }
  function.max_dynamic_shared = bytes;
}

int attribute_of(const Function& function, const Device& device, CUfunction_attribute attribute) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      return std::min(function.kernel->max_threads(), device.architecture.profile.threads_per_block);
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      return static_cast<int>(function.kernel->static_shared());
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      return static_cast<int>(function.kernel->local_bytes());
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      return function.code->target_version;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      return device.architecture.profile.major * 10 + device.architecture.profile.minor;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      return function.max_dynamic_shared;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      return function.carveout;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_NUM_REGS:  // PTX has virtual registers only
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
    case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
      return 0;
  }
  fail(CUDA_ERROR_INVALID_VALUE);
}

void set_attribute(Function& function, const Device& device, CUfunction_attribute attribute, int value) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      allow_dynamic_shared(function, device, value);
      return;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      require(value >= -1 && value <= 100);
      function.carveout = value;
      return;
    default:
      fail(CUDA_ERROR_INVALID_VALUE);
  }
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction handle) {
  return entry([&] {
    require(value != nullptr);
    const ContextPtr context = current_context();
    *value = attribute_of(*function_of(handle), context->device, attribute);
  });
}

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value) {
  return entry([&] {
    const ContextPtr context = current_context();
    set_attribute(*function_of(handle), context->device, attribute, value);
  });
}

CUresult cuFuncSetCacheConfig(CUfunction handle, CUfunc_cache config) {
  return entry([&] {
    current_context();
    function_of(handle);
    require(config <= CU_FUNC_CACHE_PREFER_EQUAL);
  });
}

CUresult cuFuncSetSharedMemConfig(CUfunction handle, CUsharedconfig config) {
  return entry([&] {
    current_context();
    function_of(handle);
    require(config <= CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE);
  });
}

CUresult cuFuncGetModule(CUmodule* module, CUfunction handle) {
  return entry([&] {
    require(module != nullptr);
    *module = function_of(handle)->module;
  });
}

CUresult cuFuncGetName(const char** name, CUfunction handle) {
  return entry([&] {
    require(name != nullptr);
    *name = function_of(handle)->kernel->name().c_str();
  });
}

CUresult cuFuncGetParamInfo(CUfunction handle, size_t index, size_t* offset, size_t* bytes) {
  return entry([&] {
    require(offset != nullptr);
    const auto& parameters = function_of(handle)->kernel->parameters();
    require(index < parameters.size());
    *offset = parameters[index].offset;
    if (bytes != nullptr) *bytes = parameters[index].size;
  });
}

CUresult cuFuncIsLoaded(CUfunctionLoadingState* loaded, CUfunction handle) {
  return entry([&] {
    require(loaded != nullptr);
    function_of(handle);
    *loaded = CU_FUNCTION_LOADING_STATE_LOADED;
  });
}

CUresult cuFuncLoad(CUfunction handle) {
  return entry([&] { function_of(handle); });
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function, int threads, size_t shared) {
  return entry([&] { return max_active_blocks(blocks, function, threads, shared, 0); });
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction function, int threads,
                                                              size_t shared, unsigned flags) {
  return entry([&] { return max_active_blocks(blocks, function, threads, shared, flags); });
}

CUresult cuOccupancyMaxPotentialBlockSize(int* grid, int* block, CUfunction function, CUoccupancyB2DSize shared_of,
                                          size_t shared, int limit) {
  return entry([&] { return potential_block_size(grid, block, function, shared_of, shared, limit, 0); });
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int* grid, int* block, CUfunction function,
                                                   CUoccupancyB2DSize shared_of, size_t shared, int limit,
                                                   unsigned flags) {
  return entry([&] { return potential_block_size(grid, block, function, shared_of, shared, limit, flags); });
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t* bytes, CUfunction handle, int blocks, int threads) {
  return entry([&] {
    require(bytes != nullptr && blocks > 0 && threads > 0);
    const auto function = function_of(handle);
    const Device& device = current_context()->device;
    require(blocks <= resident_blocks(*function, device, threads, 0));
    const Profile& profile = device.architecture.profile;
    const std::size_t share = profile.shared_per_multiprocessor / static_cast<std::size_t>(blocks);
    const std::size_t taken = function->kernel->static_shared() + static_cast<std::size_t>(reserved_shared(device));
    const std::size_t most = profile.shared_per_block_optin - function->kernel->static_shared();
    *bytes = std::min(share > taken ? share - taken : 0, most);
  });
}

}  // namespace emulator
