/* Arguments and launches. Include osdn/osdn.h. */
#ifndef OSDN_C_LAUNCH_H
#define OSDN_C_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

#include "osdn/c/operation.h"

#ifdef __cplusplus
extern "C" {
#endif

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
