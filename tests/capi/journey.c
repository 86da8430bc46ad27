/* The whole way of a host application: prepare, ask, launch a prompt, then decode on from its states. */
#include <stdlib.h>

#include "check.h"
#include "fixture.h"
#include "reference.h"

enum { B = 2, T = 70, H = 2, HV = 4, K = 64, V = 48, STEP = 3, EVERY = 32 };

typedef struct {
  Tensor q, k, v, beta, log_gamma, o;
} Inputs;

static Inputs random_inputs(osdn_engine* engine, size_t tokens) {
  Inputs in;
  in.q = random_tensor(engine, B * tokens * H * K, -0.2, 0.2);
  in.k = random_tensor(engine, B * tokens * H * K, -0.2, 0.2);
  in.v = random_tensor(engine, B * tokens * HV * V, -1, 1);
  in.beta = random_tensor(engine, B * tokens * HV, 0, 1);
  in.log_gamma = random_tensor(engine, B * tokens * HV, -0.01, 0);
  in.o = output_tensor(engine, B * tokens * HV * V);
  return in;
}

static void release_inputs(osdn_engine* engine, Inputs* in) {
  Tensor* const all[] = {&in->q, &in->k, &in->v, &in->beta, &in->log_gamma, &in->o};
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) release(engine, all[i]);
}

static void check_against_recurrence(const Inputs* in, size_t tokens, double* state, double* d) {
  double* const o = malloc(in->o.count * sizeof(double));
  const Recurrence r = {
      B, tokens, H, HV, K, V, in->q.host, in->k.host, in->v.host, in->beta.host, in->log_gamma.host, state, d, o};
  recur(&r);
  const double off = distance(in->o.host, o, in->o.count);
  printf("%zu tokens: o is off by %.2g of its root mean square\n", tokens, off);
  CHECK(off < 2e-4);
  free(o);
}

/* The second checkpoint of the first sequence. */
static void check_checkpoints(const Inputs* in, const Tensor* states, const Tensor* ds) {
  const size_t tokens = 2 * EVERY;
  double* const state = calloc(HV * K * V, sizeof(double));
  double* const d = malloc(HV * K * sizeof(double));
  double* const o = malloc(tokens * HV * V * sizeof(double));
  for (size_t i = 0; i < HV * K; ++i) d[i] = 1;
  const Recurrence r = {
      1, tokens, H, HV, K, V, in->q.host, in->k.host, in->v.host, in->beta.host, in->log_gamma.host, state, d, o};
  recur(&r);
  CHECK(distance(states->host + HV * K * V, state, HV * K * V) < 2e-4);
  CHECK(distance(ds->host + HV * K, d, HV * K) < 1e-5);
  free(state);
  free(d);
  free(o);
}

static osdn_operation* prepare_forward(osdn_engine* engine) {
  osdn_problem problem;
  GOOD(osdn_problem_init(&problem, sizeof problem));
  problem.type = OSDN_TYPE_FP32;
  problem.math = OSDN_MATH_TF32X3;
  problem.k = K;
  problem.v = V;
  problem.apf = OSDN_APF_PER_TOKEN;
  osdn_operation* operation = NULL;
  GOOD(osdn_prepare(engine, &problem, "chunk=32", &operation));
  CHECK(strstr(osdn_operation_configuration(operation), "chunk=32,") != NULL);

  /* The text of a problem means the same. */
  char text[256];
  size_t needed = 0;
  GOOD(osdn_problem_text(&problem, text, sizeof text, &needed));
  CHECK(needed == strlen(text) + 1);
  CHECK(strcmp(text, osdn_operation_problem_text(operation)) == 0);
  osdn_operation* again = NULL;
  GOOD(osdn_prepare_text(engine, text, "chunk=32", &again));
  osdn_kernel kernel = {.struct_size = sizeof kernel};
  GOOD(osdn_operation_kernel(again, 0, &kernel));
  CHECK(strcmp(kernel.source, "memory") == 0);
  osdn_operation_destroy(again);
  return operation;
}

static void check_reports(const osdn_operation* operation) {
  uint64_t kernels = 0;
  GOOD(osdn_operation_kernels(operation, &kernels));
  CHECK(kernels == 2);
  for (uint64_t i = 0; i < kernels; ++i) {
    osdn_kernel kernel = {.struct_size = sizeof kernel};
    GOOD(osdn_operation_kernel(operation, i, &kernel));
    printf("%s (%s) for %s: %d threads, %llu bytes of shared memory, %s\n", kernel.name, kernel.phase, kernel.arch,
           (int)kernel.threads, (unsigned long long)kernel.dynamic_shared_bytes, kernel.source);
    CHECK(kernel.threads > 0 && kernel.image_bytes > 0 && strlen(kernel.name) > 0);
  }
  osdn_problem problem = {.struct_size = sizeof problem};
  GOOD(osdn_operation_problem(operation, &problem));
  CHECK(problem.k == K && problem.v == V && problem.apf == OSDN_APF_PER_TOKEN && problem.norm == OSDN_NORM_MAX);
}

