/* The host's own memory and books. */
#include <stdlib.h>

#include "check.h"

typedef struct {
  osdn_engine* behind; /* where the memory really comes from */
  int64_t held;
  int fail;
  int shift;
  int events[6];
  int failed_events;
  double seconds;
  char last[256];
} Host;

static int32_t take(void* user, uint64_t bytes, uint64_t* address) {
  Host* const host = user;
  if (host->fail) return 2;
  if (osdn_allocate(host->behind, bytes, address) != OSDN_OK) return 1;
  host->held += (int64_t)bytes;
  *address += (uint64_t)host->shift;
  return 0;
}

static void give(void* user, uint64_t address, uint64_t bytes) {
  Host* const host = user;
  host->held -= (int64_t)bytes;
  GOOD(osdn_free(host->behind, address - (uint64_t)host->shift));
}

static void hear(void* user, const osdn_trace_event* event) {
  Host* const host = user;
  CHECK(event->struct_size == sizeof *event && event->kind >= 0 && event->kind < 6);
  CHECK(event->seconds >= 0 && strlen(event->subject) > 0);
  ++host->events[event->kind];
  host->failed_events += event->failed;
  host->seconds += event->seconds;
  snprintf(host->last, sizeof host->last, "%s", event->detail);
}

static void ignore(void* user, int32_t level, const char* text) {
  (void)user;
  (void)text;
  CHECK(level >= OSDN_LOG_DEBUG && level <= OSDN_LOG_WARNING);
}

/* One entry, kept for another engine. */
typedef struct {
  char key[64];
  char data[1 << 20];
  size_t bytes;
  int asked;
  int stored;
} Shelf;

static void shelf_load(void* user, const char* key, void (*give_back)(void* sink, const void* data, size_t bytes),
                       void* sink) {
  Shelf* const shelf = user;
  ++shelf->asked;
  CHECK(strlen(key) == 32);
  if (strcmp(shelf->key, key) == 0) give_back(sink, shelf->data, shelf->bytes);
}

static void shelf_store(void* user, const char* key, const void* data, size_t bytes) {
  Shelf* const shelf = user;
  ++shelf->stored;
  CHECK(bytes <= sizeof shelf->data);
  snprintf(shelf->key, sizeof shelf->key, "%s", key);
  memcpy(shelf->data, data, bytes);
  shelf->bytes = bytes;
}

static void prepare_from(Shelf* shelf, const char* source, uint64_t hits, uint64_t compilations, uint64_t rejected) {
  osdn_engine_options options;
  GOOD(osdn_engine_options_init(&options, sizeof options));
  options.driver_library = emulator;
  options.disk_cache = 0;
  options.user = shelf;
  options.cache_load = shelf_load;
  options.cache_store = shelf_store;
  options.log = ignore;
  osdn_engine* engine = NULL;
  osdn_operation* operation = NULL;
  GOOD(osdn_engine_create(&options, &engine));
  GOOD(osdn_prepare_text(engine, "osdn_forward:type=fp32,k=16,v=16,precondition=none", NULL, &operation));
  osdn_kernel kernel = {.struct_size = sizeof kernel};
  GOOD(osdn_operation_kernel(operation, 0, &kernel));
  CHECK(strcmp(kernel.source, source) == 0);
  osdn_counters counters = {.struct_size = sizeof counters};
  GOOD(osdn_engine_counters(engine, &counters));
  CHECK(counters.host_hits == hits && counters.compilations == compilations && counters.rejected == rejected);
  osdn_operation_destroy(operation);
  osdn_engine_destroy(engine);
}

static void caches(void) {
  Shelf* const shelf = calloc(1, sizeof *shelf);
  prepare_from(shelf, "compiled", 0, 1, 0);
  CHECK(shelf->asked >= 1 && shelf->stored == 1 && shelf->bytes > 0);
  prepare_from(shelf, "host", 1, 0, 0);
  CHECK(shelf->stored == 1);
  shelf->data[shelf->bytes / 2] ^= 1; /* it is verified */
  prepare_from(shelf, "compiled", 0, 1, 1);
  free(shelf);
}

