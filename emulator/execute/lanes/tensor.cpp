// Matrix instructions of a warp (PTX ISA 9.7.14): mma, ldmatrix, stmatrix, movmatrix.
// Fragments are unpacked into plain matrices, multiplied, and packed again. In the manual's words, lane = 4 * group +
// t.
#include "execute/lanes/address.hpp"
#include "execute/lanes/collective.hpp"
#include "execute/lanes/product.hpp"
#include "execute/lanes/sets.hpp"

namespace emulator::EMULATOR_SET {
namespace {

using ptx::Type;

template <class B>
struct Byte {
  using Number = s32;
  static constexpr unsigned kPerRegister = 4;
  static s32 get(u32 word, unsigned k) { return static_cast<s32>(static_cast<B>(word >> 8 * k)); }
};

/// A[row][column] with M rows: register r of a lane holds kPerRegister neighbours of row group + 8 * (r odd), starting
/// at column t * kPerRegister, and registers 2, 3 lie 4 * kPerRegister columns to the right.
template <class E, unsigned kM, unsigned kK>
void unpack_a(const Warp& warp, const RowOperand* registers, typename E::Number (*a)[kK]) {
  constexpr unsigned kRows = kM / 8;
  constexpr unsigned kRegisters = kM * kK / 32 / E::kPerRegister;
  for (unsigned r = 0; r < kRegisters; ++r) {
    const u32* words = row<u32>(warp, registers[r]);
    const unsigned down = 8 * (r % kRows), right = r / kRows * 4 * E::kPerRegister;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      for (unsigned k = 0; k < E::kPerRegister; ++k) {
        a[lane / 4 + down][lane % 4 * E::kPerRegister + k + right] = E::get(words[lane], k);
      }
    }
  }
}

/// B[row][column], 8 columns: the same with rows and columns exchanged.
template <class E, unsigned kK>
void unpack_b(const Warp& warp, const RowOperand* registers, typename E::Number (*b)[8]) {
  constexpr unsigned kRegisters = kK * 8 / 32 / E::kPerRegister;
  for (unsigned r = 0; r < kRegisters; ++r) {
    const u32* words = row<u32>(warp, registers[r]);
    const unsigned down = r * 4 * E::kPerRegister;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      for (unsigned k = 0; k < E::kPerRegister; ++k) {
        b[lane % 4 * E::kPerRegister + k + down][lane / 4] = E::get(words[lane], k);
      }
    }
  }
}

/// C and D: lane holds columns 2t, 2t + 1 of row group, then of row group + 8.
template <class N, unsigned kM>
void unpack_c(const Warp& warp, const RowOperand* registers, N (*c)[8]) {
  for (unsigned r = 0; r < kM / 4; ++r) {
    const N* values = row<N>(warp, registers[r]);
    for (unsigned lane = 0; lane < kLanes; ++lane) c[lane / 4 + r / 2 * 8][lane % 4 * 2 + r % 2] = values[lane];
  }
}
template <class N, unsigned kM>
void pack_d(const Warp& warp, const RowOperand* registers, const N (*d)[8]) {
  for (unsigned r = 0; r < kM / 4; ++r) {
    N* values = row<N>(warp, registers[r]);
    for (unsigned lane = 0; lane < kLanes; ++lane) values[lane] = d[lane / 4 + r / 2 * 8][lane % 4 * 2 + r % 2];
  }
}
/// The rows of B. Columns stand in the order 0 2 4 6 1 3 5 7, in which C's registers hold them.
template <class E, unsigned kK>
void rows_of_b(const Warp& warp, const RowOperand* registers, float (*rows)[8]) {
  constexpr unsigned kParts = E::kPerRegister;
  for (unsigned r = 0; r < kK / (4 * kParts); ++r) {
    alignas(64) float parts[kParts][kLanes];
    widen<E>(row<u32>(warp, registers[r]), parts);
    for (unsigned p = 0; p < kParts; ++p) {
      // Lane 4 n + t holds column n of row kParts * t + p.
      float* first = rows[r * 4 * kParts + p];
      transpose4(parts[p], 8, first, 8 * kParts);
      transpose4(parts[p] + 4, 8, first + 4, 8 * kParts);
    }
  }
}

