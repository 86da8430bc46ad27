/* A C program that knows the installed header alone. */
#include <osdn/osdn.h>
#include <stdio.h>

int main(int argc, char** argv) {
  osdn_engine_options options;
  osdn_engine* engine = NULL;
  if (osdn_version() != OSDN_VERSION || argc != 2) return 1;
  if (osdn_engine_options_init(&options, sizeof options) != OSDN_OK) return 2;
  options.driver_library = argv[1];
  if (osdn_engine_create(&options, &engine) != OSDN_OK) {
    fprintf(stderr, "%s\n", osdn_last_error());
    return 3;
  }
  osdn_engine_destroy(engine);
  printf("osdn %s\n", osdn_version_text());
  return 0;
}
