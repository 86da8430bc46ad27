// Loads, stores, atomics and asynchronous copies: shadows between registers and memory.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "execute/block.hpp"
#include "strict/definedness.hpp"

namespace emulator {
namespace {

using ptx::Space;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

constexpr unsigned kMaxBytes = 32;  // of one lane's access

bool any_set(const std::uint8_t* bytes, std::size_t count) {
  std::uint8_t all = 0;
  for (std::size_t k = 0; k < count; ++k) all |= bytes[k];
  return all != 0;
}

bool any_clear(const std::uint8_t* bytes, std::size_t count) {
  return std::memchr(bytes, 0, count) != nullptr;
}

/// What a register of `to` bytes holds of a value of `from` bytes: shadows are extended as values are.
void extend(const std::uint8_t* bits, unsigned from, bool is_signed, std::byte* row, unsigned to, unsigned lane) {
  std::uint8_t wide[8];
  const bool sign = is_signed && (bits[from - 1] & 0x80u) != 0;
  std::fill(std::begin(wide), std::end(wide), static_cast<std::uint8_t>(sign ? 0xFF : 0));
  std::copy_n(bits, from, wide);
  std::memcpy(row + lane * to, wide, to);
}

/// Calls f with the width as a constant; accesses have a power of two up to 32.
template <class F>
void with_width(unsigned bytes, F f) {
  switch (bytes) {
    case 1:
      return f(std::integral_constant<unsigned, 1>());
    case 2:
      return f(std::integral_constant<unsigned, 2>());
    case 4:
      return f(std::integral_constant<unsigned, 4>());
    case 8:
      return f(std::integral_constant<unsigned, 8>());
    case 16:
      return f(std::integral_constant<unsigned, 16>());
    default:
      return f(std::integral_constant<unsigned, 32>());
  }
}

/// True when all lanes access one space, with the same number of bytes.
bool uniform(const Access& access, Space space) {
  if (access.asynchronous) return false;
  unsigned others = 0;
  each_lane(access.mask, [&](unsigned lane) { others |= static_cast<unsigned>(access.space[lane] != space); });
  return others == 0;
}

u32 number_of(const Look& look) {
  return static_cast<u32>(&look.in - look.warp.code);
}

}  // namespace

MemoryShadow* Definedness::memory_of(const Access& access, unsigned lane, const Warp& warp, std::size_t& at) {
  switch (access.space[lane]) {
    case Space::shared:
      at = access.address[lane];
      return &shared_;
    case Space::local:
      at = local_at(warp, lane, access.address[lane]);
      return &local_;
    default:
      return nullptr;
  }
}

std::uint8_t* Definedness::written(const Look& look, u64 address, std::size_t bytes) {
  const Extent* extent = &look.warp.hints[number_of(look)];
  if (!extent->holds(address, bytes)) {
    if (!extent_.holds(address, bytes)) extent_ = block_.memory().find(address);
    extent = &extent_;
  }
  if (extent->written == nullptr || !extent->holds(address, bytes)) return nullptr;
  return extent->written + (address - extent->begin);
}

bool Definedness::intact(const Look& look, const Access& access, unsigned lane) {
  const std::size_t bytes = access.used[lane];
  if (access.space[lane] == Space::global) {
    const std::uint8_t* marks = written(look, access.address[lane], bytes);
    return marks == nullptr || !any_clear(marks, bytes);
  }
  std::size_t at = 0;
  const MemoryShadow* shadow = memory_of(access, lane, look.warp, at);
  return shadow == nullptr || !any_set(shadow->bits(at), bytes);
}

u32 Definedness::undefined_lanes(const Look& look, const Access& access) {
  if (uniform(access, Space::shared)) {
    std::uint8_t all = 0;
    with_width(access.bytes, [&](auto width) {
      each_lane(access.mask, [&](unsigned lane) {
        const std::uint8_t* bits = shared_.bits(access.address[lane]);
        for (unsigned k = 0; k < width(); ++k) all |= bits[k];
      });
    });
    if (all == 0) return 0;
  }
  u32 lanes = 0;
  each_lane(access.mask, [&](unsigned lane) { lanes |= static_cast<u32>(!intact(look, access, lane)) << lane; });
  return lanes;
}

/// What every lane stores is defined.
void Definedness::define(const Look& look, const Access& access) {
  if (uniform(access, Space::shared)) {
    return with_width(access.bytes, [&](auto width) {
      each_lane(access.mask, [&](unsigned lane) { std::memset(shared_.bits(access.address[lane]), 0, width()); });
    });
  }
  const std::uint8_t bits[kMaxBytes] = {};
  each_lane(access.mask, [&](unsigned lane) { put(look, access, lane, bits, kNoOrigin); });
}

bool Definedness::fetch(const Look& look, const Access& access, unsigned lane, std::uint8_t* bits, OriginId& origin) {
  const std::size_t bytes = access.used[lane];
  const u64 address = access.address[lane];
  std::fill_n(bits, bytes, std::uint8_t{0});
  if (access.space[lane] == Space::global) {
    const std::uint8_t* marks = written(look, address, bytes);
    if (marks == nullptr || !any_clear(marks, bytes)) return false;
    std::size_t first = bytes;
    for (std::size_t k = bytes; k-- > 0;) {
      if (marks[k] != 0) continue;
      bits[k] = 0xFF;
      first = k;
    }
    origin = origins_.add(Origin::Kind::global, number_of(look), address + first);
    return true;
  }
  std::size_t at = 0;
  const MemoryShadow* shadow = memory_of(access, lane, look.warp, at);
  if (shadow == nullptr || !any_set(shadow->bits(at), bytes)) return false;
  std::copy_n(shadow->bits(at), bytes, bits);
  std::size_t first = 0;
  while (bits[first] == 0) ++first;
  origin = shadow->origin(at + first);
  if (origin == kNoOrigin) {
    const auto kind = access.space[lane] == Space::shared ? Origin::Kind::shared : Origin::Kind::local;
    origin = origins_.add(kind, number_of(look), address + first);
  }
  return true;
}

void Definedness::put(const Look& look, const Access& access, unsigned lane, const std::uint8_t* bits,
                      OriginId origin) {
  const std::size_t bytes = access.used[lane];
  if (access.space[lane] == Space::global) {
    if (std::uint8_t* marks = written(look, access.address[lane], bytes)) std::memset(marks, 1, bytes);
    return;
  }
  std::size_t at = 0;
  const MemoryShadow* shadow = memory_of(access, lane, look.warp, at);
  if (shadow == nullptr) return;
  std::copy_n(bits, bytes, shadow->bits(at));
  if (!any_set(bits, bytes)) return;
  for (std::size_t k = 0; k < bytes; ++k) {
    if (bits[k] != 0) shadow->origin(at + k) = origin;
  }
}

void Definedness::load(const Look& look, const Access& access) {
  const u32 undefined = undefined_lanes(look, access);
  if (undefined == 0 && !writes_dirty(look)) return;
  outcome_.active = true;
  look.define();
  const unsigned element = look.flow.width, to = look.flow.operation;
  each_lane(undefined, [&](unsigned lane) {
    std::uint8_t bits[kMaxBytes];
    fetch(look, access, lane, bits, outcome_.origin[lane]);
    unsigned row = 0;
    for (unsigned k = 0; k < look.in.count; ++k) {
      if ((look.in.mode >> k & 1u) != 0) continue;  // the sink _
      extend(bits + k * element, element, look.flow.is_signed, outcome_.rows[row++].data(), to, lane);
    }
  });
}

void Definedness::store(const Look& look, const Access& access, bool dirty) {
  if (!dirty) return define(look, access);
  const unsigned element = look.flow.width, from = look.flow.operation;
  std::uint8_t bits[kMaxBytes] = {};
  each_lane(access.mask, [&](unsigned lane) {
    unsigned first = look.in.count;
    for (unsigned k = look.in.count; k-- > 0;) {
      std::memcpy(bits + k * element, look.undefined_row(look.in.list[k]) + lane * from, element);
      if (any_set(bits + k * element, element)) first = k;
    }
    OriginId origin = kNoOrigin;
    if (first < look.in.count) {
      const RowOperand operand = look.in.list[first];
      const u64 address = access.address[lane] + first * element;
      if (access.space[lane] == Space::global) {
        raise_store(look, lane, operand, address, any_clear(bits, access.used[lane]));
      }
      origin = look.origin_of(operand, lane);
    }
    put(look, access, lane, bits, origin);
  });
}

/// Lane 8 m + r holds the address of row r of matrix m, whose 16 bytes go to the lanes 4 r … 4 r + 3, or, transposed,
/// half k to lane 4 k + r / 2 (PTX ISA 9.7.14.5.15).
void Definedness::load_matrices(const Look& look, const Access& access) {
  if (look.mask != kAllLanes) return;  // the handler lets them wait
  const u32 undefined = undefined_lanes(look, access);
  if (undefined == 0 && !writes_dirty(look)) return;
  outcome_.active = true;
  look.define();
  const bool transposed = look.in.mode != 0;
  each_lane(undefined, [&](unsigned holder) {
    std::uint8_t bits[kMaxBytes];
    OriginId origin = kNoOrigin;
    fetch(look, access, holder, bits, origin);
    auto* halves = look.result<u16>(holder / 8);
    const unsigned row = holder % 8;
    for (unsigned k = 0; k < 8; ++k) {
      const unsigned lane = transposed ? 4 * k + row / 2 : 4 * row + k / 2;
      u16 half = 0;
      std::memcpy(&half, bits + 2 * k, sizeof(half));
      halves[2 * lane + (transposed ? row % 2 : k % 2)] = half;
      if (half != 0) outcome_.origin[lane] = origin;
    }
  });
}

void Definedness::store_matrices(const Look& look, const Access& access) {
  if (look.mask != kAllLanes) return;
  const bool transposed = look.in.mode != 0;
  each_lane(access.mask, [&](unsigned holder) {
    std::uint8_t bits[kMaxBytes];
    OriginId origin = kNoOrigin;
    const RowOperand operand = look.in.list[holder / 8];
    const auto* halves = look.undefined<u16>(operand);
    const unsigned row = holder % 8;
    for (unsigned k = 0; k < 8; ++k) {
      const unsigned lane = transposed ? 4 * k + row / 2 : 4 * row + k / 2;
      const u16 half = halves[2 * lane + (transposed ? row % 2 : k % 2)];
      std::memcpy(bits + 2 * k, &half, sizeof(half));
      if (half != 0) origin = look.origin_of(operand, lane);
    }
    put(look, access, holder, bits, origin);
  });
}

template <class T>
void Definedness::atomic_as(const Look& look, const Access& access) {
  const auto op = static_cast<AtomicOp>(look.flow.operation);
  const T* b = look.undefined<T>(look.in.operand[2]);
  const T* c = look.undefined<T>(look.in.operand[3]);
  const bool bitwise = op == AtomicOp::bit_and || op == AtomicOp::bit_or || op == AtomicOp::bit_xor;
  outcome_.active = true;
  look.define();
  each_lane(access.mask, [&](unsigned lane) {
    T old = 0;
    OriginId origin = kNoOrigin;
    std::uint8_t bits[kMaxBytes];
    const bool memory = fetch(look, access, lane, bits, origin);
    std::memcpy(&old, bits, sizeof(T));
    const T operand = static_cast<T>(b[lane] | c[lane]);
    if (access.space[lane] == Space::global) {
      const RowOperand which = look.in.operand[b[lane] != 0 ? 2 : 3];
      if (operand != 0) raise_store(look, lane, which, access.address[lane], false);
      if (memory && op != AtomicOp::exch) {
        raise(look, lane, "an atomic operation depends on global memory that nobody wrote", origin);
      }
    }
    if (look.in.count != 0) {
      look.result<T>(0)[lane] = old;
      outcome_.origin[lane] = origin;
    }
    T after = static_cast<T>(old | operand);
    if (op == AtomicOp::exch) after = b[lane];
    if (op == AtomicOp::cas && (old | b[lane]) == 0) after = c[lane];
    const bool exact = bitwise || op == AtomicOp::exch || (op == AtomicOp::cas && (old | b[lane]) == 0);
    if (!exact && after != 0) after = static_cast<T>(~T{0});
    if (operand != 0) origin = look.origin_of(look.in.operand[b[lane] != 0 ? 2 : 3], lane);
    std::memcpy(bits, &after, sizeof(T));
    put(look, access, lane, bits, origin);
  });
}

void Definedness::atomic(const Look& look, const Access& access) {
  if (look.flow.width == 2) return atomic_as<u16>(look, access);
  if (look.flow.width == 4) return atomic_as<u32>(look, access);
  atomic_as<u64>(look, access);
}

/// The target is undefined until the copy lands. What the source lacks travels with it; what cp.async fills up is 0.
void Definedness::copy(const Look& look, const Access* accesses) {
  const Access& source = accesses[0];
  const Access& target = accesses[1];
  outcome_.active = true;
  copied_.fill(0);
  each_lane(source.mask, [&](unsigned lane) {
    if (source.used[lane] == 0) return;
    const std::uint8_t* marks = written(look, source.address[lane], source.used[lane]);
    if (marks == nullptr || !any_clear(marks, source.used[lane])) return;
    for (unsigned k = source.used[lane]; k-- > 0;) {
      if (marks[k] != 0) continue;
      copied_[lane] = static_cast<u16>(copied_[lane] | 1u << k);
      copied_origin_ = origins_.add(Origin::Kind::copied, number_of(look), source.address[lane] + k);
    }
  });
  each_lane(target.mask, [&](unsigned lane) {
    const u64 at = target.address[lane];
    shared_.undefine(at, target.bytes, origins_.add(Origin::Kind::in_flight, number_of(look), at));
  });
}

}  // namespace emulator