/// list: the registers of d, a, b, c. In the manual's words a lane is 4 g + t; register r of A holds row g + 8 (r odd),
/// columns kParts t + p + 4 kParts (r / 2); a pair of registers of C holds row g, columns 2 t and 2 t + 1. So the four
/// lanes of a group hold a row of C between them, and rows are multiplied where they lie.
template <class E, unsigned kM, unsigned kK, bool kHalfD, bool kHalfC>
void mma(Warp& warp, const Instruction& in, u32 mask) {
  if (!whole_warp(warp, in, mask)) return;
  constexpr unsigned kParts = E::kPerRegister, kHalves = kM / 8;
  constexpr unsigned kD = kHalfD ? kM / 8 : kM / 4;
  constexpr unsigned kA = kM * kK / 32 / kParts, kB = kK * 8 / 32 / kParts;
  alignas(64) float a[kA][kParts][kLanes];
  alignas(64) float b[kK][8];
  alignas(64) float c[kM / 4][kLanes];
  for (unsigned r = 0; r < kA; ++r) widen<E>(row<u32>(warp, in.list[kD + r]), a[r]);
  rows_of_b<E, kK>(warp, in.list + kD + kA, b);
  const RowOperand* addend = in.list + kD + kA + kB;
  if constexpr (kHalfC) {
    for (unsigned h = 0; h < kHalves; ++h) widen<F16>(row<u32>(warp, addend[h]), c + 2 * h);
  } else {
    for (unsigned r = 0; r < kM / 4; ++r) std::memcpy(c[r], row<float>(warp, addend[r]), sizeof(c[r]));
  }
  float* rows_of_c[kM / 4];
  for (unsigned r = 0; r < kM / 4; ++r) rows_of_c[r] = c[r];
  if (warp.perturbation == 0) {
    multiply_in_order<kA, kParts, kK>(a, b, rows_of_c);
  } else {
    multiply_perturbed<kA, kParts, kK, kHalfD && kHalfC>(warp.perturbation, a, b, rows_of_c);
  }
  if constexpr (kHalfD) {
    for (unsigned h = 0; h < kHalves; ++h) narrow(c + 2 * h, row<u32>(warp, in.list[h]));
  } else {
    for (unsigned r = 0; r < kM / 4; ++r) quiet(c[r], row<float>(warp, in.list[r]));
  }
}

/// flags: kFinite clamps the sums to s32.
template <class A, class B, unsigned kM, unsigned kK>
void mma_bytes(Warp& warp, const Instruction& in, u32 mask) {
  if (!whole_warp(warp, in, mask)) return;
  constexpr unsigned kD = kM / 4, kA = kM * kK / 128, kB = kK * 8 / 128;
  s32 a[kM][kK];
  s32 b[kK][8];
  s32 c[kM][8];
  unpack_a<Byte<A>, kM, kK>(warp, in.list + kD, a);
  unpack_b<Byte<B>, kK>(warp, in.list + kD + kA, b);
  unpack_c<s32, kM>(warp, in.list + kD + kA + kB, c);
  for (unsigned i = 0; i < kM; ++i) {
    for (unsigned j = 0; j < 8; ++j) {
      s64 sum = c[i][j];
      for (unsigned k = 0; k < kK; ++k) sum += static_cast<s64>(a[i][k] * b[k][j]);
      if ((in.flags & kFinite) != 0) sum = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum;
      c[i][j] = static_cast<s32>(sum);
    }
  }
  pack_d<s32, kM>(warp, in.list, c);
}

