/* What the C tests share: checks that count, and go on. */
#ifndef OSDN_TESTS_CAPI_CHECK_H
#define OSDN_TESTS_CAPI_CHECK_H

#include <osdn/osdn.h>
#include <stdio.h>
#include <string.h>

extern int failures;
extern const char* emulator; /* path of the software device */

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      printf("%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
      printf("  last error: %s\n%s", osdn_last_error(), osdn_last_error_context()); \
      ++failures;                                                                   \
    }                                                                               \
  } while (0)

/* The call succeeds. */
#define GOOD(call) CHECK((call) == OSDN_OK)

/* The call is refused with this status and words that contain this text. */
#define REFUSED(call, status, text)                                                                             \
  do {                                                                                                          \
    const osdn_status got = (call);                                                                             \
    if (got != (status) || strstr(osdn_last_error(), (text)) == NULL) {                                         \
      printf("%s:%d: %s gave %s: '%s'; wanted %s and '%s'\n", __FILE__, __LINE__, #call, osdn_status_name(got), \
             osdn_last_error(), osdn_status_name(status), (text));                                              \
      ++failures;                                                                                               \
    }                                                                                                           \
  } while (0)

/* An engine on the software device, or NULL and a failure. */
osdn_engine* open_engine(void);

void test_journey(void);
void test_refusals(void);
void test_structs(void);
void test_threads(void);
void test_dlpack(void);
void test_tuner(void);
void test_host(void);
void test_capture(void);

#endif
