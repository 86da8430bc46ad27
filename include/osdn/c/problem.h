/* What is computed, and on what sizes. Include osdn/osdn.h. */
#ifndef OSDN_C_PROBLEM_H
#define OSDN_C_PROBLEM_H

#include <stddef.h>
#include <stdint.h>

#include "osdn/c/status.h"

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif

#endif
