// What the CTAs of the fused Hopper kernel tell each other by words in global memory. PTX ISA: memory consistency model
// (8), ld.acquire (9.7.9.8), st.release (9.7.9.11), nanosleep (9.7.19.2).
#pragma once

#include "parameters.cuh"

namespace osdn {

/// A CTA's place in the order in which they began; __syncthreads lets the others of it know.
inline unsigned draw_ticket(const ForwardParameters& p) {
  return atomicAdd(p.progress, 1U);
}

/// The word of a sequence and value head.
inline unsigned* published_chunks(const ForwardParameters& p, long long n, int head) {
  return p.progress + 1 + n * p.value_heads + head;
}

/// Those who wait read the gains and d of the first chunks of a sequence and head.
struct ProgressOfChunks {
  unsigned* word;

  /// By a warp, behind a barrier of those who wrote.
  void publish(long long chunks) const {
    if (lane_id() != 0) return;
    asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(__cvta_generic_to_global(word)),
                 "r"(static_cast<unsigned>(chunks))
                 : "memory");
  }
};

/// What a thread knows of it. Each thread asks for itself: then nobody has to tell the others.
struct KnownChunks {
  const unsigned* word;
  unsigned known = 0;

  explicit KnownChunks(const unsigned* published) : word(published) {}

  void await(unsigned chunks) {
    while (known < chunks) {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                   : "=r"(known)
                   : "l"(__cvta_generic_to_global(word))
                   : "memory");
      if (known < chunks) asm volatile("nanosleep.u32 64;");
    }
  }
};

}  // namespace osdn
