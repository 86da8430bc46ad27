// Warpgroups: four warps in a row, the first one's number a multiple of four. PTX ISA: setmaxnreg (9.7.19.5), bar.sync
// (9.7.13.1), elect.sync (9.7.13.14).
#pragma once

#include "device/warp.cuh"

namespace osdn {

inline constexpr int warpgroup_threads = 128;

/// The same in every lane of a warp, and known to be so to the compiler.
inline int warpgroup_id() {
  return __shfl_sync(all_lanes, static_cast<int>(threadIdx.x) / warpgroup_threads, 0);
}
inline int warpgroup_thread() {
  return threadIdx.x % warpgroup_threads;
}

/// Gives registers of this warpgroup's threads back, so that each keeps `count`.
template <int count>
inline void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count));
}
/// Waits until there are enough for each thread to have `count`.
template <int count>
inline void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count));
}

/// True in one lane of a whole warp.
inline bool is_elected() {
  unsigned elected;
  asm volatile("{\n.reg .pred p;\nelect.sync _|p, 0xffffffff;\nselp.u32 %0, 1, 0, p;\n}" : "=r"(elected));
  return elected != 0;
}

/// Barriers between groups, by so many threads, whole warps: who arrives does not wait for those who sync.
/// The numbers are constants, so that a kernel takes no more barriers of its multiprocessor than it uses.
template <int barrier, int threads>
inline void barrier_sync() {
  asm volatile("bar.sync %0, %1;" ::"n"(barrier), "n"(threads) : "memory");
}
template <int barrier, int threads>
inline void barrier_arrive() {
  asm volatile("bar.arrive %0, %1;" ::"n"(barrier), "n"(threads) : "memory");
}

/// The same where code is shared by groups with a barrier each.
template <int threads>
inline void barrier_sync(int barrier) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "n"(threads) : "memory");
}
template <int threads>
inline void barrier_arrive(int barrier) {
  asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "n"(threads) : "memory");
}

/// All warps of a CTA, as a group that works together.
template <int warps_>
struct WholeCta {
  static constexpr int warps = warps_;
  static constexpr int threads = 32 * warps;
  static int thread() { return threadIdx.x; }
  static int warp() { return warp_id(); }
  static void sync() { __syncthreads(); }
};

/// A warpgroup as one. Whoever shares the CTA with it keeps off its barrier.
template <int barrier>
struct Warpgroup {
  static constexpr int warps = 4;
  static constexpr int threads = warpgroup_threads;
  static int thread() { return warpgroup_thread(); }
  static int warp() { return thread() / 32; }
  static void sync() { asm volatile("bar.sync %0, 128;" ::"n"(barrier) : "memory"); }
  /// Whether x is true in any thread; a barrier.
  static bool any(bool x) {
    unsigned out;
    asm volatile("{\n .reg .pred p;\n setp.ne.u32 p, %1, 0;\n bar.red.or.pred p, %2, 128, p;\n selp.u32 %0, 1, 0, p;\n}"
                 : "=r"(out)
                 : "r"(static_cast<unsigned>(x)), "n"(barrier)
                 : "memory");
    return out != 0;
  }
};

/// Each of a CTA's warpgroups as one, in code that several of them run: their barriers are numbered from `first` on.
template <int first>
struct EachWarpgroup {
  static constexpr int warps = 4;
  static constexpr int threads = warpgroup_threads;
  static int thread() { return warpgroup_thread(); }
  static int warp() { return thread() / 32; }
  static int barrier() { return first + static_cast<int>(threadIdx.x) / warpgroup_threads; }
  static void sync() { barrier_sync<threads>(barrier()); }
  static bool any(bool x) {
    unsigned out;
    asm volatile("{\n .reg .pred p;\n setp.ne.u32 p, %1, 0;\n bar.red.or.pred p, %2, 128, p;\n selp.u32 %0, 1, 0, p;\n}"
                 : "=r"(out)
                 : "r"(static_cast<unsigned>(x)), "r"(barrier())
                 : "memory");
    return out != 0;
  }
};

}  // namespace osdn
