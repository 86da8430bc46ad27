// ld and st (PTX ISA 9.7.9): addresses are checked for the whole row at once where that is possible.
#include "execute/lanes/address.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

using ptx::Space;

/// ld: list holds the destinations, operand[1] the address; M is the type in memory, R that of the registers.
template <Space kSpace, class M, class R>
void load_row(Warp& warp, const Instruction& in, u32 mask) {
  const u8* at[kLanes];
  const bool dense = locate<kSpace>(warp, in, mask, sizeof(M) * in.count, at);
  for (unsigned k = 0; k < in.count; ++k) {
    if ((in.mode >> k & 1) != 0) continue;  // the sink _
    alignas(64) R result[kLanes];
    if (dense && in.count == 1 && sizeof(M) == sizeof(R)) {
      std::memcpy(result, at[0], sizeof(result));
    } else {
      for (unsigned i = 0; i < kLanes; ++i) result[i] = static_cast<R>(read<M>(at[i] + k * sizeof(M)));
    }
    commit(row<R>(warp, in.list[k]), result, mask);
  }
}

template <Space kSpace, class M, class R>
void store_row(Warp& warp, const Instruction& in, u32 mask) {
  u8* at[kLanes];
  const bool dense = locate<kSpace>(warp, in, mask, sizeof(M) * in.count, const_cast<const u8**>(at));
  if (dense && in.count == 1 && sizeof(M) == sizeof(R)) {
    std::memcpy(at[0], row<R>(warp, in.list[0]), kLanes * sizeof(R));
    return;
  }
  const R* rows[8];
  for (unsigned k = 0; k < in.count; ++k) rows[k] = row<R>(warp, in.list[k]);
  for_lanes(mask, [&](unsigned i) {
    for (unsigned k = 0; k < in.count; ++k) {
      const M value = static_cast<M>(rows[k][i]);
      std::memcpy(at[i] + k * sizeof(M), &value, sizeof(M));
    }
  });
}

template <Space kSpace, class M>
Handler load_to(int register_bytes) {
  switch (register_bytes) {
    case 2:
      if constexpr (sizeof(M) <= 2) return load_row<kSpace, M, u16>;
      return nullptr;
    case 4:
      if constexpr (sizeof(M) <= 4) return load_row<kSpace, M, u32>;
      return nullptr;
    case 8:
      return load_row<kSpace, M, u64>;
    default:
      return nullptr;
  }
}

template <Space kSpace>
Handler load_from(ptx::Type type, int register_bytes) {
  const bool extend = ptx::is_signed(type) && ptx::size_of(type) < register_bytes;
  switch (ptx::size_of(type)) {
    case 1:
      return extend ? load_to<kSpace, s8>(register_bytes) : load_to<kSpace, u8>(register_bytes);
    case 2:
      return extend ? load_to<kSpace, s16>(register_bytes) : load_to<kSpace, u16>(register_bytes);
    case 4:
      return extend ? load_to<kSpace, s32>(register_bytes) : load_to<kSpace, u32>(register_bytes);
    case 8:
      return load_to<kSpace, u64>(register_bytes);
    default:
      return nullptr;
  }
}

template <Space kSpace, class M>
Handler store_from(int register_bytes) {
  switch (register_bytes) {
    case 2:
      if constexpr (sizeof(M) <= 2) return store_row<kSpace, M, u16>;
      return nullptr;
    case 4:
      if constexpr (sizeof(M) <= 4) return store_row<kSpace, M, u32>;
      return nullptr;
    case 8:
      return store_row<kSpace, M, u64>;
    default:
      return nullptr;
  }
}

template <Space kSpace>
Handler store_to(int bytes, int register_bytes) {
  switch (bytes) {
    case 1:
      return store_from<kSpace, u8>(register_bytes);
    case 2:
      return store_from<kSpace, u16>(register_bytes);
    case 4:
      return store_from<kSpace, u32>(register_bytes);
    case 8:
      return store_from<kSpace, u64>(register_bytes);
    default:
      return nullptr;
  }
}

}  // namespace

Handler load(Space space, ptx::Type type, int register_bytes) {
  switch (space) {
    case Space::generic:
      return load_from<Space::generic>(type, register_bytes);
    case Space::constant:
    case Space::global:
      return load_from<Space::global>(type, register_bytes);
    case Space::shared:
      return load_from<Space::shared>(type, register_bytes);
    case Space::local:
      return load_from<Space::local>(type, register_bytes);
    case Space::parameter:
      return load_from<Space::parameter>(type, register_bytes);
  }
  return nullptr;
}

Handler store(Space space, int bytes, int register_bytes) {
  switch (space) {
    case Space::generic:
      return store_to<Space::generic>(bytes, register_bytes);
    case Space::global:
      return store_to<Space::global>(bytes, register_bytes);
    case Space::shared:
      return store_to<Space::shared>(bytes, register_bytes);
    case Space::local:
      return store_to<Space::local>(bytes, register_bytes);
    default:
      return nullptr;
  }
}

}  // namespace emulator::EMULATOR_SET
