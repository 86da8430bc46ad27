/* What a service in a container does first: an engine, an operation out of the pack, a pass. Prints where the kernels
 * came from, the last output, and how long it took from the first call to the end of the pass. */
#include <osdn/osdn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { T = 70, D = 32, NUMBERS = T * D };

static void check(osdn_status status) {
  if (status == OSDN_OK) return;
  fprintf(stderr, "%s: %s\n%s\n", osdn_status_name(status), osdn_last_error(), osdn_last_error_context());
  exit(1);
}

static double now_ms(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static uint64_t tensor(osdn_engine* engine, size_t count, float value) {
  static float values[NUMBERS];
  for (size_t i = 0; i < count; ++i) values[i] = value;
  uint64_t address = 0;
  check(osdn_allocate(engine, count * sizeof *values, &address));
  check(osdn_upload(engine, address, values, count * sizeof *values));
  return address;
}

int main(void) {
  const double begin = now_ms();
  osdn_engine* engine = NULL;
  check(osdn_engine_create(NULL, &engine));
  const double context = now_ms();
  osdn_operation* forward = NULL;
  check(osdn_prepare_text(engine, "osdn_forward:type=fp32,k=32,v=32,precondition=none", NULL, &forward));
  osdn_forward_arguments pass;
  check(osdn_forward_arguments_init(&pass, sizeof pass));
  pass.b = 1, pass.t = T, pass.h = 1, pass.hv = 1;
  /* Unit keys, all the same, with β = 1: the state answers with the value, and o = scale · v. */
  pass.q = tensor(engine, NUMBERS, 0.17677669f);
  pass.k = tensor(engine, NUMBERS, 0.17677669f);
  pass.v = tensor(engine, NUMBERS, 3.0f);
  pass.beta = tensor(engine, T, 1.0f);
  pass.o = tensor(engine, NUMBERS, -1.0f);
  check(osdn_launch_forward(forward, &pass, NULL));
  static float o[NUMBERS];
  check(osdn_download(engine, o, pass.o, sizeof o));
  osdn_counters counters = {.struct_size = sizeof counters};
  check(osdn_engine_counters(engine, &counters));
  printf("packs %llu compiled %llu o %.4f first_call_ms %.1f engine_ms %.1f\n", (unsigned long long)counters.pack_hits,
         (unsigned long long)counters.compilations, o[NUMBERS - 1], now_ms() - context, context - begin);
  osdn_operation_destroy(forward);
  osdn_engine_destroy(engine);
  return 0;
}
