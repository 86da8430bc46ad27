/* A forward pass through the C interface.
 *
 *   example_forward_c [DRIVER]     no argument: the GPU; ./libosdn_emulator.so: a machine without one */
#include <osdn/osdn.h>
#include <stdio.h>
#include <stdlib.h>

enum { B = 2, T = 100, H = 4, K = 64, V = 64, HEAD_ROWS = B * T * H };

static void check(osdn_status status) {
  if (status == OSDN_OK) return;
  fprintf(stderr, "%s: %s\n%s\n", osdn_status_name(status), osdn_last_error(), osdn_last_error_context());
  exit(1);
}

/* Numbers from 0 to 0.2: a linear congruential generator, so that forward.rs draws the same ones. */
static float draw(void) {
  static uint32_t state = 1;
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) * 0x1p-24f * 0.2f;
}

static uint64_t tensor(osdn_engine* engine, size_t count) {
  float* const values = malloc(count * sizeof *values);
  if (values == NULL) exit(1);
  for (size_t i = 0; i < count; ++i) values[i] = draw();
  uint64_t address = 0;
  check(osdn_allocate(engine, count * sizeof *values, &address));
  check(osdn_upload(engine, address, values, count * sizeof *values));
  free(values);
  return address;
}

int main(int argc, char** argv) {
  osdn_engine_options options;
  check(osdn_engine_options_init(&options, sizeof options));
  if (argc > 1) options.driver_library = argv[1];
  osdn_engine* engine = NULL;
  check(osdn_engine_create(&options, &engine));

  osdn_operation* forward = NULL;
  check(osdn_prepare_text(engine, "osdn_forward:type=fp32,k=64,v=64", NULL, &forward));
  osdn_shape shape;
  check(osdn_shape_init(&shape, sizeof shape));
  shape.b = B, shape.t = T, shape.h = H, shape.hv = H;

  osdn_forward_arguments pass;
  check(osdn_forward_arguments_init(&pass, sizeof pass));
  pass.b = B, pass.t = T, pass.h = H, pass.hv = H;
  pass.q = tensor(engine, HEAD_ROWS * K);
  pass.k = tensor(engine, HEAD_ROWS * K);
  pass.v = tensor(engine, HEAD_ROWS * V);
  pass.beta = tensor(engine, HEAD_ROWS);
  check(osdn_allocate(engine, HEAD_ROWS * V * sizeof(float), &pass.o));
  check(osdn_workspace_bytes(forward, &shape, &pass.workspace_bytes));
  check(osdn_allocate(engine, pass.workspace_bytes, &pass.workspace));
  check(osdn_launch_forward(forward, &pass, NULL));

  static float o[HEAD_ROWS * V];
  check(osdn_download(engine, o, pass.o, sizeof o));
  osdn_device device = {.struct_size = sizeof device};
  check(osdn_engine_device(engine, &device));
  printf("%s: o[0] = %.6f, o[%d] = %.6f\n", device.name, o[0], HEAD_ROWS * V - 1, o[HEAD_ROWS * V - 1]);

  const uint64_t all[] = {pass.q, pass.k, pass.v, pass.beta, pass.o, pass.workspace};
  for (size_t i = 0; i < sizeof all / sizeof *all; ++i) check(osdn_free(engine, all[i]));
  osdn_operation_destroy(forward);
  osdn_engine_destroy(engine);
  return 0;
}
