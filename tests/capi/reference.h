/* The recurrence of docs/math.md in double, for one batch without packing: written for these tests alone. */
#ifndef OSDN_TESTS_CAPI_REFERENCE_H
#define OSDN_TESTS_CAPI_REFERENCE_H

#include <stddef.h>

typedef struct {
  size_t b, t, h, hv, k, v;
  const float *q, *key, *value, *beta, *log_gamma; /* log_gamma: [B,T,HV] or NULL */
  double* state;                                   /* [B,HV,K,V], in and out */
  double* d;                                       /* [B,HV,K], in and out; NULL: DeltaNet */
  double* o;                                       /* [B,T,HV,V] */
} Recurrence;

/* With eta = 0.003, d in [0.5, 2], beta-aware, norm max with 1e-6, anchor 0, scale 1/sqrt(K). */
void recur(const Recurrence* r);

/* The largest |a - b| over the root mean square of b. */
double distance(const float* a, const double* b, size_t count);

/* A fresh seed for every run, printed; then uniform numbers. */
void seed_random(void);
double uniform(double from, double to);

#endif
