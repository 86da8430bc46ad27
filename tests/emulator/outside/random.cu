// cuRAND's device generators.
#include <curand_kernel.h>

extern "C" __global__ void philox(unsigned* bits, float* uniform, float4* normal, unsigned long long seed) {
  curandStatePhilox4_32_10_t state;
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  curand_init(seed, at, 3, &state);
  const uint4 four = curand4(&state);
  bits[4 * at] = four.x;
  bits[4 * at + 1] = four.y;
  bits[4 * at + 2] = four.z;
  bits[4 * at + 3] = four.w;
  uniform[at] = curand_uniform(&state);
  normal[at] = curand_normal4(&state);
}

extern "C" __global__ void xorwow(unsigned* bits, double* normal, unsigned* poisson, unsigned long long seed) {
  curandStateXORWOW_t state;
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  curand_init(seed, at, 0, &state);
  for (int i = 0; i < 4; ++i) bits[4 * at + i] = curand(&state);
  normal[at] = curand_normal_double(&state);
  poisson[at] = curand_poisson(&state, 12.5);
}

extern "C" __global__ void mrg(double* uniform, unsigned long long seed) {
  curandStateMRG32k3a_t state;
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  curand_init(seed, at, 0, &state);
  for (int i = 0; i < 4; ++i) uniform[4 * at + i] = curand_uniform_double(&state);
}
