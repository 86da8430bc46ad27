/* Configurations that were measured, and preparing ahead. Include osdn/osdn.h. */
#ifndef OSDN_C_TUNER_H
#define OSDN_C_TUNER_H

#include <stddef.h>
#include <stdint.h>

#include "osdn/c/operation.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct osdn_tuner osdn_tuner;

enum {
  OSDN_TUNING_OFF = 0,          /* the default configuration, always */
  OSDN_TUNING_CACHE = 1,        /* what the tuning database knows, else the default */
  OSDN_TUNING_TUNE = 2,         /* likewise, but an exact entry that is missing is found now, within the budget */
  OSDN_TUNING_DETERMINISTIC = 3 /* pinned entries and read-only files only, else the default */
};

/* Where a configuration came from, best first. */
enum {
  OSDN_SOURCE_PINNED = 0,
  OSDN_SOURCE_EXACT = 1,
  OSDN_SOURCE_NEAREST_BUCKET = 2,
  OSDN_SOURCE_ARCH_FAMILY = 3,
  OSDN_SOURCE_SHIPPED = 4,
  OSDN_SOURCE_HEURISTIC = 5
};

typedef struct osdn_tuning_progress {
  size_t struct_size;
  const char* problem;
  int64_t b, t, h, hv, n;
  int64_t done;
  int64_t total;
  double seconds_left;    /* an estimate; negative: not known yet */
  double default_seconds; /* 0: not known yet */
  double best_seconds;
  const char* phase;
} osdn_tuning_progress;

/* osdn/tuner.hpp says what each field means. */
typedef struct osdn_tuner_options {
  size_t struct_size;
  int32_t mode; /* OSDN_TUNING_…; default OSDN_TUNING_CACHE */
  int32_t reserved;
  const char* directory;        /* NULL: $OSDN_TUNING_DIR, else `tuning` in the cache directory */
  const char* const* read_only; /* exports that are looked at and never written */
  uint64_t read_only_count;
  double budget_seconds; /* of one search; 0: no limit; default 60 */
  int64_t budget_trials; /* 0: no limit */
  uint64_t seed;
  const char* worker;     /* osdn-tune-worker; NULL: $OSDN_TUNE_WORKER, else beside this library */
  const char* trace_file; /* NULL: $OSDN_TUNING_TRACE, else none */
  void* user;
  /* Lets several ranks agree: calls answer(sink, text) once, with the configuration that all use. */
  void (*agree)(void* user, const char* key, const char* proposal, void (*answer)(void* sink, const char* text),
                void* sink);
  void (*progress)(void* user, const osdn_tuning_progress* progress);
} osdn_tuner_options;

OSDN_API osdn_status osdn_tuner_options_init(osdn_tuner_options* options, size_t struct_size);
/* options: NULL for all defaults. */
OSDN_API osdn_status osdn_tuner_create(const osdn_engine* engine, const osdn_tuner_options* options,
                                       osdn_tuner** tuner);
OSDN_API void osdn_tuner_destroy(osdn_tuner* tuner);

/* The operation in the configuration that is best known for shapes like this one. stream: where it will be launched;
 * while that one is capturing, what is not at hand is OSDN_NOT_PREPARED and nothing is compiled. */
OSDN_API osdn_status osdn_tuner_prepare(const osdn_tuner* tuner, const osdn_problem* problem, const osdn_shape* shape,
                                        void* stream, osdn_operation** operation);

typedef struct osdn_provenance {
  size_t struct_size;
  int32_t source; /* OSDN_SOURCE_… */
  int32_t reserved;
  const char* source_name; /* "pinned", "exact" … */
  const char* explanation; /* one sentence */
} osdn_provenance;

/* Why an operation has the configuration that it has; for those of osdn_tuner_prepare. */
OSDN_API osdn_status osdn_operation_provenance(const osdn_operation* operation, osdn_provenance* provenance);

/* One problem and shape to prepare before serving. */
typedef struct osdn_warm_up_item {
  size_t struct_size;
  const osdn_problem* problem;
  const char* problem_text; /* instead of problem */
  int64_t b, t, h, hv, n;
} osdn_warm_up_item;

typedef struct osdn_warm_up_options {
  size_t struct_size;
  int32_t threads; /* 0: one per core */
  int32_t reserved;
  void* user;
  void (*progress)(void* user, uint64_t done, uint64_t total); /* one call at a time, from any of the threads */
  int32_t (*cancelled)(void* user);                            /* not 0: what is left is not prepared */
  void (*failed)(void* user, const char* text);                /* for each failure, in one line, at the end */
} osdn_warm_up_options;

typedef struct osdn_warm_up_report {
  size_t struct_size;
  uint64_t prepared;
  uint64_t failed;
  uint64_t skipped; /* after cancellation */
} osdn_warm_up_report;

OSDN_API osdn_status osdn_warm_up_item_init(osdn_warm_up_item* item, size_t struct_size);
OSDN_API osdn_status osdn_warm_up_options_init(osdn_warm_up_options* options, size_t struct_size);
/* Prepares in parallel. `items` lie items->struct_size bytes apart. options and report may be NULL. */
OSDN_API osdn_status osdn_tuner_warm_up(const osdn_tuner* tuner, const osdn_warm_up_item* items, uint64_t count,
                                        const osdn_warm_up_options* options, osdn_warm_up_report* report);

#ifdef __cplusplus
}
#endif

#endif