/// Double precision. A: register r of a lane is row group + 8 * (r odd), column t + 4 * (r / 2); B likewise.
template <unsigned kM, unsigned kK>
void mma_double(Warp& warp, const Instruction& in, u32 mask) {
  if (!whole_warp(warp, in, mask)) return;
  constexpr unsigned kD = kM / 4, kA = kM * kK / 32, kB = kK / 4, kRows = kM / 8;
  double a[kM][kK];
  double b[kK][8];
  double c[kM][8];
  for (unsigned r = 0; r < kA; ++r) {
    const double* values = row<double>(warp, in.list[kD + r]);
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      a[lane / 4 + 8 * (r % kRows)][lane % 4 + 4 * (r / kRows)] = values[lane];
    }
  }
  for (unsigned r = 0; r < kB; ++r) {
    const double* values = row<double>(warp, in.list[kD + kA + r]);
    for (unsigned lane = 0; lane < kLanes; ++lane) b[lane % 4 + 4 * r][lane / 4] = values[lane];
  }
  unpack_c<double, kM>(warp, in.list + kD + kA + kB, c);
  std::array<u8, kK> order;
  for (unsigned k = 0; k < kK; ++k) order[k] = static_cast<u8>(k);
  if (warp.perturbation != 0) order = Adder<kK>(warp.perturbation).order;
  for (unsigned i = 0; i < kM; ++i) {
    for (unsigned j = 0; j < 8; ++j) {
      for (const u8 k : order) c[i][j] = __builtin_fma(a[i][k], b[k][j], c[i][j]);
    }
  }
  pack_d<double, kM>(warp, in.list, c);
}

template <class E, unsigned kM, unsigned kK>
Handler float_mma(Type d, Type c) {
  if (d == Type::f32 && c == Type::f32) return mma<E, kM, kK, false, false>;
  if constexpr (std::is_same_v<E, F16>) {
    if (d == Type::f16 && c == Type::f16) return mma<E, kM, kK, true, true>;
    if (d == Type::f32 && c == Type::f16) return mma<E, kM, kK, false, true>;
    if (d == Type::f16 && c == Type::f32) return mma<E, kM, kK, true, false>;
  }
  return nullptr;
}

template <unsigned kM, unsigned kK>
Handler byte_mma(Type a, Type b) {
  if (a == Type::s8)
    return b == Type::s8 ? mma_bytes<s8, s8, kM, kK> : b == Type::u8 ? mma_bytes<s8, u8, kM, kK> : nullptr;
  if (a == Type::u8)
    return b == Type::s8 ? mma_bytes<u8, s8, kM, kK> : b == Type::u8 ? mma_bytes<u8, u8, kM, kK> : nullptr;
  return nullptr;
}

// --- ldmatrix, stmatrix: count matrices of 8 x 8 halves; lane 8 m + r holds the address of row r of matrix m.
constexpr std::uint8_t kTransposed = 1;  // mode

ptx::Space matrix_space(const Instruction& in) {
  return static_cast<ptx::Space>(in.size);
}

}  // namespace

