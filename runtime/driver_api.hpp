// The CUDA driver as far as this library uses it: types, constants and entry signatures, declared once. No toolkit
// header is ever included; tests/runtime/declarations compares all of this with a toolkit's cuda.h where there is one.
#pragma once

#include <cstddef>

namespace osdn::runtime::cuda {

using Result = int;                        // CUresult
using Device = int;                        // CUdevice
using DeviceAddress = unsigned long long;  // CUdeviceptr
using Context = struct ContextTag*;        // CUcontext
using Module = struct ModuleTag*;          // CUmodule
using Function = struct FunctionTag*;      // CUfunction
using Stream = struct StreamTag*;          // CUstream
using Event = struct EventTag*;            // CUevent
using Graph = struct GraphTag*;            // CUgraph
using GraphExec = struct GraphExecTag*;    // CUgraphExec

inline constexpr Result success = 0;
inline constexpr Result error_invalid_value = 1;
inline constexpr Result error_out_of_memory = 2;
inline constexpr Result error_not_initialized = 3;
inline constexpr Result error_no_device = 100;
inline constexpr Result error_invalid_device = 101;
inline constexpr Result error_invalid_image = 200;
inline constexpr Result error_invalid_context = 201;
inline constexpr Result error_no_binary_for_gpu = 209;
inline constexpr Result error_invalid_ptx = 218;
inline constexpr Result error_jit_compiler_not_found = 221;
inline constexpr Result error_unsupported_ptx_version = 222;
inline constexpr Result error_jit_compilation_disabled = 223;
inline constexpr Result error_invalid_source = 300;
inline constexpr Result error_not_found = 500;
inline constexpr Result error_not_supported = 801;
inline constexpr Result error_stream_capture_implicit = 906;

/// Of loading a module: this very code cannot be loaded, other code of the same kernel perhaps can. What says nothing
/// of the code (no memory, a context that a fault took down) is not among them.
[[nodiscard]] constexpr bool refuses_code(Result result) {
  return result == error_invalid_image || result == error_no_binary_for_gpu || result == error_invalid_ptx ||
         result == error_jit_compiler_not_found || result == error_unsupported_ptx_version ||
         result == error_jit_compilation_disabled || result == error_invalid_source || result == error_not_found ||
         result == error_not_supported;
}

// CUdevice_attribute
inline constexpr int attribute_max_shared_memory_per_block = 8;
inline constexpr int attribute_multiprocessor_count = 16;
inline constexpr int attribute_memory_clock_rate = 36;  // kHz
inline constexpr int attribute_l2_cache_size = 38;
inline constexpr int attribute_compute_capability_major = 75;
inline constexpr int attribute_compute_capability_minor = 76;
inline constexpr int attribute_max_shared_memory_per_multiprocessor = 81;
inline constexpr int attribute_max_shared_memory_per_block_optin = 97;

// CUfunction_attribute
inline constexpr int function_shared_size_bytes = 1;
inline constexpr int function_local_size_bytes = 3;
inline constexpr int function_registers = 4;
inline constexpr int function_max_dynamic_shared_size_bytes = 8;

// CUpointer_attribute
inline constexpr int pointer_attribute_memory_type = 2;
inline constexpr int pointer_attribute_is_managed = 8;
inline constexpr int pointer_attribute_device_ordinal = 9;

inline constexpr int memory_type_host = 1;  // CUmemorytype

// CUstreamCaptureStatus
inline constexpr int capture_status_none = 0;

inline constexpr int capture_mode_thread_local = 1;     // CUstreamCaptureMode
inline constexpr unsigned int stream_non_blocking = 1;  // CUstream_flags
inline constexpr unsigned int event_default = 0;        // CUevent_flags

// CUjit_option
inline constexpr int jit_error_log_buffer = 5;
inline constexpr int jit_error_log_buffer_size_bytes = 6;

struct TensorMap;  // CUtensorMap

inline constexpr int tensor_map_float16 = 6;  // CUtensorMapDataType
inline constexpr int tensor_map_bfloat16 = 9;
inline constexpr int tensor_map_interleave_none = 0;
inline constexpr int tensor_map_swizzle_128 = 3;
inline constexpr int tensor_map_promote_256 = 3;  // CUtensorMapL2promotion
inline constexpr int tensor_map_fill_zeros = 0;   // CUtensorMapFloatOOBfill

}  // namespace osdn::runtime::cuda

