/* Tensors that arrive as DLPack. Include osdn/osdn.h. */
#ifndef OSDN_C_DLPACK_H
#define OSDN_C_DLPACK_H

#include <stddef.h>
#include <stdint.h>

#include "osdn/c/launch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The layout of DLPack's DLTensor, under a name of its own unless <dlpack/dlpack.h> was included before. A
 * DLManagedTensor begins with one: pass &managed->dl_tensor. What it describes is borrowed until the launch is
 * enqueued, and the memory until it is done. */
#ifdef DLPACK_DLPACK_H_
typedef DLTensor osdn_dl_tensor;
#else
typedef struct osdn_dl_tensor {
  void* data;
  struct {
    int32_t device_type; /* 2: CUDA; 13: managed */
    int32_t device_id;
  } device;
  int32_t ndim;
  struct {
    uint8_t code; /* 0: int, 2: float, 4: bfloat */
    uint8_t bits;
    uint16_t lanes;
  } dtype;
  int64_t* shape;
  int64_t* strides; /* in elements; NULL: dense */
  uint64_t byte_offset;
} osdn_dl_tensor;
#endif

/* NULL: not given. Shapes are those of osdn_forward_arguments; numbers and what a tensor cannot say stay as they are in
 * the arguments that are filled. */
typedef struct osdn_forward_tensors {
  size_t struct_size;
  const osdn_dl_tensor *q, *k, *v, *beta, *log_gamma, *initial_state, *initial_d, *cu_seqlens;
  const osdn_dl_tensor *o, *final_state, *final_d, *checkpoint_state, *checkpoint_d;
} osdn_forward_tensors;

typedef struct osdn_decode_tensors {
  size_t struct_size;
  const osdn_dl_tensor *q, *k, *v, *beta, *log_gamma, *cu_seqlens;
  const osdn_dl_tensor *state, *d, *state_slots, *output_state, *output_d, *output_slots;
  const osdn_dl_tensor *checkpoint_state, *checkpoint_d, *o;
} osdn_decode_tensors;

/* Checks device, types, shapes and strides of the tensors against the operation and each other, and fills sizes,
 * addresses and strides of the arguments, which were initialised before. */
OSDN_API osdn_status osdn_forward_from_dlpack(const osdn_operation* operation, const osdn_forward_tensors* tensors,
                                              osdn_forward_arguments* arguments);
OSDN_API osdn_status osdn_decode_from_dlpack(const osdn_operation* operation, const osdn_decode_tensors* tensors,
                                             osdn_decode_arguments* arguments);

#ifdef __cplusplus
}
#endif

#endif
