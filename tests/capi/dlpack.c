/* Tensors that arrive as DLPack: packed qkv, where they lie, and what is wrong with others. */
#include <stdlib.h>

#include "check.h"
#include "fixture.h"
#include "reference.h"

enum { B = 1, T = 20, H = 2, D = 32 };

/* A tensor of floats on device 0. */
typedef struct {
  osdn_dl_tensor tensor;
  int64_t shape[4];
  int64_t strides[4];
} Held;

static void hold(Held* held, uint64_t address, int32_t ndim, const int64_t* shape) {
  *held = (Held){0};
  held->tensor.data = (void*)(uintptr_t)address;
  held->tensor.device.device_type = 2;
  held->tensor.ndim = ndim;
  held->tensor.dtype.code = 2;
  held->tensor.dtype.bits = 32;
  held->tensor.dtype.lanes = 1;
  held->tensor.shape = held->shape;
  memcpy(held->shape, shape, (size_t)ndim * sizeof *shape);
}

static void set_strides(Held* held, int64_t a, int64_t b, int64_t c, int64_t d) {
  const int64_t strides[] = {a, b, c, d};
  memcpy(held->strides, strides, sizeof strides);
  held->tensor.strides = held->strides;
}

typedef struct {
  Held q, k, v, beta, o, final_state;
  osdn_forward_tensors all;
} Call;

/* q, k and v lie in one tensor [B,T,3,H,D]. */
static void make_call(Call* call, uint64_t qkv, uint64_t beta, uint64_t o, uint64_t final_state) {
  const int64_t rows[] = {B, T, H, D};
  const int64_t states[] = {B, H, D, D};
  hold(&call->q, qkv, 4, rows);
  hold(&call->k, qkv, 4, rows);
  hold(&call->v, qkv, 4, rows);
  call->k.tensor.byte_offset = H * D * sizeof(float);
  call->v.tensor.byte_offset = 2 * H * D * sizeof(float);
  Held* const packed[] = {&call->q, &call->k, &call->v};
  for (size_t i = 0; i < 3; ++i) set_strides(packed[i], 3 * T * H * D, 3 * H * D, D, 1);
  hold(&call->beta, beta, 3, rows);
  hold(&call->o, o, 4, rows);
  hold(&call->final_state, final_state, 4, states);
  call->all = (osdn_forward_tensors){.struct_size = sizeof call->all,
                                     .q = &call->q.tensor,
                                     .k = &call->k.tensor,
                                     .v = &call->v.tensor,
                                     .beta = &call->beta.tensor,
                                     .o = &call->o.tensor,
                                     .final_state = &call->final_state.tensor};
}

static void check_fields(const osdn_operation* operation) {
  Call call;
  make_call(&call, 0x1000, 0x2000, 0x3000, 0x4000);
  osdn_forward_arguments arguments;
  GOOD(osdn_forward_arguments_init(&arguments, sizeof arguments));
  arguments.eta = 0.5F;
  GOOD(osdn_forward_from_dlpack(operation, &call.all, &arguments));
  CHECK(arguments.b == B && arguments.t == T && arguments.h == H && arguments.hv == H && arguments.n == 0);
  CHECK(arguments.q == 0x1000 && arguments.k == 0x1000 + H * D * 4 && arguments.v == 0x1000 + H * D * 8);
  CHECK(arguments.beta == 0x2000 && arguments.o == 0x3000 && arguments.final_state == 0x4000);
  CHECK(arguments.q_strides.token == 3 * H * D && arguments.q_strides.head == D);
  CHECK(arguments.o_strides.token == 0 && arguments.eta == 0.5F);
}

