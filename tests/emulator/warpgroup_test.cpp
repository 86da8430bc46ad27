// wgmma (PTX ISA 9.7.15) against plain loops in double precision. Where an element lies in registers and in shared
// memory is written down here from the manual's figures and its table of canonical layouts.
#include <cmath>

#include "machine.hpp"

namespace emulator::test {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

struct Format {
  std::string name;
  int bytes;
  int k;
};
const Format kBf16{"bf16", 2, 16}, kF16{"f16", 2, 16}, kTf32{"tf32", 4, 8};

u32 bits_of(float v) {
  u32 bits;
  std::memcpy(&bits, &v, 4);
  return bits;
}

/// Numbers that all three formats hold: eight significant bits.
u32 encode(const Format& format, double v) {
  if (format.name == "tf32") return bits_of(static_cast<float>(v));
  if (format.name == "bf16") return bits_of(static_cast<float>(v)) >> 16;
  if (v == 0) return std::signbit(v) ? 0x8000u : 0u;
  const int exponent = std::ilogb(v);
  const auto fraction = static_cast<u32>(std::ldexp(std::fabs(v), 10 - exponent)) & 1023u;
  return (v < 0 ? 0x8000u : 0u) | static_cast<u32>(exponent + 15) << 10 | fraction;
}

double decode_f16(u32 bits) {
  const int exponent = static_cast<int>(bits >> 10 & 31);
  const double magnitude =
      exponent == 0 ? std::ldexp(bits & 1023, -24) : std::ldexp(1024 + static_cast<double>(bits & 1023), exponent - 25);
  return (bits & 0x8000u) != 0 ? -magnitude : magnitude;
}

/// How a matrix with `rows` rows (of A; columns of B) and K columns lies in shared memory.
struct Stored {
  int swizzle = 0;          ///< log2 of the units of 16 bytes in a row of the atom: 0 none, 1 32 B, 2 64 B, 3 128 B
  bool transposed = false;  ///< MN-major
  u32 leading = 0, stride = 0;
  u32 inside = 0;   ///< bytes by which the matrix begins inside its pattern: a step along K
  u32 pattern = 0;  ///< where the pattern begins, past a multiple of its size, in units of 128 bytes

  /// The canonical layouts (9.7.15.5.1.2.1.3), without swizzling. T elements make a unit.
  [[nodiscard]] u32 linear(const Format& format, int row, int k) const {
    const int t = 16 / format.bytes, w = 1 << swizzle;
    const auto at = [](int v) { return static_cast<u32>(v); };
    if (!transposed) {
      const u32 down = at(row % 8) * 16u * at(w) + at(row / 8) * stride;
      return inside + down + (swizzle == 0 ? at(k / t) * leading + at(k % t * format.bytes) : at(k * format.bytes));
    }
    const int unit = row / t;
    const u32 element = at(row % t * format.bytes);
    if (swizzle == 0) return element + at(unit) * stride + at(k % 8) * 16u + at(k / 8) * leading;
    return element + at(unit % w) * 16u + at(unit / w) * leading + at(k % 8) * 16u * at(w) + at(k / 8) * stride;
  }
  /// The swizzle: in each row of 128 bytes of the pattern, units change places by the row's number.
  [[nodiscard]] u32 swizzled(u32 offset) const {
    const u32 row = offset / 128, unit = offset / 16 % 8;
    return row * 128 + (unit ^ (row % (1u << swizzle))) * 16 + offset % 16;
  }
  [[nodiscard]] u64 descriptor(u32 start) const {
    const u64 mode = swizzle == 0 ? 0 : 4 - swizzle;  // 1: 128 bytes, 2: 64, 3: 32
    const auto field = [](u32 bytes) { return static_cast<u64>((bytes & 0x3FFFF) >> 4); };
    return field(start + inside) | field(leading) << 16 | field(stride) << 32 | u64{pattern} << 49 | mode << 62;
  }
  [[nodiscard]] std::string text() const {
    return std::to_string(swizzle == 0 ? 0 : 16 << swizzle) + " B swizzle, " + (transposed ? "MN" : "K") +
           "-major, leading " + std::to_string(leading) + ", stride " + std::to_string(stride) + ", inside " +
           std::to_string(inside) + ", pattern at " + std::to_string(pattern * 128);
  }
};

struct Product {
  Format format = kBf16;
  int n = 64;
  bool half = false;        ///< D of halves
  bool a_in_shared = true;  ///< else in registers
  Stored a, b;
  bool adds = true;
  int scale_a = 1, scale_b = 1;
};

class Warpgroup : public Machine {
 protected:
  Warpgroup() : seed_(fresh_seed()), random_(seed_) { profile_.major = 9; }

