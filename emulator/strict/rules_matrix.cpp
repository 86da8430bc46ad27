// Rules for mma and movmatrix. In the manual's words, lane = 4 * group + t (PTX ISA 9.7.14).
#include <algorithm>

#include "strict/look.hpp"

namespace emulator::rules {
namespace {

using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

struct Element {
  bool undefined = false;
  bool zero = false;  ///< a defined 0 of an integer type
};

/// Sizes and layouts of one mma.
class Multiplication {
 public:
  explicit Multiplication(const Look& look) : look_(look) {
    static constexpr struct {
      MatrixShape shape;
      unsigned m, k;
    } kShapes[] = {{MatrixShape::m16n8k16, 16, 16}, {MatrixShape::m16n8k8, 16, 8},   {MatrixShape::m16n8k4, 16, 4},
                   {MatrixShape::m8n8k4, 8, 4},     {MatrixShape::m16n8k32, 16, 32}, {MatrixShape::m8n8k16, 8, 16}};
    for (const auto& each : kShapes) {
      if (each.shape != static_cast<MatrixShape>(look.flow.operation)) continue;
      m_ = each.m;
      k_ = each.k;
    }
    per_ = look.flow.width == 8 ? 1 : 4 / look.flow.width;
    half_result_ = (look.flow.data & kHalfResult) != 0;
    half_addend_ = (look.flow.data & kHalfAddend) != 0;
    d_ = half_result_ ? m_ / 8 : m_ / 4;
    a_ = m_ * k_ / 32 / per_;
    b_ = k_ * 8 / 32 / per_;
  }

  void run() {
    for (unsigned r = 0; r < a_; ++r) {
      load(d_ + r, [&](unsigned group, unsigned t, unsigned part, Element e) {
        a_of_[group + 8 * (r % (m_ / 8))][t * per_ + part + r / (m_ / 8) * 4 * per_] = e;
      });
    }
    for (unsigned r = 0; r < b_; ++r) {
      load(d_ + a_ + r, [&](unsigned group, unsigned t, unsigned part, Element e) {
        b_of_[t * per_ + part + r * 4 * per_][group] = e;
      });
    }
    for (unsigned lane = 0; lane < kLanes; ++lane) results(lane);
  }

 private:
  template <class F>
  void load(unsigned index, F put) {
    const RowOperand operand = look_.in.list[index];
    const bool whole_numbers = look_.flow.width == 1;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const u64 bits = word(look_.undefined<u64>(operand), look_.undefined<u32>(operand), lane);
      const u64 value = word(look_.value<u64>(operand), look_.value<u32>(operand), lane);
      const unsigned width = look_.flow.width * 8;
      const u64 all = width == 64 ? ~u64{0} : (u64{1} << width) - 1;
      for (unsigned part = 0; part < per_; ++part) {
        const u64 u = bits >> part * width & all;
        put(lane / 4, lane % 4, part, Element{u != 0, whole_numbers && u == 0 && (value >> part * width & all) == 0});
      }
    }
  }
  [[nodiscard]] u64 word(const u64* wide, const u32* narrow, unsigned lane) const {
    return look_.flow.width == 8 ? wide[lane] : narrow[lane];
  }
  /// Row i of A times column j of B. A defined 0 makes the other factor irrelevant unless that may be no number.
  [[nodiscard]] bool product(unsigned i, unsigned j) const {
    for (unsigned k = 0; k < k_; ++k) {
      const Element& a = a_of_[i][k];
      const Element& b = b_of_[k][j];
      if ((a.undefined && !b.zero) || (b.undefined && !a.zero)) return true;
    }
    return false;
  }
  /// The addend's element at register r of d's layout in 32-bit elements.
  [[nodiscard]] bool addend(unsigned lane, unsigned r) const {
    const unsigned first = d_ + a_ + b_;
    if (half_addend_) {
      return (look_.undefined<u32>(look_.in.list[first + r / 2])[lane] >> 16 * (r % 2) & 0xFFFFu) != 0;
    }
    if (look_.flow.width == 8) return look_.undefined<u64>(look_.in.list[first + r])[lane] != 0;
    return look_.undefined<u32>(look_.in.list[first + r])[lane] != 0;
  }
  void results(unsigned lane) {
    for (unsigned r = 0; r < m_ / 4; ++r) {
      const bool open = product(lane / 4 + r / 2 * 8, lane % 4 * 2 + r % 2) || addend(lane, r);
      if (half_result_) {
        u32& word = look_.result<u32>(r / 2)[lane];
        const u32 half = 0xFFFFu << 16 * (r % 2);
        word = (word & ~half) | (open ? half : 0);
      } else if (look_.flow.width == 8) {
        look_.result<u64>(r)[lane] = open ? ~u64{0} : 0;
      } else {
        look_.result<u32>(r)[lane] = open ? ~0u : 0;
      }
    }
  }

  const Look& look_;
  unsigned m_ = 0, k_ = 0, per_ = 1;
  unsigned d_ = 0, a_ = 0, b_ = 0;  ///< registers
  bool half_result_ = false, half_addend_ = false;
  Element a_of_[16][32];
  Element b_of_[32][8];
};

}  // namespace

void matrix_multiply(const Look& look) {
  Multiplication(look).run();
  OriginId origin = kNoOrigin;
  for (unsigned lane = 0; lane < kLanes && origin == kNoOrigin; ++lane) origin = look.origin_of(lane);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const OriginId own = look.origin_of(lane);
    look.out.origin[lane] = own != kNoOrigin ? own : origin;
  }
}

void matrix_move(const Look& look) {
  const u32* a = look.undefined<u32>(look.in.operand[1]);
  u16 m[8][8];
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    m[lane / 4][lane % 4 * 2] = static_cast<u16>(a[lane]);
    m[lane / 4][lane % 4 * 2 + 1] = static_cast<u16>(a[lane] >> 16);
  }
  OriginId origin = kNoOrigin;
  for (unsigned lane = 0; lane < kLanes && origin == kNoOrigin; ++lane) origin = look.origin_of(lane);
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    look.result<u32>(0)[lane] = m[lane % 4 * 2][lane / 4] | static_cast<u32>(m[lane % 4 * 2 + 1][lane / 4]) << 16;
    look.out.origin[lane] = origin;
  }
}

}  // namespace emulator::rules
