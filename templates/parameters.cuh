// The one argument of every kernel. Compiled by NVRTC for the device and by the host compiler for the runtime, so it
// uses built-in types only and both sides agree on its layout by construction.
#pragma once

namespace osdn {

struct ForwardParameters {
  // Sizes: tokens per batch entry (all tokens of a packed batch), key and value heads, sequences.
  long long tokens;
  long long sequences;
  int key_heads;
  int value_heads;

  // Inputs and outputs; layouts in include/osdn/arguments.hpp. Null: not given or not wanted.
  const void* q;
  const void* k;
  const void* v;
  const void* beta;
  const float* log_gamma;
  const float* initial_state;
  const float* initial_d;
  const void* cu_seqlens;
  void* o;
  float* final_state;
  float* final_d;

  // Workspace: what the preconditioner phase tells the delta rule phase.
  float* gain;      // [HV, B·T] μ_t z_t, the scalar that moves d
  float* d_chunks;  // [HV, chunks, K] d at the start of each chunk, chunks = ⌊B·T / C⌋ + N

  float eta;
  float d_min;
  float d_max;
  float norm_eps;
  float anchor;
  float log_gamma_constant;
  float scale;
  int cu_seqlens_is_int64;
};

}  // namespace osdn
