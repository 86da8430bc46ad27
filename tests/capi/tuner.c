/* Tuners through C: what they choose, warm-up, agreement, and refusals. */
#include <stdlib.h>

#include "check.h"

typedef struct {
  int agreed;
  int failed;
  uint64_t last_done;
  char words[256];
} Heard;

static void agree(void* user, const char* key, const char* proposal, void (*answer)(void* sink, const char* text),
                  void* sink) {
  Heard* const heard = user;
  ++heard->agreed;
  CHECK(strstr(key, "osdn_forward:") == key && strstr(proposal, "chunk=") == proposal);
  answer(sink, "chunk=16");
}

static void hear_done(void* user, uint64_t done, uint64_t total) {
  ((Heard*)user)->last_done = done;
  CHECK(done <= total);
}

static void hear_failure(void* user, const char* text) {
  Heard* const heard = user;
  ++heard->failed;
  snprintf(heard->words, sizeof heard->words, "%s", text);
}

static int32_t stop(void* user) {
  (void)user;
  return 1;
}

static void refusals(osdn_engine* engine, osdn_tuner* tuner) {
  osdn_tuner* made = NULL;
  osdn_tuner_options options;
  REFUSED(osdn_tuner_options_init(NULL, sizeof options), OSDN_INVALID_ARGUMENT, "options is NULL");
  GOOD(osdn_tuner_options_init(&options, sizeof options));
  CHECK(options.mode == OSDN_TUNING_CACHE && options.budget_seconds == 60 && options.seed == 1);
  REFUSED(osdn_tuner_create(NULL, &options, &made), OSDN_INVALID_ARGUMENT, "engine is NULL");
  REFUSED(osdn_tuner_create(engine, &options, NULL), OSDN_INVALID_ARGUMENT, "tuner is NULL");
  options.mode = 4;
  REFUSED(osdn_tuner_create(engine, &options, &made), OSDN_INVALID_ARGUMENT, "options->mode was 4");
  options.mode = OSDN_TUNING_TUNE;
  options.worker = "/nowhere/osdn-tune-worker";
  REFUSED(osdn_tuner_create(engine, &options, &made), OSDN_LIBRARY_NOT_FOUND, "/nowhere/osdn-tune-worker");
  options.mode = OSDN_TUNING_CACHE;
  options.read_only_count = 1;
  REFUSED(osdn_tuner_create(engine, &options, &made), OSDN_INVALID_ARGUMENT, "read_only is NULL");
  options.read_only_count = 0;
  options.budget_seconds = -1;
  REFUSED(osdn_tuner_create(engine, &options, &made), OSDN_INVALID_ARGUMENT, "budget_seconds was -1");

  osdn_problem problem;
  osdn_shape shape;
  osdn_operation* operation = NULL;
  GOOD(osdn_problem_init(&problem, sizeof problem));
  GOOD(osdn_shape_init(&shape, sizeof shape));
  REFUSED(osdn_tuner_prepare(NULL, &problem, &shape, NULL, &operation), OSDN_INVALID_ARGUMENT, "tuner is NULL");
  REFUSED(osdn_tuner_prepare(tuner, NULL, &shape, NULL, &operation), OSDN_INVALID_ARGUMENT, "problem is NULL");
  REFUSED(osdn_tuner_prepare(tuner, &problem, NULL, NULL, &operation), OSDN_INVALID_ARGUMENT, "shape is NULL");
  REFUSED(osdn_tuner_prepare(tuner, &problem, &shape, NULL, NULL), OSDN_INVALID_ARGUMENT, "operation is NULL");
  REFUSED(osdn_tuner_warm_up(NULL, NULL, 0, NULL, NULL), OSDN_INVALID_ARGUMENT, "tuner is NULL");
  REFUSED(osdn_tuner_warm_up(tuner, NULL, 1, NULL, NULL), OSDN_INVALID_ARGUMENT, "items is NULL");
  GOOD(osdn_tuner_warm_up(tuner, NULL, 0, NULL, NULL));
  osdn_warm_up_item item;
  REFUSED(osdn_warm_up_item_init(NULL, sizeof item), OSDN_INVALID_ARGUMENT, "item is NULL");
  REFUSED(osdn_warm_up_options_init(NULL, 8), OSDN_INVALID_ARGUMENT, "options is NULL");
  GOOD(osdn_warm_up_item_init(&item, sizeof item));
  REFUSED(osdn_tuner_warm_up(tuner, &item, 1, NULL, NULL), OSDN_INVALID_ARGUMENT, "items[0]: give an item either");
  osdn_provenance provenance = {.struct_size = sizeof provenance};
  REFUSED(osdn_operation_provenance(NULL, &provenance), OSDN_INVALID_ARGUMENT, "operation is NULL");
  osdn_tuner_destroy(NULL);
}

