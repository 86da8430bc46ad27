// Matrix instructions: fragments are laid out by the formulas of the PTX ISA manual (9.7.14.5), written down here as
// (register, lane, element) -> (row, column), and the product is a plain triple loop.
#include <cmath>
#include <functional>

#include "machine.hpp"

namespace emulator::test {
namespace {

struct Place {
  int row, column;
};
/// The place of element i of a lane's fragment.
using Layout = std::function<Place(int lane, int i)>;

std::uint32_t float_bits(float f) {
  std::uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}
std::uint32_t bf16_bits(int v) {
  return float_bits(static_cast<float>(v)) >> 16;
}
/// Small integers are exact: sign, exponent and fraction by hand.
std::uint32_t f16_bits(int v) {
  if (v == 0) return 0;
  const int magnitude = std::abs(v), exponent = std::ilogb(magnitude);
  return (v < 0 ? 0x8000u : 0u) | static_cast<std::uint32_t>(exponent + 15) << 10 |
         static_cast<std::uint32_t>((magnitude - (1 << exponent)) << (10 - exponent));
}
int from_f16(std::uint32_t bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31);
  if (exponent == 0) return 0;
  const double v = std::ldexp(1024 + static_cast<double>(bits & 1023), exponent - 25);
  return static_cast<int>((bits & 0x8000) != 0 ? -v : v);
}

struct Case {
  std::string instruction;
  int m, k;
  int bits_a;  ///< of an element
  std::function<std::uint64_t(int)> encode_a, encode_b;
  Layout a, b;
  std::string c_type, d_type;  ///< f32, f16, s32, f64
  int least = -6, most = 6;
};

// Layouts of the manual. g = lane >> 2 is the groupID, t = lane % 4 the threadID_in_group.
Place a_m16n8k16(int lane, int i) {
  const int g = lane >> 2, t = lane % 4;
  return {(i < 2 || (i >= 4 && i < 6)) ? g : g + 8, t * 2 + (i & 1) + (i < 4 ? 0 : 8)};
}
Place b_m16n8k16(int lane, int i) {
  return {lane % 4 * 2 + (i & 1) + (i < 2 ? 0 : 8), lane >> 2};
}
Place a_m16n8k8_half(int lane, int i) {
  return {i < 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1)};
}
Place b_m16n8k8_half(int lane, int i) {
  return {lane % 4 * 2 + i, lane >> 2};
}
Place a_m16n8k8_tf32(int lane, int i) {
  return {i % 2 == 0 ? lane >> 2 : (lane >> 2) + 8, lane % 4 + (i < 2 ? 0 : 4)};
}
Place b_m16n8k8_tf32(int lane, int i) {
  return {lane % 4 + (i == 0 ? 0 : 4), lane >> 2};
}
Place a_m16n8k4_tf32(int lane, int i) {
  return {i == 0 ? lane >> 2 : (lane >> 2) + 8, lane % 4};
}
Place b_m16n8k4_tf32(int lane, int) {
  return {lane % 4, lane >> 2};
}
Place a_m8n8k4_f64(int lane, int) {
  return {lane >> 2, lane % 4};
}
Place a_m16n8k16_byte(int lane, int i) {
  return {i < 4 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 4 + (i & 3)};
}
Place b_m16n8k16_byte(int lane, int i) {
  return {lane % 4 * 4 + i, lane >> 2};
}
Place a_m16n8k32_byte(int lane, int i) {
  return {(i < 4 || (i >= 8 && i < 12)) ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 4 + (i & 3) + (i < 8 ? 0 : 16)};
}
Place b_m16n8k32_byte(int lane, int i) {
  return {lane % 4 * 4 + (i & 3) + (i < 4 ? 0 : 16), lane >> 2};
}
Place a_m8n8k16_byte(int lane, int i) {
  return {lane >> 2, lane % 4 * 4 + i};
}
Place c_m16(int lane, int i) {
  return {i < 2 ? lane >> 2 : (lane >> 2) + 8, lane % 4 * 2 + (i & 1)};
}
Place c_m8(int lane, int i) {
  return {lane >> 2, lane % 4 * 2 + i};
}