static void memory(osdn_engine* engine, Host* host) {
  uint64_t address = 0;
  GOOD(osdn_allocate(engine, 1000, &address));
  CHECK(host->held == 1000 && address != 0);
  osdn_counters counters = {.struct_size = sizeof counters};
  GOOD(osdn_engine_counters(engine, &counters));
  CHECK(counters.allocated_bytes == 1000);
  int number = 7;
  int back = 0;
  GOOD(osdn_upload(engine, address, &number, sizeof number));
  GOOD(osdn_download(engine, &back, address, sizeof back));
  CHECK(back == 7);
  host->fail = 1;
  uint64_t none = 1;
  REFUSED(osdn_allocate(engine, 16, &none), OSDN_OUT_OF_MEMORY, "the host's allocator has none");
  CHECK(none == 0);
  host->fail = 0;
  host->shift = 8;
  REFUSED(osdn_allocate(engine, 512, &none), OSDN_INVALID_ARGUMENT, "not aligned to 256 bytes");
  host->shift = 0;
  CHECK(host->held == 1000);
  GOOD(osdn_free(engine, address));
  CHECK(host->held == 0);
  GOOD(osdn_allocate(engine, 300, &address)); /* goes with its engine */
}

static void events(osdn_engine* engine, Host* host) {
  osdn_operation* operation = NULL;
  GOOD(osdn_prepare_text(engine, "osdn_forward:type=fp32,k=16,v=16", NULL, &operation));
  CHECK(host->events[OSDN_TRACE_COMPILE] == 2 && host->events[OSDN_TRACE_LOAD] == 2);
  CHECK(host->events[OSDN_TRACE_PREPARE] == 1 && host->failed_events == 0 && host->seconds > 0);
  CHECK(strstr(host->last, "chunk=") == host->last);
  osdn_operation_destroy(operation);
  REFUSED(osdn_prepare_text(engine, "osdn_forward:type=fp32,k=16,v=16", "chunk=128,warps=1,value_split=2", &operation),
          OSDN_CONSTRAINT, "value_split");
  CHECK(host->events[OSDN_TRACE_PREPARE] == 2 && host->failed_events == 1);

  osdn_tuner_options options;
  GOOD(osdn_tuner_options_init(&options, sizeof options));
  options.mode = OSDN_TUNING_OFF;
  osdn_tuner* tuner = NULL;
  GOOD(osdn_tuner_create(engine, &options, &tuner));
  osdn_problem problem = {.struct_size = sizeof problem};
  osdn_shape shape;
  GOOD(osdn_problem_parse("osdn_forward:type=fp32,k=16,v=16", &problem));
  GOOD(osdn_shape_init(&shape, sizeof shape));
  shape.t = 64;
  GOOD(osdn_tuner_prepare(tuner, &problem, &shape, NULL, &operation));
  CHECK(host->events[OSDN_TRACE_CHOOSE] == 1 && host->events[OSDN_TRACE_TUNE] == 0);
  osdn_operation_destroy(operation);
  osdn_tuner_destroy(tuner);
}

void test_host(void) {
  caches();
  Host host = {.behind = open_engine()};
  if (host.behind == NULL) return;
  osdn_engine_options options;
  GOOD(osdn_engine_options_init(&options, sizeof options));
  options.driver_library = emulator;
  options.disk_cache = 0;
  options.user = &host;
  options.allocate = take;
  osdn_engine* engine = NULL;
  REFUSED(osdn_engine_create(&options, &engine), OSDN_INVALID_ARGUMENT, "both allocate and free");
  options.free = give;
  options.trace = hear;
  GOOD(osdn_engine_create(&options, &engine));
  memory(engine, &host);
  events(engine, &host);
  CHECK(host.held == 300);
  osdn_engine_destroy(engine);
  CHECK(host.held == 0);
  osdn_engine_destroy(host.behind);
}