// X(member, name as written in a CUDA program, symbol that cuda.h maps it to, parameters). The symbol is what is looked
// up: where the two differ, the plain name is an older ABI on a real driver.
#define OSDN_DRIVER_ENTRIES(X)                                                                                      \
  X(init, cuInit, cuInit, (unsigned int flags))                                                                     \
  X(driver_get_version, cuDriverGetVersion, cuDriverGetVersion, (int* version))                                     \
  X(get_error_name, cuGetErrorName, cuGetErrorName, (Result error, const char** text))                              \
  X(get_error_string, cuGetErrorString, cuGetErrorString, (Result error, const char** text))                        \
  X(device_get_count, cuDeviceGetCount, cuDeviceGetCount, (int* count))                                             \
  X(device_get, cuDeviceGet, cuDeviceGet, (Device * device, int ordinal))                                           \
  X(device_get_name, cuDeviceGetName, cuDeviceGetName, (char* name, int length, Device device))                     \
  X(device_get_attribute, cuDeviceGetAttribute, cuDeviceGetAttribute, (int* value, int attribute, Device device))   \
  X(device_get_pci_bus_id, cuDeviceGetPCIBusId, cuDeviceGetPCIBusId, (char* text, int length, Device device))       \
  X(device_total_mem, cuDeviceTotalMem, cuDeviceTotalMem_v2, (std::size_t * bytes, Device device))                  \
  X(primary_context_retain, cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (Context * context, Device device)) \
  X(primary_context_release, cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, (Device device))              \
  X(context_get_current, cuCtxGetCurrent, cuCtxGetCurrent, (Context * context))                                     \
  X(context_get_device, cuCtxGetDevice, cuCtxGetDevice, (Device * device))                                          \
  X(context_push, cuCtxPushCurrent, cuCtxPushCurrent_v2, (Context context))                                         \
  X(context_pop, cuCtxPopCurrent, cuCtxPopCurrent_v2, (Context * context))                                          \
  X(context_synchronize, cuCtxSynchronize, cuCtxSynchronize, ())                                                    \
  X(module_load, cuModuleLoadDataEx, cuModuleLoadDataEx,                                                            \
    (Module * module, const void* image, unsigned int count, int* options, void** values))                          \
  X(module_unload, cuModuleUnload, cuModuleUnload, (Module module))                                                 \
  X(module_get_function, cuModuleGetFunction, cuModuleGetFunction,                                                  \
    (Function * function, Module module, const char* name))                                                         \
  X(function_get_attribute, cuFuncGetAttribute, cuFuncGetAttribute, (int* value, int attribute, Function function)) \
  X(function_set_attribute, cuFuncSetAttribute, cuFuncSetAttribute, (Function function, int attribute, int value))  \
  X(launch_kernel, cuLaunchKernel, cuLaunchKernel,                                                                  \
    (Function function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int block_x,        \
     unsigned int block_y, unsigned int block_z, unsigned int shared_bytes, Stream stream, void** parameters,       \
     void** extra))                                                                                                 \
  X(memory_allocate, cuMemAlloc, cuMemAlloc_v2, (DeviceAddress * address, std::size_t bytes))                       \
  X(memory_free, cuMemFree, cuMemFree_v2, (DeviceAddress address))                                                  \
  X(copy_to_device, cuMemcpyHtoD, cuMemcpyHtoD_v2, (DeviceAddress to, const void* from, std::size_t bytes))         \
  X(copy_to_host, cuMemcpyDtoH, cuMemcpyDtoH_v2, (void* to, DeviceAddress from, std::size_t bytes))                 \
  X(memory_get_address_range, cuMemGetAddressRange, cuMemGetAddressRange_v2,                                        \
    (DeviceAddress * base, std::size_t * bytes, DeviceAddress address))                                             \
  X(pointer_get_attribute, cuPointerGetAttribute, cuPointerGetAttribute,                                            \
    (void* value, int attribute, DeviceAddress address))                                                            \
  X(stream_synchronize, cuStreamSynchronize, cuStreamSynchronize, (Stream stream))                                  \
  X(stream_is_capturing, cuStreamIsCapturing, cuStreamIsCapturing, (Stream stream, int* status))                    \
  X(memory_get_info, cuMemGetInfo, cuMemGetInfo_v2, (std::size_t * free, std::size_t * total))                      \
  X(copy_on_device, cuMemcpyDtoD, cuMemcpyDtoD_v2, (DeviceAddress to, DeviceAddress from, std::size_t bytes))       \
  X(copy_on_device_async, cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2,                                                  \
    (DeviceAddress to, DeviceAddress from, std::size_t bytes, Stream stream))                                       \
  X(fill_words_async, cuMemsetD32Async, cuMemsetD32Async,                                                           \
    (DeviceAddress to, unsigned int word, std::size_t count, Stream stream))                                        \
  X(stream_create, cuStreamCreate, cuStreamCreate, (Stream * stream, unsigned int flags))                           \
  X(stream_destroy, cuStreamDestroy, cuStreamDestroy_v2, (Stream stream))                                           \
  X(stream_begin_capture, cuStreamBeginCapture, cuStreamBeginCapture_v2, (Stream stream, int mode))                 \
  X(stream_end_capture, cuStreamEndCapture, cuStreamEndCapture, (Stream stream, Graph * graph))                     \
  X(event_create, cuEventCreate, cuEventCreate, (Event * event, unsigned int flags))                                \
  X(event_destroy, cuEventDestroy, cuEventDestroy_v2, (Event event))                                                \
  X(event_record, cuEventRecord, cuEventRecord, (Event event, Stream stream))                                       \
  X(event_synchronize, cuEventSynchronize, cuEventSynchronize, (Event event))                                       \
  X(graph_instantiate, cuGraphInstantiate, cuGraphInstantiateWithFlags,                                             \
    (GraphExec * executable, Graph graph, unsigned long long flags))                                                \
  X(graph_launch, cuGraphLaunch, cuGraphLaunch, (GraphExec executable, Stream stream))                              \
  X(graph_destroy, cuGraphDestroy, cuGraphDestroy, (Graph graph))                                                   \
  X(graph_exec_destroy, cuGraphExecDestroy, cuGraphExecDestroy, (GraphExec executable))

// Likewise, but looked up by the plain name where a newer cuda.h maps it to another: drivers before 12.8 have no
// cuEventElapsedTime_v2, and its parameters are the same.
#define OSDN_DRIVER_PLAIN_ENTRIES(X) \
  X(event_elapsed_time, cuEventElapsedTime, cuEventElapsedTime, (float* milliseconds, Event start, Event end))

// Likewise, but null where the driver has none: what needs them says so.
#define OSDN_DRIVER_OPTIONAL_ENTRIES(X)                                                                               \
  X(tensor_map_encode_tiled, cuTensorMapEncodeTiled, cuTensorMapEncodeTiled,                                          \
    (TensorMap * map, int type, unsigned int rank, void* address, const unsigned long long* dimensions,               \
     const unsigned long long* strides, const unsigned int* box, const unsigned int* element_strides, int interleave, \
     int swizzle, int promotion, int fill))