Handler matrix(MatrixShape shape, Type d, Type a, Type b, Type c) {
  if (d == Type::f64) {
    if (a != Type::f64 || b != Type::f64 || c != Type::f64) return nullptr;
    switch (shape) {
      case MatrixShape::m8n8k4:
        return mma_double<8, 4>;
      case MatrixShape::m16n8k4:
        return mma_double<16, 4>;
      case MatrixShape::m16n8k8:
        return mma_double<16, 8>;
      case MatrixShape::m16n8k16:
        return mma_double<16, 16>;
      default:
        return nullptr;
    }
  }
  if (d == Type::s32) {
    if (c != Type::s32) return nullptr;
    switch (shape) {
      case MatrixShape::m8n8k16:
        return byte_mma<8, 16>(a, b);
      case MatrixShape::m16n8k16:
        return byte_mma<16, 16>(a, b);
      case MatrixShape::m16n8k32:
        return byte_mma<16, 32>(a, b);
      default:
        return nullptr;
    }
  }
  if (a != b) return nullptr;
  switch (shape) {
    case MatrixShape::m16n8k16:
      return a == Type::f16 ? float_mma<F16, 16, 16>(d, c) : a == Type::bf16 ? float_mma<Bf16, 16, 16>(d, c) : nullptr;
    case MatrixShape::m16n8k8:
      return a == Type::f16    ? float_mma<F16, 16, 8>(d, c)
             : a == Type::bf16 ? float_mma<Bf16, 16, 8>(d, c)
             : a == Type::tf32 ? float_mma<Tf32, 16, 8>(d, c)
                               : nullptr;
    case MatrixShape::m16n8k4:
      return a == Type::tf32 ? float_mma<Tf32, 16, 4>(d, c) : nullptr;
    default:
      return nullptr;
  }
}

void ldmatrix(Warp& warp, const Instruction& in, u32 mask) {
  if (!whole_warp(warp, in, mask)) return;
  const u8* rows[kLanes];
  const u32 holders = in.count == 4 ? kAllLanes : (1u << 8 * in.count) - 1;
  if (matrix_space(in) == ptx::Space::shared) {
    locate<ptx::Space::shared>(warp, in, holders, 16, rows);
  } else {
    locate<ptx::Space::generic>(warp, in, holders, 16, rows);
  }
  for (unsigned m = 0; m < in.count; ++m) {
    // Row g of a matrix is 16 bytes, four for each lane of group g; transposed, the lanes' halves are the columns.
    u32* d = row<u32>(warp, in.list[m]);
    if ((in.mode & kTransposed) != 0) {
      alignas(64) u16 halves[64];
      transpose8(rows + 8 * m, halves);
      std::memcpy(d, halves, sizeof(halves));
    } else {
      for (unsigned g = 0; g < 8; ++g) std::memcpy(d + 4 * g, rows[8 * m + g], 16);
    }
  }
}

void stmatrix(Warp& warp, const Instruction& in, u32 mask) {
  if (!whole_warp(warp, in, mask)) return;
  u64 address[kLanes];
  addresses(warp, in, 1, address);
  u8* rows[kLanes];
  for (unsigned i = 0; i < 8u * in.count; ++i) rows[i] = locate_one(warp, in, i, matrix_space(in), address[i], 16);
  for (unsigned m = 0; m < in.count; ++m) {
    const u32* s = row<u32>(warp, in.list[m]);
    u8* const* lines = rows + 8 * m;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const unsigned group = lane / 4, t = lane % 4;
      const auto low = static_cast<u16>(s[lane]);
      const auto high = static_cast<u16>(s[lane] >> 16);
      if ((in.mode & kTransposed) != 0) {
        std::memcpy(lines[2 * t] + 2 * group, &low, 2);
        std::memcpy(lines[2 * t + 1] + 2 * group, &high, 2);
      } else {
        std::memcpy(lines[group] + 4 * t, &low, 2);
        std::memcpy(lines[group] + 4 * t + 2, &high, 2);
      }
    }
  }
}

void movmatrix(Warp& warp, const Instruction& in, u32 mask) {
  if (!whole_warp(warp, in, mask)) return;
  const u32* a = row<u32>(warp, in.operand[1]);
  u16 m[8][8];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    m[lane / 4][lane % 4 * 2] = static_cast<u16>(a[lane]);
    m[lane / 4][lane % 4 * 2 + 1] = static_cast<u16>(a[lane] >> 16);
  }
  u32* d = row<u32>(warp, in.operand[0]);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    d[lane] = m[lane % 4 * 2][lane / 4] | static_cast<u32>(m[lane % 4 * 2 + 1][lane / 4]) << 16;
  }
}

}  // namespace emulator::EMULATOR_SET
