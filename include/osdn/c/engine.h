/* Engines, device memory and counters. Include osdn/osdn.h. */
#ifndef OSDN_C_ENGINE_H
#define OSDN_C_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "osdn/c/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct osdn_engine osdn_engine;

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
/* The last to go of an engine, its operations and its tuners unloads the kernels, once the work of the context is done;
 * where the driver refuses to wait (a capture is under way, a kernel has faulted) they stay loaded. Graphs do not keep
 * them: one of these must outlive the graphs that captured its launches. */
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
  uint64_t rejected;        /* cache entries found corrupt, of another key, or refused by the driver */
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

#ifdef __cplusplus
}
#endif

#endif