  int below(int bound) { return static_cast<int>(random_() % static_cast<u64>(bound)); }

  /// Eight significant bits, between 2^-4 and 4.
  double number() {
    const double v = std::ldexp(128 + below(128), -7 - 4 + below(6));
    return below(2) == 0 ? v : -v;
  }

  /// A layout for `rows` rows: the strides that pack it, or looser ones.
  Stored stored(const Format& format, int rows, bool transposed, int swizzle) {
    Stored s;
    s.swizzle = swizzle;
    s.transposed = transposed;
    const u32 w = 1u << swizzle, atom = 128 * w, loose = 1u + static_cast<u32>(below(2));
    if (!transposed) {
      s.stride = atom * loose;
      if (swizzle == 0) {
        s.leading = s.stride * static_cast<u32>((rows + 7) / 8) + 16u * static_cast<u32>(below(3)) * 8u;
      } else {
        s.leading = 16;  // not used
        s.inside = 32 * static_cast<u32>(below(static_cast<int>(w / 2)));
      }
    } else {
      const auto units = static_cast<u32>((rows * format.bytes + 15) / 16);
      if (swizzle == 0) {
        s.stride = atom * loose;
        s.leading = s.stride * units;
      } else {
        s.leading = atom * loose;
        s.stride = s.leading * ((units + w - 1) / w);
      }
    }
    if (swizzle == 3) s.pattern = static_cast<u32>(below(2)) * static_cast<u32>(below(8));
    return s;
  }

  /// Writes the matrix where the layout puts it, from `start` on; returns the end.
  static u32 place(const Format& format, const Stored& s, const std::vector<double>& matrix, int rows, u32 start,
                   std::vector<std::uint8_t>& image) {
    u32 end = start;
    for (int row = 0; row < rows; ++row) {
      for (int k = 0; k < format.k; ++k) {
        const u32 at = start + s.swizzled(s.linear(format, row, k));
        const u32 word = encode(format, matrix[static_cast<std::size_t>(row * format.k + k)]);
        std::memcpy(image.data() + at, &word, static_cast<std::size_t>(format.bytes));
        end = std::max(end, at + 4);
      }
    }
    return end;
  }

  static std::string list(const char* name, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + std::string(name) + std::to_string(i);
    return "{" + text + "}";
  }

