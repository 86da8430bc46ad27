#include "reference.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t state_of_random;

void seed_random(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  state_of_random = (uint64_t)now.tv_nsec * 2654435761U + (uint64_t)now.tv_sec;
  const char* given = getenv("OSDN_TEST_SEED");
  if (given != NULL) state_of_random = strtoull(given, NULL, 10);
  printf("seed: %llu\n", (unsigned long long)state_of_random);
}

/* splitmix64 */
double uniform(double from, double to) {
  uint64_t z = state_of_random += 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  z ^= z >> 31;
  return from + (to - from) * ((double)(z >> 11) / 9007199254740992.0);
}

static void step(const Recurrence* r, const float* q, const float* k, const float* v, double beta, double gamma,
                 double* state, double* d, double* o) {
  for (size_t j = 0; j < r->v; ++j) {
    double read = 0;
    for (size_t i = 0; i < r->k; ++i) read += state[i * r->v + j] * k[i];
    const double u = beta * (v[j] - read);
    double out = 0;
    for (size_t i = 0; i < r->k; ++i) {
      state[i * r->v + j] += (d != NULL ? d[i] : 1.0) * k[i] * u;
      out += state[i * r->v + j] * q[i];
    }
    o[j] = out / sqrt((double)r->k);
  }
  if (d == NULL) return;
  double dot = 0;
  double square = 0;
  for (size_t i = 0; i < r->k; ++i) {
    dot += d[i] * k[i] * k[i];
    square += (double)k[i] * k[i];
  }
  const double z = 1 - beta * dot;
  for (size_t i = 0; i < r->k; ++i) {
    const double next = gamma * d[i] + 0.003 * beta * z / fmax(square, 1e-6) * k[i] * k[i];
    d[i] = fmin(fmax(next, 0.5), 2.0);
  }
}

void recur(const Recurrence* r) {
  for (size_t b = 0; b < r->b; ++b) {
    for (size_t j = 0; j < r->hv; ++j) {
      double* const d = r->d == NULL ? NULL : r->d + (b * r->hv + j) * r->k;
      double* const state = r->state + (b * r->hv + j) * r->k * r->v;
      const size_t key_head = j / (r->hv / r->h);
      for (size_t t = 0; t < r->t; ++t) {
        const size_t token = b * r->t + t;
        const size_t row = token * r->hv + j;
        const size_t key_row = token * r->h + key_head;
        step(r, r->q + key_row * r->k, r->key + key_row * r->k, r->value + row * r->v, r->beta[row],
             r->log_gamma == NULL ? 1.0 : exp(r->log_gamma[row]), state, d, r->o + row * r->v);
      }
    }
  }
}

double distance(const float* a, const double* b, size_t count) {
  double squares = 0;
  double worst = 0;
  for (size_t i = 0; i < count; ++i) {
    const double off = fabs(a[i] - b[i]);
    if (!(off <= worst)) worst = off; /* a NaN stays */
    squares += b[i] * b[i];
  }
  return worst / sqrt(squares / (double)count);
}
