// Moves, packing and unpacking of vectors (PTX ISA 9.7.9 mov).
#include "execute/lanes/row.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

template <class T>
void copy(Warp& warp, const Instruction& in, u32 mask) {
  T* d = row<T>(warp, in.operand[0]);
  const T* a = row<T>(warp, in.operand[1]);
  if (mask == kAllLanes) {
    std::memmove(d, a, kLanes * sizeof(T));
  } else {
    T result[kLanes];
    std::memcpy(result, a, sizeof(result));
    commit(d, result, mask);
  }
}

void copy_predicate(Warp& warp, const Instruction& in, u32 mask) {
  commit_mask(mask_row(warp, in.operand[0]), mask_row(warp, in.operand[1]) ^ (in.mode != 0 ? kAllLanes : 0), mask);
}

/// mov.b64 %rd, {%r1, %r2}: the first element is the lowest.
template <class D, class E, unsigned kCount>
void pack_row(Warp& warp, const Instruction& in, u32 mask) {
  alignas(64) D result[kLanes] = {};
  for (unsigned k = 0; k < kCount; ++k) {
    const E* a = row<E>(warp, in.list[k]);
    for (unsigned i = 0; i < kLanes; ++i) {
      result[i] = static_cast<D>(result[i] | static_cast<D>(static_cast<D>(a[i]) << (8 * sizeof(E) * k)));
    }
  }
  commit(row<D>(warp, in.operand[0]), result, mask);
}

template <class S, class E, unsigned kCount>
void unpack_row(Warp& warp, const Instruction& in, u32 mask) {
  alignas(64) S a[kLanes];  // a copy: an element may live where the source does
  std::memcpy(a, row<S>(warp, in.operand[0]), sizeof(a));
  for (unsigned k = 0; k < kCount; ++k) {
    if ((in.mode >> k & 1) != 0) continue;  // the sink _
    alignas(64) E result[kLanes];
    for (unsigned i = 0; i < kLanes; ++i) result[i] = static_cast<E>(a[i] >> (8 * sizeof(E) * k));
    commit(row<E>(warp, in.list[k]), result, mask);
  }
}

}  // namespace

Handler move(int bytes) {
  switch (bytes) {
    case 0:
      return copy_predicate;
    case 2:
      return copy<u16>;
    case 4:
      return copy<u32>;
    case 8:
      return copy<u64>;
    default:
      return nullptr;
  }
}

Handler pack(int element_bytes, int count) {
  switch (element_bytes * 10 + count) {
    case 22:
      return pack_row<u32, u16, 2>;
    case 24:
      return pack_row<u64, u16, 4>;
    case 42:
      return pack_row<u64, u32, 2>;
    default:
      return nullptr;
  }
}

Handler unpack(int element_bytes, int count) {
  switch (element_bytes * 10 + count) {
    case 22:
      return unpack_row<u32, u16, 2>;
    case 24:
      return unpack_row<u64, u16, 4>;
    case 42:
      return unpack_row<u64, u32, 2>;
    default:
      return nullptr;
  }
}

}  // namespace emulator::EMULATOR_SET
