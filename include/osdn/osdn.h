/* The C ABI of osdn: C11, and C++. docs/c-abi.md has its rules; in short:
 *
 * - A function that can fail returns an osdn_status. When it is not OSDN_OK, osdn_last_error() has the message, for
 * this thread, until its next failure. Nothing is thrown through; no function exits or aborts.
 * - Every struct begins with struct_size. Initialise it with its _init function, which gives every field its default,
 *   then set what differs. A library that is newer than its caller takes the defaults for fields that the caller does
 *   not know; one that is older refuses a struct whose unknown fields are not zero. What the library fills is filled as
 *   far as struct_size says.
 * - Text is UTF-8 and ends with 0. Text that the library returns belongs to the handle that it was asked of and lives
 * as long; text that it is given is copied.
 * - Handles may be used by several threads at once, and destroyed by one. An operation keeps what it needs of its
 * engine alive, a tuner its engine; NULL may be destroyed.
 * - Device addresses are CUdeviceptr values (uint64_t); 0 is "not given". Streams are CUstream values; NULL is the
 * legacy default stream. */
#ifndef OSDN_OSDN_H
#define OSDN_OSDN_H

#include <stddef.h>
#include <stdint.h>

#include "osdn/export.h"

#define OSDN_VERSION_MAJOR 0
#define OSDN_VERSION_MINOR 1
#define OSDN_VERSION_PATCH 0
#define OSDN_VERSION (OSDN_VERSION_MAJOR * 10000 + OSDN_VERSION_MINOR * 100 + OSDN_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/* ---- versions and errors ----------------------------------------------------------------------------------------- */

/* Of the library that is loaded, as OSDN_VERSION and as "0.1.0". */
OSDN_API int32_t osdn_version(void);
OSDN_API const char* osdn_version_text(void);

typedef int32_t osdn_status;
enum {
  OSDN_OK = 0,
  OSDN_INVALID_ARGUMENT = 1,  /* an argument, option or field has a value outside what is allowed */
  OSDN_UNSUPPORTED = 2,       /* legal, but this library, build or architecture does not do it */
  OSDN_CONSTRAINT = 3,        /* a configuration breaks a constraint of the device or of the kernels */
  OSDN_LIBRARY_NOT_FOUND = 4, /* no CUDA driver or NVRTC could be loaded; the context names every place tried */
  OSDN_NO_DEVICE = 5,         /* a driver, but no device to use */
  OSDN_COMPILE_FAILED = 6,    /* NVRTC refused the source; the context has log, options and source */
  OSDN_DRIVER = 7,            /* the CUDA driver returned an error; the message has its name */
  OSDN_OUT_OF_MEMORY = 8,     /* host or device memory is exhausted */
  OSDN_IO = 9,                /* a file could not be read or written */
  OSDN_CORRUPT = 10,          /* a file's content is not what its format allows */
  OSDN_NOT_PREPARED = 11,     /* nothing is at hand and it may not be made now (a stream is capturing) */
  OSDN_INTERNAL = 12          /* a defect of this library */
};

/* "OSDN_INVALID_ARGUMENT"; "unknown status" for other numbers. */
OSDN_API const char* osdn_status_name(osdn_status status);

/* This thread's last failure: one line that says what is wrong, what it was, what is allowed and what to do; "" when
 * there was none. The context has further lines (a compile log, places tried …) and may be "". Both live until the
 * thread's next failure. A call that succeeds leaves them as they are. */
OSDN_API const char* osdn_last_error(void);
OSDN_API const char* osdn_last_error_context(void);
OSDN_API osdn_status osdn_last_error_status(void);
OSDN_API void osdn_clear_error(void);

/* ---- what is computed -------------------------------------------------------------------------------------------- */

enum { OSDN_OPERATION_FORWARD = 0, OSDN_OPERATION_DECODE = 1 };
enum { OSDN_TYPE_BF16 = 0, OSDN_TYPE_FP16 = 1, OSDN_TYPE_FP32 = 2 };
enum { OSDN_MATH_TF32 = 0, OSDN_MATH_TF32X3 = 1 };
enum { OSDN_PRECONDITION_NONE = 0, OSDN_PRECONDITION_OSDN = 1 };
enum {
  OSDN_APF_NONE = 0,
  OSDN_APF_CONSTANT = 1,
  OSDN_APF_PER_HEAD = 2,
  OSDN_APF_PER_TOKEN = 3,
  OSDN_APF_PER_CHANNEL = 4
};
enum { OSDN_NORM_MAX = 0, OSDN_NORM_ADD = 1, OSDN_NORM_ONE = 2 };
enum { OSDN_BETA_FP32 = 0, OSDN_BETA_ELEMENT = 1 };
enum { OSDN_STATE_FP32 = 0, OSDN_STATE_BF16 = 1 };
enum { OSDN_DECAY_NONE = 0, OSDN_DECAY_SCALAR = 1, OSDN_DECAY_VECTOR = 2 };
enum { OSDN_ERASE_NONE = 0, OSDN_ERASE_BETA = 1, OSDN_ERASE_VECTOR = 2 };
enum { OSDN_VALUE_ONE = 0, OSDN_VALUE_BETA = 1, OSDN_VALUE_VECTOR = 2 };