class Tensor : public Machine {
 protected:
  Tensor() : seed_(fresh_seed()), random_(seed_) {}

  int bits_of(const std::string& type) const { return type == "f16" ? 16 : type == "f64" ? 64 : 32; }

  std::uint64_t encode_number(const std::string& type, int v) const {
    if (type == "f16") return f16_bits(v);
    if (type == "s32") return static_cast<std::uint32_t>(v);
    if (type == "f32") return float_bits(static_cast<float>(v));
    const auto d = static_cast<double>(v);
    std::uint64_t bits;
    std::memcpy(&bits, &d, 8);
    return bits;
  }
  int decode_number(const std::string& type, std::uint64_t bits) const {
    if (type == "f16") return from_f16(static_cast<std::uint32_t>(bits));
    if (type == "s32") return static_cast<int>(static_cast<std::uint32_t>(bits));
    if (type == "f32") {
      const auto word = static_cast<std::uint32_t>(bits);
      float f;
      std::memcpy(&f, &word, 4);
      return static_cast<int>(f);
    }
    double d;
    std::memcpy(&d, &bits, 8);
    return static_cast<int>(d);
  }

  /// One lane after another, the fragment's elements packed into words of 32 (or 64) bits.
  static std::vector<std::uint64_t> pack(const std::vector<int>& matrix, int columns, int elements, int bits,
                                         const Layout& layout, const std::function<std::uint64_t(int)>& encode) {
    const int word = bits == 64 ? 64 : 32, per_word = word / bits, words = elements / per_word;
    std::vector<std::uint64_t> result(static_cast<std::size_t>(words) * 32);
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < elements; ++i) {
        const Place at = layout(lane, i);
        const std::uint64_t mask = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
        const std::uint64_t v = encode(matrix[static_cast<std::size_t>(at.row * columns + at.column)]) & mask;
        result[static_cast<std::size_t>(i / per_word * 32 + lane)] |= v << (i % per_word * bits);
      }
    }
    return result;
  }

  void check(const Case& which) {
    SCOPED_TRACE(which.instruction + ", OSDN_TEST_SEED=" + std::to_string(seed_));
    const int m = which.m, k = which.k;
    std::uniform_int_distribution<int> digit(which.least, which.most);
    std::vector<int> a(static_cast<std::size_t>(m * k)), b(static_cast<std::size_t>(k * 8)),
        c(static_cast<std::size_t>(m * 8));
    for (auto* matrix : {&a, &b, &c}) {
      for (int& v : *matrix) v = digit(random_);
    }
    const Layout c_layout = m == 16 ? Layout(c_m16) : Layout(c_m8);
    const auto fa = pack(a, k, m * k / 32, which.bits_a, which.a, which.encode_a);
    const auto fb = pack(b, 8, k * 8 / 32, which.bits_a, which.b, which.encode_b);
    const auto fc =
        pack(c, 8, m / 4, bits_of(which.c_type), c_layout, [&](int v) { return encode_number(which.c_type, v); });
    const int words_d = m / 4 * bits_of(which.d_type) / (which.d_type == "f64" ? 64 : 32);
    std::uint64_t* out = poisoned<std::uint64_t>(static_cast<std::size_t>(words_d) * 32);
    const bool doubles = which.d_type == "f64";
    run(kernel(which.instruction, fa.size() / 32, fb.size() / 32, fc.size() / 32, static_cast<std::size_t>(words_d),
               doubles),
        "product", Arguments().add(buffer(fa)).add(buffer(fb)).add(buffer(fc)).add(out));
    const int per_word = bits_of(which.d_type) == 16 ? 2 : 1;
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < m / 4; ++i) {
        const Place at = c_layout(lane, i);
        int sum = c[static_cast<std::size_t>(at.row * 8 + at.column)];
        for (int x = 0; x < k; ++x) {
          sum += a[static_cast<std::size_t>(at.row * k + x)] * b[static_cast<std::size_t>(x * 8 + at.column)];
        }
        const std::uint64_t word = out[i / per_word * 32 + lane] >> (i % per_word * 16);
        ASSERT_EQ(decode_number(which.d_type, per_word == 2 ? word & 0xFFFF : word), sum)
            << "lane " << lane << ", element " << i;
      }
    }
    EXPECT_EQ(statistics_.tensor_flops, static_cast<std::uint64_t>(2 * m * 8 * k));
  }

  /// Loads the words of a, b, c of each lane, multiplies, stores those of d; every word takes 64 bits in memory.
  static std::string kernel(const std::string& instruction, std::size_t na, std::size_t nb, std::size_t nc,
                            std::size_t nd, bool doubles) {
    const std::string word = doubles ? "b64" : "b32";
    std::string text = header() +
                       ".visible .entry product(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd) {\n"
                       ".reg .b64 at;\n.reg .b32 lane;\n.reg ." +
                       word + " a<9>, b<9>, c<9>, d<9>;\nmov.u32 lane, %laneid;\n";
    const auto vector = [](const char* name, std::size_t count) {
      std::string list = "{";
      for (std::size_t i = 0; i < count; ++i) list += (i == 0 ? "" : ", ") + std::string(name) + std::to_string(i);
      return list + "}";
    };
    const auto each_word = [&](const std::string& parameter, const std::string& name, std::size_t count, bool store) {
      text += "ld.param.u64 at, [" + parameter + "];\nmad.wide.u32 at, lane, 8, at;\n";
      for (std::size_t i = 0; i < count; ++i) {
        const std::string place = "[at+" + std::to_string(i * 256) + "]", reg = name + std::to_string(i);
        text += store ? "st.global." + word + " " + place + ", " + reg + ";\n"
                      : "ld.global." + word + " " + reg + ", " + place + ";\n";
      }
    };
    each_word("pa", "a", na, false);
    each_word("pb", "b", nb, false);
    each_word("pc", "c", nc, false);
    text += instruction + " " + vector("d", nd) + ", " + vector("a", na) + ", " + vector("b", nb) + ", " +
            vector("c", nc) + ";\n";
    each_word("pd", "d", nd, true);
    return text + "ret;\n}\n";
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
};