static void run_forward(osdn_engine* engine, const osdn_operation* operation, Inputs* in, const Tensor* state,
                        const Tensor* d) {
  osdn_forward_arguments arguments;
  GOOD(osdn_forward_arguments_init(&arguments, sizeof arguments));
  arguments.b = B;
  arguments.t = T;
  arguments.h = H;
  arguments.hv = HV;
  arguments.q = in->q.device;
  arguments.k = in->k.device;
  arguments.v = in->v.device;
  arguments.beta = in->beta.device;
  arguments.log_gamma = in->log_gamma.device;
  arguments.o = in->o.device;
  arguments.final_state = state->device;
  arguments.final_d = d->device;
  Tensor states = output_tensor(engine, B * T / EVERY * HV * K * V);
  Tensor ds = output_tensor(engine, B * T / EVERY * HV * K);
  arguments.checkpoint_every = EVERY;
  arguments.checkpoint_state = states.device;
  arguments.checkpoint_d = ds.device;

  osdn_shape shape;
  GOOD(osdn_shape_init(&shape, sizeof shape));
  shape.b = B;
  shape.t = T;
  shape.h = H;
  shape.hv = HV;
  GOOD(osdn_workspace_bytes(operation, &shape, &arguments.workspace_bytes));
  CHECK(arguments.workspace_bytes > 0);
  REFUSED(osdn_launch_forward(operation, &arguments, NULL), OSDN_INVALID_ARGUMENT, "workspace");
  GOOD(osdn_allocate(engine, arguments.workspace_bytes, &arguments.workspace));
  GOOD(osdn_launch_forward(operation, &arguments, NULL));
  GOOD(osdn_synchronize(engine, NULL));
  GOOD(osdn_free(engine, arguments.workspace));
  fetch(engine, &in->o);
  fetch(engine, state);
  fetch(engine, d);
  fetch(engine, &states);
  fetch(engine, &ds);
  check_checkpoints(in, &states, &ds);
  release(engine, &states);
  release(engine, &ds);
}

static void run_decode(osdn_engine* engine, Inputs* in, const Tensor* state, const Tensor* d) {
  osdn_operation* operation = NULL;
  char text[] = "osdn_decode:type=fp32,k=64,v=48,apf=per_token";
  GOOD(osdn_prepare_text(engine, text, NULL, &operation));
  memset(text, 'x', sizeof text - 1); /* it was copied */
  osdn_decode_arguments arguments;
  GOOD(osdn_decode_arguments_init(&arguments, sizeof arguments));
  arguments.b = B;
  arguments.t = STEP;
  arguments.h = H;
  arguments.hv = HV;
  arguments.q = in->q.device;
  arguments.k = in->k.device;
  arguments.v = in->v.device;
  arguments.beta = in->beta.device;
  arguments.log_gamma = in->log_gamma.device;
  arguments.state = state->device;
  arguments.d = d->device;
  arguments.o = in->o.device;
  osdn_forward_arguments other;
  GOOD(osdn_forward_arguments_init(&other, sizeof other));
  REFUSED(osdn_launch_forward(operation, &other, NULL), OSDN_INVALID_ARGUMENT, "DecodeArguments");
  GOOD(osdn_launch_decode(operation, &arguments, NULL));
  fetch(engine, &in->o);
  osdn_operation_destroy(operation);
}

static void check_counters(osdn_engine* engine) {
  osdn_counters counters = {.struct_size = sizeof counters};
  GOOD(osdn_engine_counters(engine, &counters));
  CHECK(counters.prepared == 3);
  CHECK(counters.memory_hits + counters.disk_hits + counters.compilations == 5);
  CHECK(counters.memory_hits == 2);
  CHECK(counters.allocated_bytes == 0);
}

static void check_device(const osdn_engine* engine) {
  osdn_device device = {.struct_size = sizeof device};
  GOOD(osdn_engine_device(engine, &device));
  printf("%s, %d multiprocessors, driver %s\n", device.name, (int)device.multiprocessors, device.driver_library);
  CHECK(device.emulated == 1 && device.arch >= 80 && device.multiprocessors > 0);
  CHECK(strcmp(device.driver_library, emulator) == 0);
}

void test_journey(void) {
  osdn_engine* const engine = open_engine();
  if (engine == NULL) return;
  check_device(engine);
  osdn_operation* const forward = prepare_forward(engine);
  check_reports(forward);

  Inputs prompt = random_inputs(engine, T);
  Tensor state = output_tensor(engine, B * HV * K * V);
  Tensor d = output_tensor(engine, B * HV * K);
  run_forward(engine, forward, &prompt, &state, &d);
  double* const exact_state = calloc(state.count, sizeof(double));
  double* const exact_d = malloc(d.count * sizeof(double));
  for (size_t i = 0; i < d.count; ++i) exact_d[i] = 1;
  check_against_recurrence(&prompt, T, exact_state, exact_d);
  CHECK(distance(state.host, exact_state, state.count) < 2e-4);
  CHECK(distance(d.host, exact_d, d.count) < 1e-5);

  Inputs more = random_inputs(engine, STEP);
  run_decode(engine, &more, &state, &d);
  check_against_recurrence(&more, STEP, exact_state, exact_d);

  release_inputs(engine, &prompt);
  release_inputs(engine, &more);
  release(engine, &state);
  release(engine, &d);
  free(exact_state);
  free(exact_d);
  check_counters(engine);
  /* Either may go first. */
  osdn_engine_destroy(engine);
  CHECK(strcmp(osdn_operation_configuration(forward), "") != 0);
  osdn_operation_destroy(forward);
}