/* All that changes the generated code: osdn/problem.hpp and osdn/axes.hpp say what each field means. */
typedef struct osdn_problem {
  size_t struct_size;
  int32_t operation;    /* OSDN_OPERATION_… */
  int32_t type;         /* OSDN_TYPE_…: of q, k, v and o */
  int32_t k;            /* key head dimension: a multiple of 16 from 16 to 256 */
  int32_t v;            /* value head dimension: likewise */
  int32_t precondition; /* OSDN_PRECONDITION_… */
  int32_t apf;          /* OSDN_APF_… */
  int32_t norm;         /* OSDN_NORM_… */
  int32_t beta_aware;   /* 0 or 1 */
  int32_t qk_l2norm;    /* 0 or 1 */
  int32_t beta_type;    /* OSDN_BETA_… */
  int32_t math;         /* OSDN_MATH_… */
  int32_t state_type;   /* OSDN_STATE_…: of a decoding step's states */
  int32_t decay;        /* OSDN_DECAY_… */
  int32_t erase;        /* OSDN_ERASE_… */
  int32_t value;        /* OSDN_VALUE_… */
  int32_t micro_steps;
} osdn_problem;

OSDN_API osdn_status osdn_problem_init(osdn_problem* problem, size_t struct_size);
/* From `osdn_forward:type=bf16,k=128,…`; fields that the text does not name get their defaults. */
OSDN_API osdn_status osdn_problem_parse(const char* text, osdn_problem* problem);
/* The canonical text, cut to `capacity` bytes with its 0; *needed (may be NULL) is what all of it takes. */
OSDN_API osdn_status osdn_problem_text(const osdn_problem* problem, char* text, size_t capacity, size_t* needed);

/* Sizes known only at run time. */
typedef struct osdn_shape {
  size_t struct_size;
  int64_t b;  /* batch; 1 for packed sequences */
  int64_t t;  /* tokens of a batch entry; of a packed batch, of all sequences together */
  int64_t h;  /* heads of q and k */
  int64_t hv; /* heads of v and o, a multiple of h; 0: h */
  int64_t n;  /* packed sequences; 0: not packed */
} osdn_shape;

OSDN_API osdn_status osdn_shape_init(osdn_shape* shape, size_t struct_size);

/* ---- engine ------------------------------------------------------------------------------------------------------ */

typedef struct osdn_engine osdn_engine;
typedef struct osdn_operation osdn_operation;
typedef struct osdn_tuner osdn_tuner;

enum { OSDN_LOG_DEBUG = 0, OSDN_LOG_INFO = 1, OSDN_LOG_WARNING = 2 };

enum {
  OSDN_TRACE_COMPILE = 0, /* NVRTC compiled a kernel */
  OSDN_TRACE_FIND = 1,    /* a kernel was found in a cache below memory; source says in which */
  OSDN_TRACE_LOAD = 2,    /* a kernel was loaded into the device's context */
  OSDN_TRACE_PREPARE = 3, /* a problem's kernels were made ready */
  OSDN_TRACE_CHOOSE = 4,  /* a tuner chose a configuration for a problem and a bucket of shapes */
  OSDN_TRACE_TUNE = 5     /* a tuner searched */
};

typedef struct osdn_trace_event {
  size_t struct_size;
  int32_t kind;        /* OSDN_TRACE_… */
  int32_t failed;      /* 1: it did not come about */
  double seconds;      /* that it took */
  const char* subject; /* the kernel's entry, or the problem's text */
  const char* detail;  /* architecture, configuration, source; "" */
} osdn_trace_event;

/* Host callbacks get `user` back, may come from any thread and from several at once, and must not call into the library
 * nor throw nor jump out. Each may be NULL. */