  /// All threads fill shared memory, take their fragments from global memory, multiply once and store D.
  static std::string kernel(const Product& p, u32 bytes, u32 a_at, u32 b_at) {
    const int d = p.half ? p.n / 4 : p.n / 2;
    const std::string word = p.half ? "b32" : "f32";
    std::string text =
        header("sm_90a") + ".visible .entry product(.param .u64 image, .param .u64 a, .param .u64 d) {\n";
    text += ".shared .align 1024 .b8 memory[" + std::to_string(bytes) + "];\n";
    text += ".reg .pred p, adds;\n.reg .b32 tid, i, w, base;\n.reg .b64 at, x, da, db;\n.reg ." + word + " d<" +
            std::to_string(d) + ">;\n.reg .b32 a<4>;\n";
    text += "mov.u32 tid, %tid.x;\nmov.u32 base, memory;\nmov.u32 i, tid;\nld.param.u64 x, [image];\n";
    text += "fill:\nsetp.ge.u32 p, i, " + std::to_string(bytes / 4) + ";\n@p bra filled;\n";
    text += "mad.wide.u32 at, i, 4, x;\nld.global.b32 w, [at];\n";
    text += "{\n.reg .b32 to;\nshl.b32 to, i, 2;\nadd.u32 to, to, base;\nst.shared.b32 [to], w;\n}\n";
    text += "add.u32 i, i, 128;\nbra fill;\nfilled:\n";
    text += "ld.param.u64 x, [a];\nmad.wide.u32 at, tid, 16, x;\n";
    for (int r = 0; r < 4; ++r) {
      text += "ld.global.b32 a" + std::to_string(r) + ", [at+" + std::to_string(4 * r) + "];\n";
    }
    text += "ld.param.u64 x, [d];\nmad.wide.u32 at, tid, " + std::to_string(4 * d) + ", x;\n";
    for (int r = 0; r < d; ++r) {
      text += "ld.global." + word + " d" + std::to_string(r) + ", [at+" + std::to_string(4 * r) + "];\n";
    }
    text += "mov.b64 da, " + std::to_string(p.a.descriptor(a_at)) + ";\n";
    text += "mov.b64 db, " + std::to_string(p.b.descriptor(b_at)) + ";\n";
    text += "setp.ne.u32 adds, " + std::string(p.adds ? "1" : "0") + ", 0;\n";
    text += "fence.proxy.async;\nbar.sync 0;\nwgmma.fence.sync.aligned;\n";
    text += "wgmma.mma_async.sync.aligned.m64n" + std::to_string(p.n) + "k" + std::to_string(p.format.k) + "." +
            (p.half ? "f16." : "f32.") + p.format.name + "." + p.format.name + " " + list("d", d) + ", " +
            (p.a_in_shared ? "da" : list("a", 4)) + ", db, adds, " + std::to_string(p.scale_a) + ", " +
            std::to_string(p.scale_b);
    if (p.format.bytes == 2) {
      if (p.a_in_shared) text += p.a.transposed ? ", 1" : ", 0";
      text += p.b.transposed ? ", 1" : ", 0";
    }
    text += ";\nwgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n";
    for (int r = 0; r < d; ++r) {
      text += "st.global." + word + " [at+" + std::to_string(4 * r) + "], d" + std::to_string(r) + ";\n";
    }
    return text + "ret;\n}\n";
  }