TEST_F(Tensor, HalfPrecision) {
  for (const std::string c : {"f32", "f16"}) {
    for (const std::string d : {"f32", "f16"}) {
      check({"mma.sync.aligned.m16n8k16.row.col." + d + ".f16.f16." + c, 16, 16, 16, f16_bits, f16_bits, a_m16n8k16,
             b_m16n8k16, c, d});
      check({"mma.sync.aligned.m16n8k8.row.col." + d + ".f16.f16." + c, 16, 8, 16, f16_bits, f16_bits, a_m16n8k8_half,
             b_m16n8k8_half, c, d});
    }
  }
}

TEST_F(Tensor, Bfloat16) {
  check({"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", 16, 16, 16, bf16_bits, bf16_bits, a_m16n8k16,
         b_m16n8k16, "f32", "f32"});
  check({"mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", 16, 8, 16, bf16_bits, bf16_bits, a_m16n8k8_half,
         b_m16n8k8_half, "f32", "f32"});
}

TEST_F(Tensor, Tf32IgnoresTheLow13Bits) {
  const auto dirty = [](int v) { return float_bits(static_cast<float>(v)) | 0x1FFFu; };
  check({"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", 16, 8, 32, dirty, dirty, a_m16n8k8_tf32, b_m16n8k8_tf32,
         "f32", "f32"});
  check({"mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32", 16, 4, 32, dirty, dirty, a_m16n8k4_tf32, b_m16n8k4_tf32,
         "f32", "f32"});
}

TEST_F(Tensor, DoublePrecision) {
  const auto encode = [this](int v) { return encode_number("f64", v); };
  check({"mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64", 8, 4, 64, encode, encode, a_m8n8k4_f64, b_m16n8k4_tf32,
         "f64", "f64"});
}