static void prepare(osdn_tuner* tuner) {
  osdn_problem problem;
  osdn_shape shape;
  osdn_operation* operation = NULL;
  GOOD(osdn_problem_init(&problem, sizeof problem));
  problem.type = OSDN_TYPE_FP32;
  problem.k = problem.v = 16;
  problem.precondition = OSDN_PRECONDITION_NONE;
  GOOD(osdn_shape_init(&shape, sizeof shape));
  shape.t = 64;
  GOOD(osdn_tuner_prepare(tuner, &problem, &shape, NULL, &operation));
  osdn_provenance provenance = {.struct_size = sizeof provenance};
  GOOD(osdn_operation_provenance(operation, &provenance));
  CHECK(provenance.source == OSDN_SOURCE_HEURISTIC && strcmp(provenance.source_name, "heuristic") == 0);
  CHECK(strstr(provenance.explanation, "agreed with other ranks") != NULL);
  CHECK(strstr(osdn_operation_configuration(operation), "chunk=16,") != NULL);
  osdn_operation_destroy(operation);
}

static void warm_up(osdn_tuner* tuner, Heard* heard) {
  osdn_warm_up_item items[3];
  for (size_t i = 0; i < 3; ++i) {
    GOOD(osdn_warm_up_item_init(&items[i], sizeof items[i]));
    items[i].problem_text = "osdn_forward:type=fp32,k=16,v=16,precondition=none";
    items[i].t = 64;
  }
  items[1].t = 4096;
  items[2].problem_text = "osdn_forward:type=fp32,k=256,v=256,math=tf32x3";
  osdn_warm_up_options options;
  GOOD(osdn_warm_up_options_init(&options, sizeof options));
  options.user = heard;
  options.progress = hear_done;
  options.failed = hear_failure;
  options.threads = 1;
  osdn_warm_up_report report = {.struct_size = sizeof report};
  GOOD(osdn_tuner_warm_up(tuner, items, 2, &options, &report));
  CHECK(report.prepared == 2 && report.failed == 0 && report.skipped == 0 && heard->last_done == 2);
  options.cancelled = stop;
  GOOD(osdn_tuner_warm_up(tuner, items, 2, &options, &report));
  CHECK(report.prepared == 0 && report.skipped == 2);
  options.threads = -1;
  REFUSED(osdn_tuner_warm_up(tuner, items, 2, &options, &report), OSDN_INVALID_ARGUMENT, "threads was -1");
}

void test_tuner(void) {
  osdn_engine* const engine = open_engine();
  if (engine == NULL) return;
  char folder[] = "/tmp/osdn-capi-XXXXXX";
  CHECK(mkdtemp(folder) != NULL);
  Heard heard = {0};
  osdn_tuner_options options;
  GOOD(osdn_tuner_options_init(&options, sizeof options));
  options.directory = folder;
  options.user = &heard;
  options.agree = agree;
  osdn_tuner* tuner = NULL;
  GOOD(osdn_tuner_create(engine, &options, &tuner));
  refusals(engine, tuner);
  prepare(tuner);
  CHECK(heard.agreed == 1);
  warm_up(tuner, &heard);
  CHECK(heard.agreed == 2);
  osdn_engine_destroy(engine); /* the tuner keeps what it stands on */
  prepare(tuner);
  osdn_tuner_destroy(tuner);
  remove(folder);
}