  void check(Product p) {
    const Format& f = p.format;
    SCOPED_TRACE(f.name + " n" + std::to_string(p.n) + (p.half ? " f16" : " f32") + ", A " +
                 (p.a_in_shared ? p.a.text() : "in registers") + "; B " + p.b.text() + "; adds " +
                 std::to_string(p.adds) + ", scales " + std::to_string(p.scale_a) + " " + std::to_string(p.scale_b) +
                 ", OSDN_TEST_SEED=" + std::to_string(seed_));
    std::vector<double> a(static_cast<std::size_t>(64 * f.k)), b(static_cast<std::size_t>(p.n * f.k)),
        c(static_cast<std::size_t>(64 * p.n));
    for (double& v : a) v = number();
    for (double& v : b) v = number();
    for (double& v : c) v = number();
    // Patterns begin at multiples of 1024 bytes, or where the base offset says.
    std::vector<std::uint8_t> image(std::size_t{1} << 18, 0xFF);
    const u32 a_at = p.a.pattern * 128;
    u32 end = p.a_in_shared ? place(f, p.a, a, 64, a_at, image) : 0;
    const u32 b_at = (end + 1023) / 1024 * 1024 + p.b.pattern * 128;
    end = place(f, p.b, b, p.n, b_at, image);
    const std::size_t bytes = (end + 1023) / 1024 * 1024;

    // Fragments: warp w holds rows 16 w … of A and D; lane = 4 g + t.
    const int per = 4 / f.bytes;
    std::vector<u32> fragments(128 * 4);
    const int d_words = p.half ? p.n / 4 : p.n / 2;
    std::vector<u32> d(static_cast<std::size_t>(128 * d_words));
    for (int thread = 0; thread < 128; ++thread) {
      const int g = thread % 32 / 4, t = thread % 4, first = thread / 32 * 16;
      for (int r = 0; r < 4; ++r) {
        for (int e = 0; e < per; ++e) {
          const int row = first + g + r % 2 * 8, k = t * per + e + r / 2 * 4 * per;
          fragments[static_cast<std::size_t>(thread * 4 + r)] |= encode(f, a[static_cast<std::size_t>(row * f.k + k)])
                                                                 << e * 8 * f.bytes;
        }
      }
      for (int i = 0; i < p.n / 2; ++i) {
        const double v = c[static_cast<std::size_t>((first + g + i / 2 % 2 * 8) * p.n + i / 4 * 8 + t * 2 + i % 2)];
        u32& word = d[static_cast<std::size_t>(thread * d_words + (p.half ? i / 2 : i))];
        word |= p.half ? encode(kF16, v) << 16 * (i % 2) : bits_of(static_cast<float>(v));
      }
    }
    std::vector<u32> words(bytes / 4);
    std::memcpy(words.data(), image.data(), bytes);
    u32* image_buffer = buffer(words);
    u32* a_buffer = buffer(fragments);
    u32* d_buffer = buffer(d);
    block_ = {128, 1, 1};
    run(kernel(p, static_cast<u32>(bytes), a_at, b_at), "product",
        Arguments().add(std::array<u32*, 3>{image_buffer, a_buffer, d_buffer}));
    if (HasFatalFailure()) return;
    for (int thread = 0; thread < 128; ++thread) {
      const int g = thread % 32 / 4, t = thread % 4, first = thread / 32 * 16;
      for (int i = 0; i < p.n / 2; ++i) {
        const int row = first + g + i / 2 % 2 * 8, column = i / 4 * 8 + t * 2 + i % 2;
        double wanted = p.adds ? c[static_cast<std::size_t>(row * p.n + column)] : 0, size = std::fabs(wanted);
        for (int k = 0; k < f.k; ++k) {
          const double product =
              a[static_cast<std::size_t>(row * f.k + k)] * b[static_cast<std::size_t>(column * f.k + k)];
          wanted += product * p.scale_a * p.scale_b;
          size += std::fabs(product);
        }
        const u32 word = d_buffer[thread * d_words + (p.half ? i / 2 : i)];
        float single;
        std::memcpy(&single, &word, 4);
        const double got = p.half ? decode_f16(word >> 16 * (i % 2) & 0xFFFFu) : static_cast<double>(single);
        // Sums are kept in single precision; those of halves are rounded once more, on each step where perturbed.
        const double rounded = std::fabs(wanted) + (perturbation_ != 0 ? size * f.k : 0);
        const double allowed = size * 0x1p-22 * f.k + (p.half ? rounded * 0x1p-11 + 0x1p-24 : 0);
        ASSERT_NEAR(got, wanted, allowed + 1e-30) << "row " << row << ", column " << column;
      }
    }
    for (u32* each : {image_buffer, a_buffer, d_buffer}) memory_.release(reinterpret_cast<u64>(each));
  }

  Product random_product(const Format& format) {
    Product p;
    p.format = format;
    p.n = 8 * (1 + below(32));
    p.half = format.name == "f16" && below(2) == 0;
    p.a_in_shared = below(2) == 0;
    const bool may = format.bytes == 2;
    p.a = stored(format, 64, may && below(2) == 0, below(4));
    p.b = stored(format, p.n, may && below(2) == 0, below(4));
    p.adds = below(4) != 0;
    p.scale_a = below(2) == 0 ? 1 : -1;
    p.scale_b = below(2) == 0 ? 1 : -1;
    return p;
  }