TEST_F(Tensor, Bytes) {
  const auto encode = [](int v) { return static_cast<std::uint64_t>(static_cast<std::uint8_t>(v)); };
  const std::string prefix = "mma.sync.aligned.";
  check({prefix + "m16n8k16.row.col.s32.s8.s8.s32", 16, 16, 8, encode, encode, a_m16n8k16_byte, b_m16n8k16_byte, "s32",
         "s32", -128, 127});
  check({prefix + "m16n8k32.row.col.s32.s8.s8.s32", 16, 32, 8, encode, encode, a_m16n8k32_byte, b_m16n8k32_byte, "s32",
         "s32", -128, 127});
  check({prefix + "m16n8k32.row.col.s32.u8.u8.s32", 16, 32, 8, encode, encode, a_m16n8k32_byte, b_m16n8k32_byte, "s32",
         "s32", 0, 255});
  check({prefix + "m8n8k16.row.col.s32.s8.s8.s32", 8, 16, 8, encode, encode, a_m8n8k16_byte, b_m16n8k16_byte, "s32",
         "s32", -128, 127});
}

/// ldmatrix as the manual draws it: lane l receives row l / 4, elements 2 (l % 4) and the next; transposed, the element
/// pair of column l / 4.
TEST_F(Tensor, LoadMatrix) {
  for (const int count : {1, 2, 4}) {
    for (const bool transposed : {false, true}) {
      for (const bool generic : {false, true}) {
        const std::string n = std::to_string(count);
        std::string list;
        for (int i = 0; i < count; ++i) list += (i == 0 ? "{d" : ", d") + std::to_string(i);
        // Row r of the shared array is 24 bytes after the last, with an offset, so that rows are not neighbours.
        std::string text = header() + R"(.visible .entry matrices(.param .u64 pin, .param .u64 pout) {
.reg .b64 at, generic; .reg .b32 lane, base, s, v, k, d<4>; .reg .pred p;
.shared .align 16 .b8 tile[2048];
mov.u32 lane, %laneid; mov.u32 base, tile; ld.param.u64 at, [pin]; mov.u32 k, lane;
fill: mad.wide.u32 generic, k, 4, at; ld.global.b32 v, [generic]; mad.lo.u32 s, k, 4, base; st.shared.b32 [s], v;
add.u32 k, k, 32; setp.lt.u32 p, k, 512; @p bra fill;
bar.warp.sync -1;
mad.lo.u32 s, lane, 48, base; add.u32 s, s, 16;
cvt.u64.u32 generic, s; cvta.shared.u64 generic, generic;
)" + "ldmatrix.sync.aligned.m8n8.x" +
                           n + (transposed ? ".trans" : "") + (generic ? "" : ".shared") + ".b16 " + list + "}, " +
                           (generic ? "[generic]" : "[s]") +
                           ";\nld.param.u64 at, [pout];\nmad.wide.u32 at, lane, 4, at;\n";
        for (int i = 0; i < count; ++i) {
          text += "st.global.b32 [at+" + std::to_string(i * 128) + "], d" + std::to_string(i) + ";\n";
        }
        text += "ret;\n}\n";
        std::vector<std::uint16_t> tile(1024);
        for (auto& v : tile) v = static_cast<std::uint16_t>(random_());
        std::uint32_t* out = poisoned<std::uint32_t>(128);
        run(text, "matrices", Arguments().add(buffer(tile)).add(out));
        for (int matrix = 0; matrix < count; ++matrix) {
          const auto element = [&](int row, int column) {
            return tile[static_cast<std::size_t>((8 * matrix + row) * 24 + 8 + column)];
          };
          for (int lane = 0; lane < 32; ++lane) {
            const int r = lane / 4, e = lane % 4 * 2;
            const std::uint32_t low = transposed ? element(e, r) : element(r, e);
            const std::uint32_t high = transposed ? element(e + 1, r) : element(r, e + 1);
            ASSERT_EQ(out[matrix * 32 + lane], high << 16 | low) << count << transposed << generic << " lane " << lane;
          }
        }
      }
    }
  }
}

