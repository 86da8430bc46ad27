// NVRTC as far as this library uses it: types, constants and entry signatures, declared once. No toolkit header is ever
// included; tests/runtime/declarations compares all of this with a toolkit's nvrtc.h where there is one.
#pragma once

#include <cstddef>

namespace osdn::runtime::nvrtc {

using Result = int;                  // nvrtcResult
using Program = struct ProgramTag*;  // nvrtcProgram

inline constexpr Result success = 0;
inline constexpr Result error_out_of_memory = 1;
inline constexpr Result error_invalid_option = 5;
inline constexpr Result error_compilation = 6;
inline constexpr Result error_builtin_operation_failure = 7;

}  // namespace osdn::runtime::nvrtc

// X(member, symbol, return type, parameters)
#define OSDN_NVRTC_ENTRIES(X)                                                                                      \
  X(get_version, nvrtcVersion, Result, (int* major, int* minor))                                                   \
  X(get_error_string, nvrtcGetErrorString, const char*, (Result result))                                           \
  X(get_num_supported_archs, nvrtcGetNumSupportedArchs, Result, (int* count))                                      \
  X(get_supported_archs, nvrtcGetSupportedArchs, Result, (int* archs))                                             \
  X(create_program, nvrtcCreateProgram, Result,                                                                    \
    (Program * program, const char* source, const char* name, int header_count, const char* const* headers,        \
     const char* const* include_names))                                                                            \
  X(destroy_program, nvrtcDestroyProgram, Result, (Program * program))                                             \
  X(compile_program, nvrtcCompileProgram, Result, (Program program, int option_count, const char* const* options)) \
  X(get_log_size, nvrtcGetProgramLogSize, Result, (Program program, std::size_t * bytes))                          \
  X(get_log, nvrtcGetProgramLog, Result, (Program program, char* log))                                             \
  X(get_ptx_size, nvrtcGetPTXSize, Result, (Program program, std::size_t * bytes))                                 \
  X(get_ptx, nvrtcGetPTX, Result, (Program program, char* ptx))                                                    \
  X(get_cubin_size, nvrtcGetCUBINSize, Result, (Program program, std::size_t * bytes))                             \
  X(get_cubin, nvrtcGetCUBIN, Result, (Program program, char* cubin))
