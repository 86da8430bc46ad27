/* The C ABI of osdn: C11, and C++. docs/c-abi.md has its rules; in short:
 *
 * - A function that can fail returns an osdn_status. When it is not OSDN_OK, osdn_last_error() has the message, for
 * this thread. Nothing is thrown through; no function exits or aborts.
 * - Every struct begins with struct_size. Initialise it with its _init function, which gives every field its default,
 *   then set what differs. Structs that the library fills need their struct_size set.
 * - Text is UTF-8 and ends with 0. Text that the library returns belongs to the handle that it was asked of and lives
 *   as long; text that it is given is copied.
 * - Handles may be used by several threads at once and destroyed in any order; NULL may be destroyed.
 * - Device addresses are CUdeviceptr values (uint64_t); 0 is "not given". Streams are CUstream values; NULL is the
 *   legacy default stream. */
#ifndef OSDN_OSDN_H
#define OSDN_OSDN_H

#include "osdn/c/dlpack.h"
#include "osdn/c/engine.h"
#include "osdn/c/launch.h"
#include "osdn/c/operation.h"
#include "osdn/c/problem.h"
#include "osdn/c/status.h"
#include "osdn/c/tuner.h"

#endif