TEST_F(Tensor, MoveMatrixTransposesAndStoreMatrixUndoesLoadMatrix) {
  const std::string text = header() + R"(.visible .entry matrices(.param .u64 pin, .param .u64 pout) {
.reg .b64 at; .reg .b32 lane, base, s, v, d<4>;
.shared .align 16 .b8 tile[1024];
mov.u32 lane, %laneid; ld.param.u64 at, [pin]; mad.wide.u32 at, lane, 4, at; ld.global.b32 v, [at];
mov.u32 base, tile; mad.lo.u32 s, lane, 16, base;
stmatrix.sync.aligned.m8n8.x2.shared.b16 [s], {v, v};
bar.warp.sync -1;
ldmatrix.sync.aligned.m8n8.x1.shared.b16 {d0}, [s];
ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {d1, d2}, [s];
movmatrix.sync.aligned.m8n8.trans.b16 d3, v;
ld.param.u64 at, [pout]; mad.wide.u32 at, lane, 16, at; st.global.v4.b32 [at], {d0, d1, d2, d3};
ret;
})";
  std::vector<std::uint32_t> in(32);
  for (auto& v : in) v = static_cast<std::uint32_t>(random_());
  std::uint32_t* out = poisoned<std::uint32_t>(128);
  run(text, "matrices", Arguments().add(buffer(in)).add(out));
  const auto element = [&](int row, int column) {
    return in[static_cast<std::size_t>(row * 4 + column / 2)] >> column % 2 * 16 & 0xFFFF;
  };
  for (int lane = 0; lane < 32; ++lane) {
    const int r = lane / 4, e = lane % 4 * 2;
    const std::uint32_t turned = element(e + 1, r) << 16 | element(e, r);
    EXPECT_EQ(out[lane * 4], in[static_cast<std::size_t>(lane)]);
    EXPECT_EQ(out[lane * 4 + 1], turned);
    EXPECT_EQ(out[lane * 4 + 2], turned);
    EXPECT_EQ(out[lane * 4 + 3], turned);
  }
}

/// Sums of many products: the machine's accumulation must stay within single precision of the exact sum.
TEST_F(Tensor, AccumulatesInSinglePrecision) {
  std::normal_distribution<float> normal;
  const auto round_bf16 = [](float v) {
    std::uint32_t bits = float_bits(v) & 0xFFFF0000u;
    std::memcpy(&v, &bits, 4);
    return v;
  };
  std::vector<float> a(256), b(128);
  for (float& v : a) v = round_bf16(normal(random_));
  for (float& v : b) v = round_bf16(normal(random_));
  std::vector<std::uint64_t> fa(128), fb(64), fc(128);
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 8; ++i) {
      const Place at = a_m16n8k16(lane, i);
      fa[static_cast<std::size_t>(i / 2 * 32 + lane)] |=
          std::uint64_t{float_bits(a[static_cast<std::size_t>(at.row * 16 + at.column)]) >> 16} << i % 2 * 16;
    }
    for (int i = 0; i < 4; ++i) {
      const Place at = b_m16n8k16(lane, i);
      fb[static_cast<std::size_t>(i / 2 * 32 + lane)] |=
          std::uint64_t{float_bits(b[static_cast<std::size_t>(at.row * 8 + at.column)]) >> 16} << i % 2 * 16;
    }
  }
  std::uint64_t* out = poisoned<std::uint64_t>(128);
  run(kernel("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", 4, 2, 4, 4, false), "product",
      Arguments().add(buffer(fa)).add(buffer(fb)).add(buffer(fc)).add(out));
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const Place at = c_m16(lane, i);
      double sum = 0, size = 0;
      for (int k = 0; k < 16; ++k) {
        const double term = static_cast<double>(a[static_cast<std::size_t>(at.row * 16 + k)]) *
                            b[static_cast<std::size_t>(k * 8 + at.column)];
        sum += term;
        size += std::fabs(term);
      }
      const auto word = static_cast<std::uint32_t>(out[i * 32 + lane]);
      float got;
      std::memcpy(&got, &word, 4);
      ASSERT_NEAR(got, sum, 16 * 0x1p-24 * size) << "OSDN_TEST_SEED=" << seed_;
    }
  }
}

}  // namespace
}  // namespace emulator::test
