// The invert role: T = (I + L)⁻¹ of each chunk beside the preparation of the next one, by the three warps that the copy
// leaves of its warpgroup.
#pragma once

#include "device/bulk_copy.cuh"
#include "device/element.cuh"
#include "device/swizzle.cuh"
#include "device/warpgroup.cuh"
#include "hopper/chain.cuh"
#include "inverse.cuh"

namespace osdn {

template <class Traits>
struct HopperInversion {
  using Shared = HopperShared<Traits>;
  using Type = Element<Traits::type>;
  static constexpr int C = Traits::chunk;
  static constexpr int stride = Shared::layout.system_stride;

  /// Warps 1, 2 and 3 of their warpgroup.
  struct Group {
    static constexpr int warps = 3;
    static constexpr int threads = 32 * warps;
    static int thread() { return warpgroup_thread() - 32; }
    static int warp() { return thread() / 32; }
    static void sync() { asm volatile("bar.sync 2, 96;" ::: "memory"); }
  };

  /// (I + L)^{-1} as the state's operand: rounded, and what the rounding lost.
  static void round_inverse(const Shared& shared, int slot) {
    unsigned char* const inverse = shared.inverse(slot);
    unsigned char* const remainder = shared.remainder(slot);
#pragma unroll 1
    for (int item = Group::thread(); item < C * C / 8; item += Group::threads) {
      const int row = item / 8;
      const int chunk = item % 8;
      const float4* const from = reinterpret_cast<const float4*>(shared.system(slot) + row * stride + 8 * chunk);
      const float4 first = from[0];
      const float4 second = from[1];
      float x[8] = {first.x, first.y, first.z, first.w, second.x, second.y, second.z, second.w};
      unsigned rounded[4];
      unsigned lost[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float low = 8 * chunk + 2 * i <= row ? x[2 * i] : 0.0F;
        const float high = 8 * chunk + 2 * i + 1 <= row ? x[2 * i + 1] : 0.0F;
        rounded[i] = Type::pack(low, high);
        lost[i] = Type::pack(low - Type::to_float(static_cast<unsigned short>(rounded[i] & 0xffffU)),
                             high - Type::to_float(static_cast<unsigned short>(rounded[i] >> 16)));
      }
      const int to = panel_chunk(row, chunk);
      *reinterpret_cast<uint4*>(inverse + to) = uint4{rounded[0], rounded[1], rounded[2], rounded[3]};
      if constexpr (Shared::has_remainder) {
        *reinterpret_cast<uint4*>(remainder + to) = uint4{lost[0], lost[1], lost[2], lost[3]};
      }
    }
  }

  static void run(const ForwardParameters& p) {
    const Shared shared;
    typename Shared::Prepared slot;
    for_each_chain<Traits>(p, [&](unsigned number) {
      int left = Chain<Traits>(p, number).tokens;
#pragma unroll 1
      for (; left > 0; left -= C) {
        shared.posed(slot.place()).wait(slot.parity());
        invert_blocked<C, stride, Group>(shared.system(slot.place()));
        round_inverse(shared, slot.place());
        fence_async_proxy();
        Group::sync();
        if (Group::thread() == 0) shared.ready(slot.place()).arrive();
        slot.next();
      }
    });
  }
};

}  // namespace osdn
