#include "fixture.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "reference.h"

Tensor random_tensor(osdn_engine* engine, size_t count, double from, double to) {
  Tensor out = {malloc(count * sizeof(float)), 0, count};
  for (size_t i = 0; i < count; ++i) out.host[i] = (float)uniform(from, to);
  GOOD(osdn_allocate(engine, count * sizeof(float), &out.device));
  GOOD(osdn_upload(engine, out.device, out.host, count * sizeof(float)));
  return out;
}

Tensor output_tensor(osdn_engine* engine, size_t count) {
  Tensor out = random_tensor(engine, count, 0, 1);
  poison(engine, &out);
  return out;
}

void poison(osdn_engine* engine, Tensor* tensor) {
  for (size_t i = 0; i < tensor->count; ++i) tensor->host[i] = NAN;
  GOOD(osdn_upload(engine, tensor->device, tensor->host, tensor->count * sizeof(float)));
}

void fetch(osdn_engine* engine, const Tensor* from) {
  GOOD(osdn_download(engine, from->host, from->device, from->count * sizeof(float)));
}

void release(osdn_engine* engine, Tensor* tensor) {
  free(tensor->host);
  GOOD(osdn_free(engine, tensor->device));
}