typedef struct osdn_engine_options {
  size_t struct_size;
  int32_t device;
  int32_t disk_cache;      /* default 1 */
  int32_t validate;        /* 1: check pointers, ranges and cu_seqlens at every launch; synchronises. For debugging */
  int32_t compile_threads; /* 0: one per core */
  const char* driver_library;  /* NULL: $OSDN_CUDA_LIBRARY, then libcuda.so.1. libosdn_emulator.so: without a GPU */
  const char* nvrtc_library;   /* NULL: $OSDN_NVRTC_LIBRARY, then the usual places */
  const char* cache_directory; /* NULL: $OSDN_CACHE_DIR, else $XDG_CACHE_HOME/osdn, else ~/.cache/osdn */
  void* user;
  /* NULL: warnings go to stderr. */
  void (*log)(void* user, int32_t level, const char* text);
  /* Device memory for all that the library itself allocates, which is only what osdn_allocate hands out: launches take
   * workspace that the caller has. 0 with *address, 256-byte aligned, or anything else for "there is none". Both or
   * neither. */
  int32_t (*allocate)(void* user, uint64_t bytes, uint64_t* address);
  void (*free)(void* user, uint64_t address, uint64_t bytes);
  /* Compiled kernels, looked up before and stored beside the library's own caches. Keys are 32 hexadecimal digits; what
   * is loaded is verified. load: calls give(sink, data, bytes) once when it has the entry. */
  void (*cache_load)(void* user, const char* key, void (*give)(void* sink, const void* data, size_t bytes), void* sink);
  void (*cache_store)(void* user, const char* key, const void* data, size_t bytes);
  void (*trace)(void* user, const osdn_trace_event* event);
  const char* const* packs; /* files that `osdn pack` wrote, looked at in this order; NULL: $OSDN_PACKS, split at ':' */
  uint64_t pack_count;
} osdn_engine_options;

OSDN_API osdn_status osdn_engine_options_init(osdn_engine_options* options, size_t struct_size);

/* Loads the driver and finds the device. Lives in the context that is current on this thread when it is one of this
 * device, else in the device's primary context. options: NULL for all defaults. */
OSDN_API osdn_status osdn_engine_create(const osdn_engine_options* options, osdn_engine** engine);
OSDN_API void osdn_engine_destroy(osdn_engine* engine);

typedef struct osdn_device {
  size_t struct_size;
  const char* name;
  const char* pci_bus_id;     /* "" where the driver does not say */
  const char* driver_library; /* path or soname that was loaded */
  const char* nvrtc_library;  /* "" when none was found */
  int32_t emulated;           /* 1: a software device; results are real, times are not */
  int32_t ordinal;
  int32_t arch; /* compute capability as one number: 80, 90, 120 … */
  int32_t multiprocessors;
  int32_t driver_version; /* 12040 is 12.4 */
  int32_t nvrtc_version;  /* likewise; 0 when none was found */
  int32_t memory_clock_mhz;
  int32_t reserved;
  uint64_t shared_per_block; /* bytes a CTA may have */
  uint64_t memory_bytes;
  uint64_t l2_bytes;
} osdn_device;

OSDN_API osdn_status osdn_engine_device(const osdn_engine* engine, osdn_device* device);

/* Since the engine was made. */
typedef struct osdn_counters {
  size_t struct_size;
  uint64_t memory_hits;     /* kernels that were loaded already */
  uint64_t disk_hits;       /* kernels found in the user's cache directory */
  uint64_t compilations;    /* kernels compiled */
  uint64_t rejected;        /* cache entries found corrupt, truncated or of another key */
  uint64_t write_failures;  /* cache entries that could not be written */
  uint64_t host_hits;       /* kernels that cache_load had */
  uint64_t pack_hits;       /* kernels found in a pack */
  uint64_t prepared;        /* operations handed out */
  uint64_t launches;        /* launches that were enqueued, of the engine's operations */
  uint64_t allocated_bytes; /* held by osdn_allocate now */
} osdn_counters;

OSDN_API osdn_status osdn_engine_counters(osdn_engine* engine, osdn_counters* counters);

/* Device memory, copies and waiting, for hosts without means of their own. Copies return when they are done. */
OSDN_API osdn_status osdn_allocate(osdn_engine* engine, uint64_t bytes, uint64_t* address);
OSDN_API osdn_status osdn_free(osdn_engine* engine, uint64_t address);
OSDN_API osdn_status osdn_upload(osdn_engine* engine, uint64_t to, const void* from, uint64_t bytes);
OSDN_API osdn_status osdn_download(osdn_engine* engine, void* to, uint64_t from, uint64_t bytes);
OSDN_API osdn_status osdn_synchronize(osdn_engine* engine, void* stream);