/* One thing is wrong with a call that is right otherwise. */
static void check_refusals(const osdn_operation* operation) {
  Call call;
  osdn_forward_arguments arguments;
#define WRONG(change, text)                                                                           \
  do {                                                                                                \
    make_call(&call, 0x1000, 0x2000, 0x3000, 0x4000);                                                 \
    GOOD(osdn_forward_arguments_init(&arguments, sizeof arguments));                                  \
    change;                                                                                           \
    REFUSED(osdn_forward_from_dlpack(operation, &call.all, &arguments), OSDN_INVALID_ARGUMENT, text); \
    CHECK(arguments.q == 0);                                                                          \
  } while (0)
  WRONG(call.all.k = NULL, "tensor k: it is NULL");
  WRONG(call.q.tensor.device.device_type = 1, "tensor q: it is on a device of DLPack's type 1");
  WRONG(call.v.tensor.device.device_id = 3, "tensor v: it is on device 3, but the engine is on device 0");
  WRONG(call.o.tensor.dtype.bits = 16, "tensor o: it is of float16; wanted: float32");
  WRONG(call.o.tensor.dtype.code = 4, "tensor o: it is of bfloat32; wanted: float32");
  WRONG(call.o.tensor.dtype.lanes = 2, "tensor o: it is of float32x2; wanted: float32");
  WRONG(call.q.shape[3] = 16, "tensor q: its shape is [1,20,2,16]; wanted: [B,T,H,K=32]");
  WRONG(call.k.shape[1] = 21, "tensor k: its shape is [1,21,2,32]; wanted: [B=1,T=20,H=2,K=32]");
  WRONG(call.beta.tensor.ndim = 2, "tensor beta: its shape is [1,20]; wanted: [B=1,T=20,HV=2]");
  WRONG(call.beta.tensor.ndim = -1, "tensor beta: it has no shape");
  WRONG(call.beta.tensor.ndim = INT32_MAX, "tensor beta: it has 2147483647 axes; wanted: [");
  WRONG(call.q.shape[0] = call.q.shape[1] = (int64_t)1 << 40, "more elements than 63 bits count");
  WRONG(call.q.shape[0] = call.q.shape[1] = (int64_t)1 << 40; call.q.shape[2] = 0, "more elements than 63 bits count");
  WRONG(call.v.strides[3] = 2, "tensor v: the stride of its last axis is 2");
  WRONG(call.q.strides[1] = 0, "tensor q: the stride of its axis 1 is 0");
  WRONG(call.q.strides[2] = -32, "tensor q: the stride of its axis 2 is -32");
  WRONG(set_strides(&call.final_state, H * D * D, D * D + 1, D, 1), "tensor final_state: its strides are");
  WRONG(call.all.log_gamma = &call.beta.tensor, "tensor log_gamma: the operation takes none");
  WRONG(call.all.cu_seqlens = &call.beta.tensor, "tensor cu_seqlens: it is of float32; wanted: int64 or int32");
  WRONG(call.all.checkpoint_state = &call.final_state.tensor, "checkpoint_every is not set");
#undef WRONG
  REFUSED(osdn_forward_from_dlpack(NULL, &call.all, &arguments), OSDN_INVALID_ARGUMENT, "operation is NULL");
  REFUSED(osdn_forward_from_dlpack(operation, NULL, &arguments), OSDN_INVALID_ARGUMENT, "tensors is NULL");
  REFUSED(osdn_forward_from_dlpack(operation, &call.all, NULL), OSDN_INVALID_ARGUMENT, "arguments is NULL");
  osdn_decode_tensors decode = {.struct_size = sizeof decode};
  osdn_decode_arguments step;
  GOOD(osdn_decode_arguments_init(&step, sizeof step));
  REFUSED(osdn_decode_from_dlpack(operation, &decode, &step), OSDN_INVALID_ARGUMENT, "operation is osdn_forward");
}

