// What NVRTC's built-in functions become, for every architecture, against the host's library and plain formulas.
#include <bit>
#include <cmath>

#include "machine.hpp"

namespace emulator::test {
namespace {

using Library = Machine;

const std::vector<std::string>& architectures() {
  static const std::vector<std::string> all = {"compute_80", "compute_89", "compute_90", "compute_100", "compute_120"};
  return all;
}

TEST_F(Library, MathematicalFunctions) {
  const char* source = R"(
extern "C" __global__ void functions(float* o, const float* x, const float* y, double* p) {
  int t = threadIdx.x; float a = x[t], b = y[t];
  float r[] = {sinf(a), cosf(a), tanf(a), powf(b, a), logf(b), expf(a), tanhf(a), erff(a), cbrtf(a), fmodf(a, b), rintf(a),
    floorf(a), ceilf(a), roundf(a), truncf(a), log1pf(b), expm1f(a), atan2f(a, b), sqrtf(b), a / b, ldexpf(a, 3), hypotf(a, b)};
  for (int i = 0; i < sizeof(r) / sizeof(float); ++i) o[i * 32 + t] = r[i];
  double d = a, e = b;
  double q[] = {sin(d), exp(d), log(e), pow(e, d), sqrt(e), d / e, tanh(d)};
  for (int i = 0; i < 7; ++i) p[i * 32 + t] = q[i];
})";
  const std::uint64_t seed = fresh_seed();
  SCOPED_TRACE("OSDN_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<float> x(32), y(32);
  for (float& v : x) v = std::uniform_real_distribution<float>(-6, 6)(random);
  for (float& v : y) v = std::uniform_real_distribution<float>(0.1F, 9)(random);
  for (const std::string& arch : architectures()) {
    SCOPED_TRACE(arch);
    float* o = poisoned<float>(22 * 32);
    double* p = poisoned<double>(7 * 32);
    run(ptx_of(source, arch), "functions", Arguments().add(o).add(buffer(x)).add(buffer(y)).add(p));
    for (std::size_t t = 0; t < 32; ++t) {
      const double a = x[t], b = y[t];
      const double wanted[22] = {std::sin(a),   std::cos(a),     std::tan(a),      std::pow(b, a), std::log(b),
                                 std::exp(a),   std::tanh(a),    std::erf(a),      std::cbrt(a),   std::fmod(a, b),
                                 std::rint(a),  std::floor(a),   std::ceil(a),     std::round(a),  std::trunc(a),
                                 std::log1p(b), std::expm1(a),   std::atan2(a, b), std::sqrt(b),   a / b,
                                 a * 8,         std::hypot(a, b)};
      for (std::size_t i = 0; i < 22; ++i) {
        ASSERT_NEAR(o[i * 32 + t], wanted[i], 2e-6 * std::max(1.0, std::fabs(wanted[i])))
            << "function " << i << " of " << a << ", " << b;
      }
      const double wide[7] = {std::sin(a), std::exp(a), std::log(b), std::pow(b, a), std::sqrt(b), a / b, std::tanh(a)};
      for (std::size_t i = 0; i < 7; ++i) {
        ASSERT_NEAR(p[i * 32 + t], wide[i], 1e-14 * std::max(1.0, std::fabs(wide[i])))
            << "double function " << i << " of " << a << ", " << b;
      }
    }
  }
}

TEST_F(Library, IntegerIntrinsics) {
  const char* source = R"(
extern "C" __global__ void functions(unsigned* o, const unsigned* x, const unsigned* y) {
  int t = threadIdx.x; unsigned a = x[t], b = y[t]; long long w = (long long)(int)a * (int)b;
  unsigned r[] = {__popc(a), __clz(a), __ffs(a), __brev(a), __byte_perm(a, b, 0x1650), __mulhi((int)a, (int)b), __umulhi(a, b),
    __funnelshift_l(a, b, 5), a / (b | 1), a % (b | 1), (unsigned)((int)a / (int)(b | 1)), (unsigned)(w / 1000003), (unsigned)(w % 77),
    __popcll(w), __clzll(w), __vadd2(a, b), __usad(a, b, 5), (unsigned)__umul64hi(w, w), __reduce_add_sync(~0u, a), __uhadd(a, b)};
  for (int i = 0; i < sizeof(r) / 4; ++i) o[i * 32 + t] = r[i];
})";
  const std::uint64_t seed = fresh_seed();
  SCOPED_TRACE("OSDN_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::uint32_t> x(32), y(32);
  for (auto& v : x) v = static_cast<std::uint32_t>(random() >> random() % 64);
  for (auto& v : y) v = static_cast<std::uint32_t>(random());
  std::uint32_t total = 0;
  for (const auto v : x) total += v;
  for (const std::string& arch : architectures()) {
    SCOPED_TRACE(arch);
    std::uint32_t* o = poisoned<std::uint32_t>(20 * 32);
    run(ptx_of(source, arch), "functions", Arguments().add(o).add(buffer(x)).add(buffer(y)));
    for (std::size_t t = 0; t < 32; ++t) {
      using U = std::uint32_t;
      using S = std::int32_t;
      const U a = x[t], b = y[t];
      const std::int64_t w = std::int64_t{static_cast<S>(a)} * static_cast<S>(b);
      const auto uw = static_cast<std::uint64_t>(w);
      U reversed = 0;
      for (int i = 0; i < 32; ++i) reversed |= (a >> i & 1u) << (31 - i);
      const std::uint64_t both = std::uint64_t{b} << 32 | a;
      const auto byte = [&](unsigned i) { return static_cast<U>(both >> 8 * i & 0xFF); };
      __extension__ using Wide = unsigned __int128;
      const U wanted[20] = {static_cast<U>(std::popcount(a)),
                            static_cast<U>(std::countl_zero(a)),
                            a == 0 ? 0u : static_cast<U>(std::countr_zero(a)) + 1,
                            reversed,
                            byte(0) | byte(5) << 8 | byte(6) << 16 | byte(1) << 24,
                            static_cast<U>(uw >> 32),
                            static_cast<U>(std::uint64_t{a} * b >> 32),
                            b << 5 | a >> 27,
                            a / (b | 1),
                            a % (b | 1),
                            static_cast<U>(static_cast<S>(a) / static_cast<S>(b | 1)),
                            static_cast<U>(w / 1000003),
                            static_cast<U>(w % 77),
                            static_cast<U>(std::popcount(uw)),
                            static_cast<U>(std::countl_zero(uw)),
                            ((a + b) & 0xFFFFu) | ((a >> 16) + (b >> 16)) << 16,
                            5 + (a > b ? a - b : b - a),
                            static_cast<U>(Wide(uw) * uw >> 64),
                            total,
                            static_cast<U>((std::uint64_t{a} + b) >> 1)};
      for (std::size_t i = 0; i < 20; ++i)
        ASSERT_EQ(o[i * 32 + t], wanted[i]) << "intrinsic " << i << " of " << a << ", " << b;
    }
  }
}

TEST_F(Library, AtomicsOfEveryScopeAndSynchronisedCounts) {
  const char* source = R"(
extern "C" __global__ void counts(int* o, unsigned long long* q, float* f) {
  int t = threadIdx.x;
  atomicAdd(o, 1); atomicAdd_system(o + 1, 2); atomicAdd_block(o + 2, 3); atomicMax(q, (unsigned long long)t); atomicAdd(f, .5f);
  __threadfence(); __threadfence_system();
  int c = __syncthreads_count(t % 3 == 0), a = __syncthreads_and(t < 96), b = __syncthreads_or(t == 95);
  if (t == 7) { o[3] = c; o[4] = a; o[5] = b; }
})";
  block_ = {96, 1, 1};
  for (const std::string& arch : architectures()) {
    SCOPED_TRACE(arch);
    int* o = buffer(std::vector<int>(6));
    auto* q = buffer(std::vector<std::uint64_t>(1));
    float* f = buffer(std::vector<float>(1));
    run(ptx_of(source, arch), "counts", Arguments().add(o).add(q).add(f));
    EXPECT_EQ(std::vector<int>(o, o + 3), (std::vector<int>{96, 192, 288}));
    EXPECT_EQ(o[3], 32);
    EXPECT_NE(o[4], 0);
    EXPECT_NE(o[5], 0);
    EXPECT_EQ(*q, 95u);
    EXPECT_EQ(*f, 48.0f);
  }
}

}  // namespace
}  // namespace emulator::test