/* ---- operations -------------------------------------------------------------------------------------------------- */

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

/* ---- launches ---------------------------------------------------------------------------------------------------- */

/* Elements from one batch entry, token or head to the next; the features have stride 1. 0: as dense as it can be, given
 * the others. osdn/arguments.hpp */
typedef struct osdn_strides {
  int64_t batch;
  int64_t token;
  int64_t head;
} osdn_strides;

/* Tensors are row-major in the order given, and dense but where they have strides. */
typedef struct osdn_forward_arguments {
  size_t struct_size;
  int64_t b, t, h, hv, n; /* osdn_shape */
  float eta;              /* osdn/hyperparameters.hpp */
  float d_min;
  float d_max;
  float norm_eps;
  float anchor;
  float log_gamma_constant; /* of OSDN_APF_CONSTANT */
  float scale;              /* factor of o; 0: 1/sqrt(K) */
  int32_t cu_seqlens_bits;  /* 64 or 32 */
  uint64_t q;               /* [B,T,H,K] element type */
  uint64_t k;               /* [B,T,H,K] element type */
  uint64_t v;               /* [B,T,HV,V] element type */
  uint64_t beta;            /* [B,T,HV] fp32 or element type, as beta_type says */
  uint64_t log_gamma;       /* fp32, at most 0: [HV], [B,T,HV] or [B,T,HV,K], as apf says */
  uint64_t initial_state;   /* [N,HV,K,V] fp32; 0: zeros */
  uint64_t initial_d;       /* [N,HV,K] fp32; 0: ones; must be 0 without a preconditioner */
  uint64_t cu_seqlens;      /* [N+1], on the device; given exactly when n > 0 */
  uint64_t o;               /* [B,T,HV,V] element type; every element is written */
  uint64_t final_state;     /* [N,HV,K,V] fp32; 0: not wanted; may be initial_state */
  uint64_t final_d;         /* [N,HV,K] fp32; 0: not wanted; may be initial_d */
  uint64_t workspace;
  uint64_t workspace_bytes;
  osdn_strides q_strides, k_strides, v_strides, o_strides, beta_strides, log_gamma_strides;
  int64_t checkpoint_every;  /* state and d after every so many tokens of a sequence; 0: none */
  uint64_t checkpoint_state; /* [B*T/every,HV,K,V] fp32; 0: not wanted */
  uint64_t checkpoint_d;     /* [B*T/every,HV,K] fp32; 0: not wanted */
} osdn_forward_arguments;

/* One decoding step: osdn/arguments.hpp says what each field means. */
typedef struct osdn_decode_arguments {
  size_t struct_size;
  int64_t b, t, h, hv, n;
  float eta;
  float d_min;
  float d_max;
  float norm_eps;
  float anchor;
  float log_gamma_constant;
  float scale;
  int32_t cu_seqlens_bits;
  uint64_t q;
  uint64_t k;
  uint64_t v;
  uint64_t beta;
  uint64_t log_gamma;
  uint64_t cu_seqlens;
  int64_t slots;         /* rows of the pools; 0: one for each sequence */
  uint64_t state;        /* [slots,HV,K,V] state type; 0: every sequence begins with zeros */
  uint64_t d;            /* [slots,HV,K] fp32; 0: ones */
  uint64_t state_slots;  /* [N] int32, on the device; 0: sequence n has row n */
  uint64_t output_state; /* 0: the pools above, in place */
  uint64_t output_d;
  uint64_t output_slots; /* [N] int32; 0: state_slots */
  int64_t checkpoint_every;
  uint64_t checkpoint_state;
  uint64_t checkpoint_d;
  uint64_t o; /* [B,T,HV,V] element type */
  osdn_strides q_strides, k_strides, v_strides, o_strides, beta_strides, log_gamma_strides;
} osdn_decode_arguments;

OSDN_API osdn_status osdn_forward_arguments_init(osdn_forward_arguments* arguments, size_t struct_size);
OSDN_API osdn_status osdn_decode_arguments_init(osdn_decode_arguments* arguments, size_t struct_size);

/* Enqueue: no lock, no allocation, no environment look-up, no synchronisation; legal while the stream is capturing. The
 * engine's context must be current on this thread, or none. */
OSDN_API osdn_status osdn_launch_forward(const osdn_operation* operation, const osdn_forward_arguments* arguments,
                                         void* stream);
OSDN_API osdn_status osdn_launch_decode(const osdn_operation* operation, const osdn_decode_arguments* arguments,
                                        void* stream);

#ifdef __cplusplus
}
#endif

#endif