  u64 seed_;
  std::mt19937_64 random_;
};

TEST_F(Warpgroup, EveryWayToStoreBothMatrices) {
  for (const Format& format : {kBf16, kF16, kTf32}) {
    for (int swizzle = 0; swizzle < 4; ++swizzle) {
      for (int majors = 0; majors < (format.bytes == 2 ? 4 : 1); ++majors) {
        Product p;
        p.format = format;
        p.n = 8 * (1 + below(16));
        p.a = stored(format, 64, (majors & 1) != 0, swizzle);
        p.b = stored(format, p.n, (majors & 2) != 0, swizzle);
        check(p);
        if (HasFatalFailure()) return;
        p.a_in_shared = false;
        p.a = {};
        check(p);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_F(Warpgroup, AnyNAndAnyScale) {
  for (const Format& format : {kBf16, kF16, kTf32}) {
    for (int i = 0; i < 12; ++i) {
      Product p = random_product(format);
      if (i == 0) p.n = 256;
      if (i == 0) p.b = stored(format, p.n, p.b.transposed, p.b.swizzle);
      strict_ = i % 2 == 0;
      check(p);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(Warpgroup, BelongsToOneArchitecture) {
  for (const char* instruction :
       {"wgmma.fence.sync.aligned;", "wgmma.commit_group.sync.aligned;", "wgmma.wait_group.sync.aligned 0;"}) {
    for (const char* target : {"sm_80", "sm_90", "sm_100a"}) {
      const auto refused = load(header(target) + ".entry k() {\n" + instruction + "\nret;\n}\n");
      ASSERT_TRUE(refused) << instruction;
      EXPECT_EQ(refused->kind, Fault::Kind::unsupported);
      EXPECT_NE(refused->message.find("compute_90a"), std::string::npos) << refused->message;
    }
    EXPECT_FALSE(load(header("sm_90a") + ".entry k() {\n" + instruction + "\nret;\n}\n"));
  }
}

/// Three of the four warps never issue the product that the first one waits for.
TEST_F(Warpgroup, WaitsForAllFourWarps) {
  Product p;
  p.a.swizzle = p.b.swizzle = 3;
  p.a.stride = p.b.stride = 1024;
  std::string text = kernel(p, 16384, 0, 8192);
  const std::string fence = "wgmma.fence.sync.aligned;\n";
  text.replace(text.find(fence), fence.size(), "setp.ge.u32 p, tid, 32;\n@p exit;\n" + fence);
  ASSERT_FALSE(load(text));
  block_ = {128, 1, 1};
  u32* words = buffer(std::vector<u32>(16384 / 4, 0));
  const auto fault = launch("product", Arguments().add(words).add(words).add(words));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, Fault::Kind::divergent_barrier) << fault->text();
  block_ = {96, 1, 1};
  const auto small = launch("product", Arguments().add(words).add(words).add(words));
  ASSERT_TRUE(small);
  EXPECT_EQ(small->kind, Fault::Kind::divergent_barrier) << small->text();
}

TEST_F(Warpgroup, DescriptorsStayInSharedMemory) {
  Product p;
  p.a.swizzle = p.b.swizzle = 3;
  p.a.stride = p.b.stride = 1024;
  ASSERT_FALSE(load(kernel(p, 16384, 0, 9216)));
  block_ = {128, 1, 1};
  u32* words = buffer(std::vector<u32>(16384 / 4, 0));
  const auto fault = launch("product", Arguments().add(words).add(words).add(words));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, Fault::Kind::out_of_bounds) << fault->text();
}

TEST_F(Warpgroup, PerturbedSumsStayNear) {
  for (const Format& format : {kBf16, kF16, kTf32}) {
    perturbation_ = 1 + random_() % 1000;
    check(random_product(format));
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace emulator::test
