/* Tensors on the host and on the device. */
#ifndef OSDN_TESTS_CAPI_FIXTURE_H
#define OSDN_TESTS_CAPI_FIXTURE_H

#include <osdn/osdn.h>
#include <stddef.h>

typedef struct {
  float* host;
  uint64_t device;
  size_t count;
} Tensor;

Tensor random_tensor(osdn_engine* engine, size_t count, double from, double to);
/* Poisoned: what is not written is found. */
Tensor output_tensor(osdn_engine* engine, size_t count);
void poison(osdn_engine* engine, Tensor* tensor);
void fetch(osdn_engine* engine, const Tensor* from);
void release(osdn_engine* engine, Tensor* tensor);

#endif
