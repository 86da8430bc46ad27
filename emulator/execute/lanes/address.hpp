// From rows of addresses to host pointers, checked.
#pragma once

#include "execute/lanes/row.hpp"

namespace emulator::EMULATOR_SET {
namespace {

/// What inactive lanes read: no lane's result is kept, but every lane of a row can be loaded.
alignas(64) inline const u8 kNowhere[64] = {};

/// The addresses of the row: base register (32 or 64 bits, flags bit 0) plus the immediate. Without a base register
/// (flags bit 1) the immediate alone.
constexpr std::uint8_t kWideAddress = 1;
constexpr std::uint8_t kFixedAddress = 2;

inline void addresses(const Warp& warp, const Instruction& in, unsigned operand, u64* out) {
  const auto offset = static_cast<u64>(in.immediate);
  if ((in.flags & kFixedAddress) != 0) {
    for (unsigned i = 0; i < kLanes; ++i) out[i] = offset;
  } else if ((in.flags & kWideAddress) != 0) {
    const u64* base = row<u64>(warp, in.operand[operand]);
    for (unsigned i = 0; i < kLanes; ++i) out[i] = base[i] + offset;
  } else {
    const u32* base = row<u32>(warp, in.operand[operand]);
    for (unsigned i = 0; i < kLanes; ++i) out[i] = static_cast<u32>(base[i] + static_cast<u32>(offset));
  }
}

/// One address of any space to its byte on the host, or a fault.
inline u8* locate_one(Warp& warp, const Instruction& in, unsigned lane, ptx::Space space, u64 address,
                      std::size_t bytes) {
  using ptx::Space;
  if ((address & (bytes - 1)) != 0) raise_misaligned(warp, in, lane, address, bytes);
  bool generic = false;
  if (space == Space::generic) {
    const u64 window = address & kWindowMask;
    generic = true;
    space = window == kSharedWindow      ? Space::shared
            : window == kLocalWindow     ? Space::local
            : window == kParameterWindow ? Space::parameter
                                         : Space::global;
    if (space != Space::global) address &= ~kWindowMask;
  }
  switch (space) {
    case Space::shared:
      if (address > warp.shared_bytes || bytes > warp.shared_bytes - address) {
        raise_bounds(warp, in, lane, "shared memory", address, bytes, warp.shared_bytes);
      }
      return reinterpret_cast<u8*>(warp.shared) + address;
    case Space::local:
      if (address > warp.local_bytes || bytes > warp.local_bytes - address) {
        raise_bounds(warp, in, lane, "local memory", address, bytes, warp.local_bytes);
      }
      return reinterpret_cast<u8*>(warp.local) + lane * warp.local_bytes + address;
    case Space::parameter:
      if (address > warp.parameter_bytes || bytes > warp.parameter_bytes - address) {
        raise_bounds(warp, in, lane, "parameter space", address, bytes, warp.parameter_bytes);
      }
      return const_cast<u8*>(reinterpret_cast<const u8*>(warp.parameters)) + address;
    default:
      return reinterpret_cast<u8*>(resolve_global(warp, in, lane, address, bytes, generic));
  }
}

/// A stretch of global memory of any length.
inline const u8* locate_bytes(Warp& warp, const Instruction& in, unsigned lane, u64 address, std::size_t bytes) {
  const Extent& hint = warp.hints[&in - warp.code];
  if (hint.holds(address, bytes)) return reinterpret_cast<const u8*>(address);
  return reinterpret_cast<const u8*>(resolve_global(warp, in, lane, address, bytes, false));
}

/// Local addresses are relative to the frame when they name a variable of the function.
inline u64 frame_offset(const Warp& warp, const Instruction& in) {
  return (in.flags & kFixedAddress) != 0 ? warp.frame_local : 0;
}

/// The host addresses of the lanes of `mask`; the others point nowhere harmful. True when the lanes are all active and
/// lie one behind the other. `bytes` is a power of two.
template <ptx::Space kSpace>
bool locate(Warp& warp, const Instruction& in, u32 mask, std::size_t bytes, const u8** out) {
  using ptx::Space;
  if (kSpace == Space::parameter && (in.flags & kFixedAddress) != 0) {
    const u8* at =
        locate_one(warp, in, static_cast<unsigned>(__builtin_ctz(mask)), kSpace, static_cast<u64>(in.immediate), bytes);
    for (unsigned i = 0; i < kLanes; ++i) out[i] = at;
    return false;
  }
  alignas(64) u64 address[kLanes];
  addresses(warp, in, 1, address);
  if (kSpace == Space::global || kSpace == Space::shared) {
    // Inactive lanes take the address of an active one, so that they change neither bound nor alignment.
    if (mask != kAllLanes) {
      const u64 stand_in = address[__builtin_ctz(mask)];
      for (unsigned i = 0; i < kLanes; ++i) address[i] = (mask & (1u << i)) != 0 ? address[i] : stand_in;
    }
    u64 low = address[0], high = address[0], crooked = 0, sparse = 0;
    for (unsigned i = 0; i < kLanes; ++i) {
      low = address[i] < low ? address[i] : low;
      high = address[i] > high ? address[i] : high;
      crooked |= address[i];
      sparse |= address[i] ^ (address[0] + i * bytes);
    }
    if (kSpace == Space::shared) {
      if ((crooked & (bytes - 1)) == 0 && bytes <= warp.shared_bytes && high <= warp.shared_bytes - bytes) {
        const u8* base = reinterpret_cast<const u8*>(warp.shared);
        for (unsigned i = 0; i < kLanes; ++i) out[i] = base + address[i];
        return sparse == 0 && mask == kAllLanes;
      }
    } else {
      const Extent& hint = warp.hints[&in - warp.code];
      if ((crooked & (bytes - 1)) == 0 && low >= hint.begin && high < hint.end && bytes <= hint.end - high) {
        for (unsigned i = 0; i < kLanes; ++i) out[i] = reinterpret_cast<const u8*>(address[i]);
        return sparse == 0 && mask == kAllLanes;
      }
    }
  }
  const u64 frame = kSpace == Space::local ? frame_offset(warp, in) : 0;
  for (unsigned i = 0; i < kLanes; ++i) out[i] = kNowhere;
  for_lanes(mask, [&](unsigned i) { out[i] = locate_one(warp, in, i, kSpace, address[i] + frame, bytes); });
  return false;
}

}  // namespace
}  // namespace emulator::EMULATOR_SET
