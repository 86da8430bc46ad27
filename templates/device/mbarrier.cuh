// Barriers in shared memory that count arrivals and bytes. A barrier's phases alternate in parity: whoever waits names
// the parity of the phase that must have ended. PTX ISA: mbarrier (9.7.13.15), fence.mbarrier_init (9.7.13.4).
#pragma once

#include "device/copy.cuh"

namespace osdn {

struct Mbarrier {
  unsigned long long state;

  void initialise(unsigned arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(this)), "r"(arrivals) : "memory");
  }

  void arrive() {
    asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(shared_address(this)) : "memory");
  }

  /// Arrives, and lets the phase also wait for so many bytes of bulk copies.
  void arrive_expecting(unsigned bytes) {
    asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(this)),
                 "r"(bytes)
                 : "memory");
  }

  bool has_passed(unsigned parity) {
    unsigned passed;
    asm volatile(
        "{\n.reg .pred p;\n"
        "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n}"
        : "=r"(passed)
        : "r"(shared_address(this)), "r"(parity)
        : "memory");
    return passed != 0;
  }

  void wait(unsigned parity) {
    while (!has_passed(parity)) {
    }
  }
};

/// Makes initialised barriers known to the copy engine; other threads still need a barrier of the CTA.
inline void fence_mbarrier_initialisation() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

}  // namespace osdn
