// Tensor products through mma.h's warp-level functions, in every shape, layout and format of sm_80.
#include "outside.hpp"

namespace emulator::test {
namespace {

std::uint16_t half_bits(float v) {  // small integers and halves of them only
  std::uint32_t bits = 0;
  std::memcpy(&bits, &v, 4);
  if ((bits & 0x7FFFFFFF) == 0) return 0;
  return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | (((bits >> 23 & 0xFF) - 112) << 10 | (bits >> 13 & 0x3FF)));
}
float half_value(std::uint16_t v) {
  const float magnitude = std::ldexp(static_cast<float>((v & 0x3FF) | 0x400), (v >> 10 & 31) - 25);
  return (v & 0x7FFF) == 0 ? 0.0f : (v & 0x8000) != 0 ? -magnitude : magnitude;
}
std::uint16_t bf16_bits(float v) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &v, 4);
  return static_cast<std::uint16_t>(bits >> 16);
}

struct Case {
  const char* kernel;
  std::size_t m, n, k;
  bool a_rows, b_rows, c_rows;
};

class Wmma : public Outside {
 protected:
  /// Small integers, whose products and sums are exact in every format.
  template <class A, class C, class ToA, class FromC>
  void check(const Case& c, ToA to_a, FromC from_c) {
    const std::size_t steps = 3, k = c.k * steps;
    const std::size_t lda = (c.a_rows ? k : c.m) + 16, ldb = (c.b_rows ? c.n : k) + 16,
                      ldc = (c.c_rows ? c.n : c.m) + 16;
    std::vector<int> a(c.m * k), b(k * c.n);
    std::uniform_int_distribution<int> digit(std::is_unsigned_v<A> && sizeof(A) == 1 ? 0 : -4, 4);
    for (int& v : a) v = digit(random_);
    for (int& v : b) v = digit(random_);
    std::vector<A> ga((c.a_rows ? c.m : k) * lda), gb((c.b_rows ? k : c.n) * ldb);
    for (std::size_t i = 0; i < c.m; ++i) {
      for (std::size_t j = 0; j < k; ++j) ga[c.a_rows ? i * lda + j : j * lda + i] = to_a(a[i * k + j]);
    }
    for (std::size_t i = 0; i < k; ++i) {
      for (std::size_t j = 0; j < c.n; ++j) gb[c.b_rows ? i * ldb + j : j * ldb + i] = to_a(b[i * c.n + j]);
    }
    C* out = buffer(zeros<C>((c.c_rows ? c.m : c.n) * ldc));
    const auto number = [](std::size_t v) { return static_cast<int>(v); };
    go(c.kernel,
       Arguments()
           .add(buffer(ga))
           .add(buffer(gb))
           .add(out)
           .add(number(lda))
           .add(number(ldb))
           .add(number(ldc))
           .add(number(steps)),
       1, 32);
    for (std::size_t i = 0; i < c.m; ++i) {
      for (std::size_t j = 0; j < c.n; ++j) {
        int sum = 0;
        for (std::size_t s = 0; s < k; ++s) sum += a[i * k + s] * b[s * c.n + j];
        ASSERT_EQ(from_c(out[c.c_rows ? i * ldc + j : j * ldc + i]), static_cast<double>(sum))
            << c.kernel << " " << i << " " << j;
      }
    }
  }
};

double same(double v) {
  return v;
}
const auto kHalf = [](int v) { return half_bits(static_cast<float>(v)); };
const auto kBf16 = [](int v) { return bf16_bits(static_cast<float>(v)); };
const auto kFromHalf = [](std::uint16_t v) { return static_cast<double>(half_value(v)); };

TEST_F(Wmma, Halves) {
  LOAD_OUTSIDE(compile("wmma.cu"));
  check<std::uint16_t, float>({"half_rr", 16, 16, 16, true, true, true}, kHalf, same);
  check<std::uint16_t, float>({"half_rc", 16, 16, 16, true, false, false}, kHalf, same);
  check<std::uint16_t, std::uint16_t>({"half_cr", 16, 16, 16, false, true, true}, kHalf, kFromHalf);
  check<std::uint16_t, float>({"half_cc", 32, 8, 16, false, false, true}, kHalf, same);
  check<std::uint16_t, std::uint16_t>({"half_tall", 8, 32, 16, true, false, false}, kHalf, kFromHalf);
}

TEST_F(Wmma, Bf16) {
  LOAD_OUTSIDE(compile("wmma.cu"));
  check<std::uint16_t, float>({"bf16_rr", 16, 16, 16, true, true, true}, kBf16, same);
  check<std::uint16_t, float>({"bf16_wide", 32, 8, 16, false, true, true}, kBf16, same);
}

TEST_F(Wmma, Bytes) {
  LOAD_OUTSIDE(compile("wmma.cu"));
  check<std::int8_t, int>(
      {"bytes_rc", 16, 16, 16, true, false, true}, [](int v) { return static_cast<std::int8_t>(v); }, same);
  check<std::uint8_t, int>(
      {"bytes_tall", 8, 32, 16, false, true, true}, [](int v) { return static_cast<std::uint8_t>(v); }, same);
}

TEST_F(Wmma, DoublesAndTf32) {
  LOAD_OUTSIDE(compile("wmma.cu"));
  check<double, double>(
      {"doubles_rc", 8, 8, 4, true, false, true}, [](int v) { return static_cast<double>(v); }, same);
  check<float, float>(
      {"tf32_rc", 16, 16, 8, true, false, true}, [](int v) { return static_cast<float>(v); }, same);
}

TEST_F(Wmma, FragmentsOfSharedMemory) {
  LOAD_OUTSIDE(compile("wmma.cu"));
  const auto a = integers<int>(256, -4, 4), b = integers<int>(256, -4, 4);
  std::vector<std::uint16_t> ha, hb;
  for (const int v : a) ha.push_back(kHalf(v));
  for (const int v : b) hb.push_back(kHalf(v));
  float* c = poisoned<float>(256);
  go("in_shared", Arguments().add(buffer(ha)).add(buffer(hb)).add(c), 1, 32);
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 16; ++j) {
      int sum = static_cast<int>(i);
      for (std::size_t k = 0; k < 16; ++k) sum += a[i * 16 + k] * b[k * 16 + j];
      ASSERT_EQ(c[i * 16 + j], static_cast<float>(2 * sum)) << i << " " << j;
    }
  }
}

}  // namespace
}  // namespace emulator::test
