/* Launches while a stream is capturing, and the graph afterwards. */
#include <dlfcn.h>
#include <stdlib.h>

#include "check.h"
#include "fixture.h"
#include "reference.h"

enum { T = 40, D = 16 };

/* The driver's entries, as cuda.h declares them. */
typedef struct {
  int (*create)(void** stream, unsigned flags);
  int (*destroy)(void* stream);
  int (*begin)(void* stream, int mode);
  int (*end)(void* stream, void** graph);
  int (*instantiate)(void** executable, void* graph, unsigned long long flags);
  int (*launch)(void* executable, void* stream);
} Driver;

static int find(void* library, const char* name, void* entry) {
  void* const found = dlsym(library, name);
  memcpy(entry, &found, sizeof found);
  return found != NULL;
}

static int open_driver(Driver* driver) {
  void* const library = dlopen(emulator, RTLD_NOW);
  return library != NULL && find(library, "cuStreamCreate", &driver->create) &&
         find(library, "cuStreamDestroy_v2", &driver->destroy) &&
         find(library, "cuStreamBeginCapture_v2", &driver->begin) &&
         find(library, "cuStreamEndCapture", &driver->end) &&
         find(library, "cuGraphInstantiateWithFlags", &driver->instantiate) &&
         find(library, "cuGraphLaunch", &driver->launch);
}

static uint64_t launches(osdn_engine* engine) {
  osdn_counters counters = {.struct_size = sizeof counters};
  GOOD(osdn_engine_counters(engine, &counters));
  return counters.launches;
}

/* The engine's context must be current for the driver's own calls: it is while the operation was launched before. */
static void capture(osdn_engine* engine, const osdn_operation* operation, const osdn_forward_arguments* arguments,
                    Tensor* o, const double* exact) {
  Driver driver = {0};
  void* stream = NULL;
  void* graph = NULL;
  void* executable = NULL;
  if (!open_driver(&driver)) {
    CHECK(!"the driver has all of these");
    return;
  }
  CHECK(driver.create(&stream, 1) == 0);
  osdn_tuner_options options;
  GOOD(osdn_tuner_options_init(&options, sizeof options));
  options.mode = OSDN_TUNING_OFF;
  osdn_tuner* tuner = NULL;
  GOOD(osdn_tuner_create(engine, &options, &tuner));

  const uint64_t before = launches(engine);
  CHECK(driver.begin(stream, 2 /* relaxed */) == 0);
  osdn_problem problem = {.struct_size = sizeof problem};
  GOOD(osdn_problem_parse("osdn_forward:type=fp32,k=96,v=16", &problem));
  osdn_shape shape;
  GOOD(osdn_shape_init(&shape, sizeof shape));
  osdn_operation* other = NULL;
  REFUSED(osdn_tuner_prepare(tuner, &problem, &shape, stream, &other), OSDN_NOT_PREPARED, "capturing");
  GOOD(osdn_launch_forward(operation, arguments, stream));
  CHECK(driver.end(stream, &graph) == 0);
  CHECK(launches(engine) == before + 1);

  fetch(engine, o);
  CHECK(!(distance(o->host, exact, o->count) < 1)); /* nothing has run */
  CHECK(driver.instantiate(&executable, graph, 0) == 0);
  for (int i = 0; i < 2; ++i) {
    poison(engine, o);
    CHECK(driver.launch(executable, stream) == 0);
    GOOD(osdn_synchronize(engine, stream));
    fetch(engine, o);
    CHECK(distance(o->host, exact, o->count) < 2e-4);
  }
  CHECK(driver.destroy(stream) == 0);
  osdn_tuner_destroy(tuner);
}

void test_capture(void) {
  void* library = dlopen(emulator, RTLD_NOW);
  int (*retain)(void**, int) = NULL;
  int (*current)(void*) = NULL;
  void* context = NULL;
  CHECK(library != NULL && find(library, "cuDevicePrimaryCtxRetain", &retain) &&
        find(library, "cuCtxSetCurrent", &current));
  osdn_engine* engine = NULL;
  osdn_engine_options options;
  GOOD(osdn_engine_options_init(&options, sizeof options));
  options.driver_library = emulator; /* without validate: it waits, which a capture does not let it */
  GOOD(osdn_engine_create(&options, &engine));
  if (engine == NULL) return;
  CHECK(retain(&context, 0) == 0 && current(context) == 0);

  osdn_operation* operation = NULL;
  GOOD(osdn_prepare_text(engine, "osdn_forward:type=fp32,math=tf32x3,k=16,v=16", NULL, &operation));
  Tensor q = random_tensor(engine, T * D, -0.2, 0.2);
  Tensor k = random_tensor(engine, T * D, -0.2, 0.2);
  Tensor v = random_tensor(engine, T * D, -1, 1);
  Tensor beta = random_tensor(engine, T, 0, 1);
  Tensor o = output_tensor(engine, T * D);
  osdn_forward_arguments arguments;
  GOOD(osdn_forward_arguments_init(&arguments, sizeof arguments));
  arguments.t = T;
  arguments.q = q.device;
  arguments.k = k.device;
  arguments.v = v.device;
  arguments.beta = beta.device;
  arguments.o = o.device;
  osdn_shape shape;
  GOOD(osdn_shape_init(&shape, sizeof shape));
  shape.t = T;
  GOOD(osdn_workspace_bytes(operation, &shape, &arguments.workspace_bytes));
  GOOD(osdn_allocate(engine, arguments.workspace_bytes, &arguments.workspace));

  double exact[T * D];
  double state[D * D] = {0};
  double d[D];
  for (size_t i = 0; i < D; ++i) d[i] = 1;
  const Recurrence r = {1, T, 1, 1, D, D, q.host, k.host, v.host, beta.host, NULL, state, d, exact};
  recur(&r);
  capture(engine, operation, &arguments, &o, exact);

  Tensor* const all[] = {&q, &k, &v, &beta, &o};
  for (size_t i = 0; i < 5; ++i) release(engine, all[i]);
  osdn_operation_destroy(operation);
  CHECK(current(NULL) == 0);
  osdn_engine_destroy(engine);
}
