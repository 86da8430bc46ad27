// Rules for what moves, selects and compares.
#include "strict/look.hpp"

namespace emulator::rules {
namespace {

using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

/// A register file of its own for a handler that is to work on shadows.
class Scratch {
 public:
  explicit Scratch(const Instruction& in) : in_(in) {}
  Instruction& instruction() { return in_; }
  void operand(unsigned k, const void* row) {
    put(k, row);
    in_.operand[k] = static_cast<RowOperand>(k * kRow);
  }
  void list(unsigned k, const void* row) {
    put(kOperands + k, row);
    room_in_list(k);
  }
  void room(unsigned k) { in_.operand[k] = static_cast<RowOperand>(k * kRow); }
  void room_in_list(unsigned k) {
    list_[k] = static_cast<RowOperand>((kOperands + k) * kRow);
    in_.list = list_.data();
  }
  void run(Warp& warp, u32 mask) {
    std::byte* registers = warp.base[0];
    warp.base[0] = rows_.data();
    in_.handler(warp, in_, mask);
    warp.base[0] = registers;
  }
  [[nodiscard]] const std::byte* row(unsigned k) const { return rows_.data() + k * kRow; }
  [[nodiscard]] const std::byte* list_row(unsigned k) const { return row(kOperands + k); }

 private:
  static constexpr std::size_t kRow = 256, kOperands = 6, kElements = 8;
  void put(std::size_t slot, const void* row) { std::memcpy(rows_.data() + slot * kRow, row, kRow); }
  Instruction in_;
  std::array<RowOperand, kElements> list_{};
  alignas(64) std::array<std::byte, (kOperands + kElements) * kRow> rows_;
};

/// Bits that differ between a and b if either could be taken.
template <class T>
T either(T a, T b, T ua, T ub) {
  return static_cast<T>(ua | ub | (a ^ b));
}

template <class T>
void select_by(const Look& look, u32 first, u32 unknown) {
  const T* a = look.value<T>(look.in.operand[1]);
  const T* b = look.value<T>(look.in.operand[2]);
  const T* ua = look.undefined<T>(look.in.operand[1]);
  const T* ub = look.undefined<T>(look.in.operand[2]);
  T* d = look.result<T>(0);
  for (unsigned i = 0; i < kLanes; ++i) {
    d[i] = (unknown >> i & 1u) != 0 ? either(a[i], b[i], ua[i], ub[i]) : (first >> i & 1u) != 0 ? ua[i] : ub[i];
  }
}

void select_wide(const Look& look, u32 first, u32 unknown) {
  if (look.flow.width == 2) return select_by<u16>(look, first, unknown);
  if (look.flow.width == 4) return select_by<u32>(look, first, unknown);
  select_by<u64>(look, first, unknown);
}

/// The smallest and the largest value that a may have decide: exact for two independent values.
template <class T>
bool undecided(Comparison op, T a, T b, T ua, T ub) {
  if (op == Comparison::eq || op == Comparison::ne) return (ua | ub) != 0 && ((a ^ b) & ~(ua | ub)) == 0;
  const auto a_low = static_cast<T>(a & ~ua), a_high = static_cast<T>(a | ua);
  const auto b_low = static_cast<T>(b & ~ub), b_high = static_cast<T>(b | ub);
  if (op == Comparison::lt || op == Comparison::ge) return !(a_high < b_low) && !(a_low >= b_high);
  return !(a_high <= b_low) && !(a_low > b_high);
}

template <class T>
u32 undecided_lanes(const Look& look) {
  const T* a = look.value<T>(look.in.operand[2]);
  const T* b = look.value<T>(look.in.operand[3]);
  const T* ua = look.undefined<T>(look.in.operand[2]);
  const T* ub = look.undefined<T>(look.in.operand[3]);
  if (look.in.operand[2] == look.in.operand[3]) return 0;
  const T sign = look.flow.is_signed ? static_cast<T>(T{1} << (sizeof(T) * 8 - 1)) : T{0};  // orders like unsigned
  u32 lanes = 0;
  for (unsigned i = 0; i < kLanes; ++i) {
    if ((ua[i] | ub[i]) == 0) continue;
    const auto x = static_cast<T>(a[i] ^ sign), y = static_cast<T>(b[i] ^ sign);
    lanes |= static_cast<u32>(undecided<T>(static_cast<Comparison>(look.flow.operation), x, y, ua[i], ub[i])) << i;
  }
  return lanes;
}

/// p and q compare the halves of two pairs: `which` 0 or 1.
u32 undecided_half(const Look& look, unsigned which) {
  const u32* a = look.undefined<u32>(look.in.operand[2]);
  const u32* b = look.undefined<u32>(look.in.operand[3]);
  u32 lanes = 0;
  for (unsigned i = 0; i < kLanes; ++i) {
    lanes |= static_cast<u32>(((a[i] | b[i]) >> 16 * which & 0xFFFFu) != 0) << i;
  }
  return lanes;
}

u32 undecided_of(const Look& look, unsigned which) {
  if (look.flow.data == kPairedHalves) return undecided_half(look, which);
  switch (look.flow.width) {
    case 2:
      return undecided_lanes<u16>(look);
    case 4:
      return undecided_lanes<u32>(look);
    case 8:
      return undecided_lanes<u64>(look);
    default: {
      u32 lanes = 0;
      for (unsigned k = 0; k < look.footprint.reads; ++k) lanes |= look.undefined_lanes(look.read(k));
      return lanes;
    }
  }
}

/// and, or: a defined operand that decides makes the other irrelevant.
u32 combined(IntegerOp op, u32 a, u32 b, u32 ua, u32 ub) {
  switch (op) {
    case IntegerOp::bit_and:
      return (ua & ub) | (ua & b) | (ub & a);
    case IntegerOp::bit_or:
      return (ua & ub) | (ua & ~b) | (ub & ~a);
    default:
      return ua | ub;
  }
}

}  // namespace

/// The handler itself moves the shadow: where a bit goes to does not depend on its value.
void move(const Look& look) {
  Scratch scratch(look.in);
  const unsigned data = look.flow.data;
  u32 lost = 0;
  for (unsigned k = 0; k < 6; ++k) {
    if ((data >> k & 1u) != 0) scratch.operand(k, look.undefined_row(look.in.operand[k]));
    if ((look.flow.controls >> k & 1u) == 0) continue;
    scratch.operand(k, look.value<std::byte>(look.in.operand[k]));
    lost |= lanes_set(look.undefined_row(look.in.operand[k]), 4);
  }
  const bool unpacks = (data & 1u) != 0;
  const unsigned elements = look.flow.operation;
  if (!unpacks) scratch.room(0);
  for (unsigned k = 0; k < elements; ++k) {
    if (unpacks) {
      scratch.room_in_list(k);
    } else {
      scratch.list(k, look.undefined_row(look.in.list[k]));
    }
  }
  scratch.run(look.warp, look.mask);
  if (!unpacks) std::memcpy(look.result<std::byte>(0), scratch.row(0), 256);
  for (unsigned k = 0, written = 0; unpacks && k < elements; ++k) {
    if ((look.in.mode >> k & 1u) != 0) continue;
    std::memcpy(look.result<std::byte>(written++), scratch.list_row(k), 256);
  }
  if (lost == 0) return;
  alignas(64) std::byte all[256] = {};
  fill_lanes(all, look.written(0).bytes, lost);
  for (unsigned k = 0; k < 256; ++k) look.result<std::byte>(0)[k] |= all[k];
}

void copy(const Look& look) {
  std::memcpy(look.result<std::byte>(0), look.undefined_row(look.in.operand[1]), 256);
}

void predicate_copy(const Look& look) {
  look.out.predicates[0] = look.predicate_undefined(look.in.operand[1]);
}

void predicate(const Look& look) {
  const auto op = static_cast<IntegerOp>(look.flow.operation);
  const u32 ua = look.predicate_undefined(look.in.operand[1]);
  if (op == IntegerOp::bit_not) {
    look.out.predicates[0] = ua;
    return;
  }
  const u32 a = look.predicate(look.in.operand[1]) ^ ((look.in.mode & 1) != 0 ? kAllLanes : 0);
  const u32 b = look.predicate(look.in.operand[2]) ^ ((look.in.mode & 2) != 0 ? kAllLanes : 0);
  const u32 ub = look.predicate_undefined(look.in.operand[2]);
  const bool nothing = op == IntegerOp::bit_xor && look.in.operand[1] == look.in.operand[2];
  look.out.predicates[0] = nothing ? 0 : combined(op, a, b, ua, ub);
}

/// setp and the first half of set. mode as the handler reads it: bits 0-1 combine, 2: !c, 3: has q, 4: has p.
void compare(const Look& look) {
  const unsigned mode = look.in.mode;
  const std::array<u32, 2> unknown = {undecided_of(look, 0), undecided_of(look, 1)};
  const bool has_p = (mode & 16) != 0, has_q = (mode & 8) != 0;
  const unsigned how = mode & 3;
  unsigned written = 0;
  if (how == 0) {
    if (has_p) look.out.predicates[written++] = unknown[0];
    if (has_q) look.out.predicates[written++] = unknown[1];
    return;
  }
  // What is combined is the comparison's own result.
  Scratch plain(look.in);
  plain.operand(2, look.value<std::byte>(look.in.operand[2]));
  plain.operand(3, look.value<std::byte>(look.in.operand[3]));
  plain.room(0);
  plain.room(1);
  plain.instruction().mode = 16 | 8;
  plain.run(look.warp, kAllLanes);
  const u32 c = look.predicate(look.in.operand[4]) ^ ((mode & 4) != 0 ? kAllLanes : 0);
  const u32 uc = look.predicate_undefined(look.in.operand[4]);
  const IntegerOp op = how == 1 ? IntegerOp::bit_and : how == 2 ? IntegerOp::bit_or : IntegerOp::bit_xor;
  for (const unsigned which : {0u, 1u}) {
    if (!(which == 0 ? has_p : has_q)) continue;
    u32 value = 0;
    std::memcpy(&value, plain.row(which), sizeof(value));
    look.out.predicates[written++] = combined(op, value, c, unknown[which], uc);
  }
}

void select(const Look& look) {
  const u32 p = look.predicate(look.in.operand[3]) ^ (look.in.mode != 0 ? kAllLanes : 0);
  select_wide(look, p, look.predicate_undefined(look.in.operand[3]));
}

void select_sign(const Look& look) {
  const u32* bits = look.undefined<u32>(look.in.operand[3]);
  const bool real = look.flow.data == kFloatSelector;
  u32 first = 0, unknown = 0;
  for (unsigned i = 0; i < kLanes; ++i) {
    const bool positive =
        real ? look.value<float>(look.in.operand[3])[i] >= 0.0f : look.value<std::int32_t>(look.in.operand[3])[i] >= 0;
    first |= static_cast<u32>(positive) << i;
    unknown |= static_cast<u32>((bits[i] & (real ? ~0u : 0x80000000u)) != 0) << i;
  }
  select_wide(look, first, unknown);
}

}  // namespace emulator::rules