/* A packed batch, its boundaries as 32-bit numbers, and a decoding step with slots. */
static void check_decode(osdn_engine* engine) {
  osdn_operation* operation = NULL;
  GOOD(osdn_prepare_text(engine, "osdn_decode:type=fp32,k=32,v=32,state_type=bf16", NULL, &operation));
  Call call;
  make_call(&call, 0x1000, 0x2000, 0x3000, 0x4000);
  const int64_t five[] = {5};
  const int64_t four[] = {4};
  const int64_t pool[] = {9, H, D, D};
  const int64_t pool_d[] = {9, H, D};
  Held boundaries;
  Held state;
  Held d;
  Held slots;
  hold(&boundaries, 0x5000, 1, five);
  hold(&slots, 0x6000, 1, four);
  boundaries.tensor.dtype.code = slots.tensor.dtype.code = 0;
  hold(&state, 0x7000, 4, pool);
  hold(&d, 0x8000, 3, pool_d);
  osdn_decode_tensors all = {.struct_size = sizeof all,
                             .q = &call.q.tensor,
                             .k = &call.k.tensor,
                             .v = &call.v.tensor,
                             .beta = &call.beta.tensor,
                             .o = &call.o.tensor,
                             .cu_seqlens = &boundaries.tensor,
                             .state = &state.tensor,
                             .d = &d.tensor,
                             .state_slots = &slots.tensor};
  osdn_decode_arguments arguments;
  GOOD(osdn_decode_arguments_init(&arguments, sizeof arguments));
  REFUSED(osdn_decode_from_dlpack(operation, &all, &arguments), OSDN_INVALID_ARGUMENT,
          "tensor state: it is of float32; wanted: bfloat16");
  state.tensor.dtype.code = 4;
  state.tensor.dtype.bits = 16;
  GOOD(osdn_decode_from_dlpack(operation, &all, &arguments));
  CHECK(arguments.n == 4 && arguments.cu_seqlens_bits == 32 && arguments.cu_seqlens == 0x5000);
  CHECK(arguments.slots == 9 && arguments.state == 0x7000 && arguments.d == 0x8000 && arguments.state_slots == 0x6000);
  d.shape[0] = 8;
  REFUSED(osdn_decode_from_dlpack(operation, &all, &arguments), OSDN_INVALID_ARGUMENT,
          "tensor d: its shape is [8,2,32]; wanted: [slots=9,HV=2,K=32]");
  d.shape[0] = 9;
  slots.shape[0] = 5;
  REFUSED(osdn_decode_from_dlpack(operation, &all, &arguments), OSDN_INVALID_ARGUMENT, "[5]; wanted: [N=4]");
  osdn_operation_destroy(operation);
}

/* A copy of one of the three tensors of a packed [B,T,3,H,D]. */
static float* unpacked(const Tensor* packed, size_t which) {
  float* const out = malloc(B * T * H * D * sizeof(float));
  for (size_t token = 0; token < B * T; ++token) {
    memcpy(out + token * H * D, packed->host + (token * 3 + which) * H * D, H * D * sizeof(float));
  }
  return out;
}

/* Packed q, k and v are read where they are. */
static void check_launch(osdn_engine* engine, const osdn_operation* operation) {
  const size_t count = B * T * H * D;
  Tensor packed = random_tensor(engine, 3 * count, -0.3, 0.3);
  Tensor beta = random_tensor(engine, B * T * H, 0, 1);
  Tensor o = output_tensor(engine, count);
  Tensor final_state = output_tensor(engine, B * H * D * D);
  Call call;
  make_call(&call, packed.device, beta.device, o.device, final_state.device);
  set_strides(&call.o, T * H * D, H * D, D, 1); /* dense, and says so */
  osdn_forward_arguments arguments;
  GOOD(osdn_forward_arguments_init(&arguments, sizeof arguments));
  GOOD(osdn_forward_from_dlpack(operation, &call.all, &arguments));
  GOOD(osdn_launch_forward(operation, &arguments, NULL)); /* DeltaNet needs no workspace */
  fetch(engine, &o);
  fetch(engine, &final_state);
  float* const q = unpacked(&packed, 0);
  float* const k = unpacked(&packed, 1);
  float* const v = unpacked(&packed, 2);
  double* const exact = malloc(count * sizeof(double));
  double* const state = calloc(B * H * D * D, sizeof(double));
  const Recurrence r = {B, T, H, H, D, D, q, k, v, beta.host, NULL, state, NULL, exact};
  recur(&r);
  CHECK(distance(o.host, exact, count) < 2e-4);
  CHECK(distance(final_state.host, state, B * H * D * D) < 2e-4);
  free(q);
  free(k);
  free(v);
  free(exact);
  free(state);
  Tensor* const all[] = {&packed, &beta, &o, &final_state};
  for (size_t i = 0; i < 4; ++i) release(engine, all[i]);
}

void test_dlpack(void) {
  osdn_engine* const engine = open_engine();
  if (engine == NULL) return;
  osdn_operation* operation = NULL;
  GOOD(osdn_prepare_text(engine, "osdn_forward:type=fp32,math=tf32x3,k=32,v=32,precondition=none", NULL, &operation));
  check_fields(operation);
  check_refusals(operation);
  check_decode(engine);
  check_launch(engine, operation);
  osdn_operation_destroy(operation);
  osdn_engine_destroy(engine);
}
