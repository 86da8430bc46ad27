#include <stdlib.h>

#include "check.h"
#include "reference.h"

int failures = 0;
const char* emulator = OSDN_EMULATOR_LIBRARY;

osdn_engine* open_engine(void) {
  osdn_engine_options options;
  GOOD(osdn_engine_options_init(&options, sizeof options));
  options.driver_library = emulator;
  options.validate = 1;
  osdn_engine* engine = NULL;
  GOOD(osdn_engine_create(&options, &engine));
  return engine;
}

int main(void) {
  setbuf(stdout, NULL);
  seed_random();
  test_refusals();
  test_structs();
  test_threads();
  test_journey();
  test_dlpack();
  test_tuner();
  test_host();
  test_capture();
  printf("%d failed\n", failures);
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
