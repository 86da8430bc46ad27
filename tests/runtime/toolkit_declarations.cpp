// Compiles only where a CUDA toolkit is: our declarations against its headers.
#include <cuda.h>
#include <nvrtc.h>

#include <string_view>
#include <type_traits>

#include "runtime/driver_api.hpp"
#include "runtime/nvrtc_api.hpp"

namespace {

/// What the calling convention sees of a type: pointers are alike, an enumeration is its integer.
template <class T, class = void>
struct Abi {
  using Type = T;
};
template <class T>
struct Abi<T*> {
  using Type = void*;
};
template <class T>
struct Abi<T, std::enable_if_t<std::is_enum_v<T>>> {
  // CUDA's enumerations have no negative values, so compilers give them an unsigned integer; it travels as an int does.
  static_assert(sizeof(T) == sizeof(int));
  using Type = int;
};
template <class Result, class... Arguments>
struct Abi<Result(Arguments...)> {
  using Type = typename Abi<Result>::Type(typename Abi<Arguments>::Type...);
};

template <class Ours, class Theirs>
constexpr bool alike = std::is_same_v<typename Abi<Ours>::Type, typename Abi<Theirs>::Type>;

#define TEXT_OF(name) #name
#define EXPANDED(name) TEXT_OF(name)

namespace driver {
using namespace osdn::runtime::cuda;
using osdn::runtime::cuda::Result;
// The symbol we look up has our signature in cuda.h, and is what cuda.h maps the plain name to.
#define CHECK(member, plain, symbol, parameters)                        \
  static_assert(alike<Result parameters, decltype(::symbol)>, #symbol); \
  static_assert(std::string_view(EXPANDED(plain)) == std::string_view(TEXT_OF(symbol)), #plain);
OSDN_DRIVER_ENTRIES(CHECK)
OSDN_DRIVER_OPTIONAL_ENTRIES(CHECK)
#undef CHECK
// Whatever cuda.h maps the plain name to has our signature, too.
#define CHECK(member, plain, symbol, parameters) static_assert(alike<Result parameters, decltype(::plain)>, #plain);
OSDN_DRIVER_PLAIN_ENTRIES(CHECK)
#undef CHECK
}  // namespace driver

namespace compiler {
using namespace osdn::runtime::nvrtc;
using osdn::runtime::nvrtc::Result;
#define CHECK(member, symbol, type, parameters) static_assert(alike<type parameters, decltype(::symbol)>, #symbol);
OSDN_NVRTC_ENTRIES(CHECK)
#undef CHECK
}  // namespace compiler

namespace cuda = osdn::runtime::cuda;
static_assert(sizeof(cuda::Result) == sizeof(CUresult));
static_assert(sizeof(cuda::Device) == sizeof(CUdevice));
static_assert(sizeof(cuda::DeviceAddress) == sizeof(CUdeviceptr));
static_assert(sizeof(cuda::Context) == sizeof(CUcontext));
static_assert(sizeof(cuda::Stream) == sizeof(CUstream));
static_assert(sizeof(cuda::Event) == sizeof(CUevent));
static_assert(sizeof(cuda::Graph) == sizeof(CUgraph));
static_assert(sizeof(cuda::GraphExec) == sizeof(CUgraphExec));
static_assert(cuda::success == CUDA_SUCCESS);
static_assert(cuda::error_invalid_value == CUDA_ERROR_INVALID_VALUE);
static_assert(cuda::error_not_found == CUDA_ERROR_NOT_FOUND);
static_assert(cuda::error_stream_capture_implicit == CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
static_assert(cuda::error_out_of_memory == CUDA_ERROR_OUT_OF_MEMORY);
static_assert(cuda::error_no_device == CUDA_ERROR_NO_DEVICE);
static_assert(cuda::error_invalid_device == CUDA_ERROR_INVALID_DEVICE);
static_assert(cuda::error_invalid_context == CUDA_ERROR_INVALID_CONTEXT);
static_assert(cuda::error_invalid_image == CUDA_ERROR_INVALID_IMAGE);
static_assert(cuda::error_no_binary_for_gpu == CUDA_ERROR_NO_BINARY_FOR_GPU);
static_assert(cuda::error_invalid_ptx == CUDA_ERROR_INVALID_PTX);
static_assert(cuda::error_jit_compiler_not_found == CUDA_ERROR_JIT_COMPILER_NOT_FOUND);
static_assert(cuda::error_unsupported_ptx_version == CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
static_assert(cuda::error_jit_compilation_disabled == CUDA_ERROR_JIT_COMPILATION_DISABLED);
static_assert(cuda::error_invalid_source == CUDA_ERROR_INVALID_SOURCE);
static_assert(cuda::error_not_found == CUDA_ERROR_NOT_FOUND);
static_assert(cuda::error_not_supported == CUDA_ERROR_NOT_SUPPORTED);
static_assert(cuda::attribute_max_shared_memory_per_block == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
static_assert(cuda::attribute_multiprocessor_count == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
static_assert(cuda::attribute_compute_capability_major == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(cuda::attribute_compute_capability_minor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(cuda::attribute_max_shared_memory_per_multiprocessor ==
              CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
static_assert(cuda::attribute_max_shared_memory_per_block_optin ==
              CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(cuda::function_shared_size_bytes == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
static_assert(cuda::function_local_size_bytes == CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
static_assert(cuda::function_registers == CU_FUNC_ATTRIBUTE_NUM_REGS);
static_assert(cuda::function_max_dynamic_shared_size_bytes == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(cuda::pointer_attribute_memory_type == CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
static_assert(cuda::memory_type_host == CU_MEMORYTYPE_HOST);
static_assert(cuda::capture_status_none == CU_STREAM_CAPTURE_STATUS_NONE);
static_assert(cuda::capture_mode_thread_local == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
static_assert(cuda::stream_non_blocking == CU_STREAM_NON_BLOCKING);
static_assert(cuda::event_default == CU_EVENT_DEFAULT);
static_assert(cuda::jit_error_log_buffer == CU_JIT_ERROR_LOG_BUFFER);
static_assert(cuda::jit_error_log_buffer_size_bytes == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);

namespace nvrtc = osdn::runtime::nvrtc;
static_assert(sizeof(nvrtc::Result) == sizeof(nvrtcResult));
static_assert(sizeof(nvrtc::Program) == sizeof(nvrtcProgram));
static_assert(nvrtc::success == NVRTC_SUCCESS);
static_assert(nvrtc::error_out_of_memory == NVRTC_ERROR_OUT_OF_MEMORY);
static_assert(nvrtc::error_invalid_option == NVRTC_ERROR_INVALID_OPTION);
static_assert(nvrtc::error_compilation == NVRTC_ERROR_COMPILATION);
static_assert(nvrtc::error_builtin_operation_failure == NVRTC_ERROR_BUILTIN_OPERATION_FAILURE);

}  // namespace
