/* Versions and errors. Include osdn/osdn.h. */
#ifndef OSDN_C_STATUS_H
#define OSDN_C_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "osdn/export.h"

#define OSDN_VERSION_MAJOR 0
#define OSDN_VERSION_MINOR 1
#define OSDN_VERSION_PATCH 0
#define OSDN_VERSION (OSDN_VERSION_MAJOR * 10000 + OSDN_VERSION_MINOR * 100 + OSDN_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/* Of the library that is loaded, as OSDN_VERSION and as "0.1.0". */
OSDN_API int32_t osdn_version(void);
OSDN_API const char* osdn_version_text(void);

typedef int32_t osdn_status;
enum {
  OSDN_OK = 0,
  OSDN_INVALID_ARGUMENT = 1,  /* an argument, option or field has a value outside what is allowed */
  OSDN_UNSUPPORTED = 2,       /* legal, but this library, build or architecture does not do it */
  OSDN_CONSTRAINT = 3,        /* a configuration breaks a constraint of the device or of the kernels */
  OSDN_LIBRARY_NOT_FOUND = 4, /* no CUDA driver or NVRTC could be loaded; the context names every place tried */
  OSDN_NO_DEVICE = 5,         /* a driver, but no device to use */
  OSDN_COMPILE_FAILED = 6,    /* NVRTC refused the source; the context has log, options and source */
  OSDN_DRIVER = 7,            /* the CUDA driver returned an error; the message has its name */
  OSDN_OUT_OF_MEMORY = 8,     /* host or device memory is exhausted */
  OSDN_IO = 9,                /* a file could not be read or written */
  OSDN_CORRUPT = 10,          /* a file's content is not what its format allows */
  OSDN_NOT_PREPARED = 11,     /* nothing is at hand and it may not be made now (a stream is capturing) */
  OSDN_INTERNAL = 12          /* a defect of this library */
};

/* "OSDN_INVALID_ARGUMENT"; "unknown status" for other numbers. */
OSDN_API const char* osdn_status_name(osdn_status status);

/* This thread's last failure: one line that says what is wrong, what it was, what is allowed and what to do; "" when
 * there was none. The context has further lines (a compile log, places tried …) and may be "". Both live until the
 * thread's next failure. A call that succeeds leaves them as they are. */
OSDN_API const char* osdn_last_error(void);
OSDN_API const char* osdn_last_error_context(void);
OSDN_API osdn_status osdn_last_error_status(void);
OSDN_API void osdn_clear_error(void);

#ifdef __cplusplus
}
#endif

#endif
