/* Operations: kernels that are ready. Include osdn/osdn.h. */
#ifndef OSDN_C_OPERATION_H
#define OSDN_C_OPERATION_H

#include <stddef.h>
#include <stdint.h>

#include "osdn/c/engine.h"
#include "osdn/c/problem.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct osdn_operation osdn_operation;

/* Compiles (or finds in a cache) and loads the kernels of a problem. configuration: NULL for the default of this
 * device, or text such as `chunk=64,warps=4`. The same problem is compiled once, however many threads ask. */
OSDN_API osdn_status osdn_prepare(osdn_engine* engine, const osdn_problem* problem, const char* configuration,
                                  osdn_operation** operation);
OSDN_API osdn_status osdn_prepare_text(osdn_engine* engine, const char* problem, const char* configuration,
                                       osdn_operation** operation);
OSDN_API void osdn_operation_destroy(osdn_operation* operation);

/* Workspace that a launch at this shape needs: 256-byte aligned, one for each launch in flight, contents of no meaning
 * before and after. Decoding needs none. */
OSDN_API osdn_status osdn_workspace_bytes(const osdn_operation* operation, const osdn_shape* shape, uint64_t* bytes);

OSDN_API osdn_status osdn_operation_problem(const osdn_operation* operation, osdn_problem* problem);
/* NULL for what is not an operation. */
OSDN_API const char* osdn_operation_problem_text(const osdn_operation* operation);
OSDN_API const char* osdn_operation_configuration(const osdn_operation* operation);

typedef struct osdn_kernel {
  size_t struct_size;
  const char* name;   /* entry name */
  const char* phase;  /* "preconditioner", "delta_rule" … */
  const char* arch;   /* what it was compiled for: "sm_80", "sm_90a", "compute_80" */
  const char* source; /* where this prepare found it: "memory", "disk", "compiled" … */
  double compile_ms;  /* NVRTC's time when it was compiled, also for a kernel found in a cache */
  int32_t threads;
  int32_t registers; /* per thread; 0 where unknown */
  uint64_t spill_bytes;
  uint64_t stack_bytes;
  uint64_t static_shared_bytes;
  uint64_t dynamic_shared_bytes;
  uint64_t image_bytes;
} osdn_kernel;

OSDN_API osdn_status osdn_operation_kernels(const osdn_operation* operation, uint64_t* count);
OSDN_API osdn_status osdn_operation_kernel(const osdn_operation* operation, uint64_t index, osdn_kernel* kernel);

#ifdef __cplusplus
}
#endif

#endif
