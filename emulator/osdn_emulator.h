/* What libosdn_emulator.so offers beside the CUDA Driver API that it exports.
 *
 * A program needs none of this: it loads libosdn_emulator.so in place of libcuda.so.1 and calls the driver as ever.
 * These entries tell what only an emulator knows. Look them up with dlsym, or link the library and include this header.
 * All of them may be called from any thread. Plain C11. */
#ifndef OSDN_EMULATOR_H_
#define OSDN_EMULATOR_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0". */
const char* osdn_emulator_version(void);

/* The text of the newest fault of any context: the kernel, block, thread, PTX line and instruction, and what happened;
 * or why a module was refused. Empty when there was none. Copies at most size bytes with the final NUL and returns the
 * length of the whole text without it, like snprintf. buffer may be NULL when size is 0. */
size_t osdn_emulator_last_fault(char* buffer, size_t size);

/* What launches did since the last reset, summed. struct_size is set by the caller to sizeof(osdn_emulator_counts):
 * a newer library writes only the members that the caller's struct has. */
typedef struct osdn_emulator_counts {
  size_t struct_size;
  uint64_t launches;
  uint64_t blocks;
  uint64_t warp_instructions;
  uint64_t thread_instructions;
  uint64_t global_load_bytes;
  uint64_t global_store_bytes;
  uint64_t shared_load_bytes;
  uint64_t shared_store_bytes;
  uint64_t async_copy_bytes;
  uint64_t tensor_flops;
} osdn_emulator_counts;

/* kernel names an entry; NULL sums over all kernels. Waits for nothing: synchronise first. Returns 0 (CUDA_SUCCESS), 1
 * for a NULL or too small struct, 500 (CUDA_ERROR_NOT_FOUND) when no launch of that name was counted. */
int osdn_emulator_statistics(const char* kernel, osdn_emulator_counts* counts);

/* The same and the warp instructions by opcode family, for every kernel, as one JSON object:
 * {"kernels": {"<name>": {"launches": 1, …, "warp_instructions_by_kind": {"fma": 12, …}}}, "total": {…}}.
 * Copies and returns as osdn_emulator_last_fault does. */
size_t osdn_emulator_statistics_json(char* buffer, size_t size);

/* Also forgets what was measured. */
void osdn_emulator_reset_statistics(void);

/* Measures the launches that follow: what they do to memory, banks, branches and barriers, line by line, and how long a
 * real device of this architecture might take by a model (docs/emulator-model.md). They run slower and compute the same.
 * Of the first trace_blocks blocks of each launch it keeps what the warps did over modelled time; 0: no trace. on = 0 ends
 * it; what was measured stays until osdn_emulator_reset_statistics. May be called before cuInit. */
void osdn_emulator_set_measure(int on, unsigned trace_blocks);

/* Registers of a thread of this kernel, as ptxas reports them: the model cannot see them in PTX and estimates them else. */
void osdn_emulator_set_registers(const char* kernel, int registers);

/* What was measured, of one kernel (NULL: of all), as one JSON object:
 * {"kernels": {"<name>": {"launches": 1, "modelled_as": "sm_80", "counters": {"bank_conflicts": 0, …},
 *   "modelled": {"seconds": 1.2e-5, "bound_by": "latency", …}}}}
 * and with lines != 0 in each kernel also
 *   "lines": [{"file": "a.cu", "line": 7, "own": {…}, "inclusive": {…}}], by source line when the PTX was compiled with
 *   -lineinfo ("inclusive" counts functions inlined at that line as well), and
 *   "instructions": [{"ptx_line": 12, "text": "add.s32 …", "file": "a.cu", "line": 7, "counters": {…}}].
 * Counters that are 0 are left out of lines and instructions. Copies and returns as osdn_emulator_last_fault does. */
size_t osdn_emulator_profile_json(const char* kernel, int lines, char* buffer, size_t size);

/* The trace, in the JSON format that chrome://tracing and Perfetto open: blocks are processes, warps are threads, over
 * modelled time. At most a million slices. Copies and returns as osdn_emulator_last_fault does. */
size_t osdn_emulator_trace_json(char* buffer, size_t size);

/* Seeds the order of blocks, warps and independent streams for the launches that follow. Before cuInit it takes the place
 * of OSDN_EMULATOR_SEED. */
void osdn_emulator_set_seed(uint64_t seed);

/* Whether the launches that follow err where the PTX ISA manual lets them: approximate functions anywhere within their
 * stated error, mma with its additions reordered and cut off as tensor cores do. How is a pure function of the seed and of
 * the operands. Before cuInit it takes the place of OSDN_EMULATOR_PERTURB. */
void osdn_emulator_set_perturb(int on);

/* Makes every device an "sm_90" (or another that OSDN_EMULATOR_ARCH takes). Returns 0; 1 for an unknown architecture; 708
 * (CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE) while a context exists. Before cuInit it takes the place of OSDN_EMULATOR_ARCH. */
int osdn_emulator_set_profile(const char* architecture);

#ifdef __cplusplus
}
#endif

#endif /* OSDN_EMULATOR_H_ */
