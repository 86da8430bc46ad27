// Whole kernels, compiled by NVRTC from ordinary CUDA C++, against plain loops on the host.
#include <cmath>

#include "machine.hpp"

namespace emulator::test {
namespace {

using Kernels = Machine;

TEST_F(Kernels, TiledMatrixProduct) {
  const std::uint64_t seed = fresh_seed();
  SCOPED_TRACE("OSDN_TEST_SEED=" + std::to_string(seed));
  const char* source = R"(
extern "C" __global__ void product(const float* a, const float* b, float* c, int n) {
  __shared__ float ta[16][17], tb[16][17];
  int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * 16 + y, col = blockIdx.x * 16 + x;
  float sum = 0;
  for (int k = 0; k < n; k += 16) {
    ta[y][x] = row < n && k + x < n ? a[row * n + k + x] : 0.f;
    tb[y][x] = k + y < n && col < n ? b[(k + y) * n + col] : 0.f;
    __syncthreads();
    #pragma unroll
    for (int i = 0; i < 16; ++i) sum = fmaf(ta[y][i], tb[i][x], sum);
    __syncthreads();
  }
  if (row < n && col < n) c[row * n + col] = sum;
})";
  const int n = 45;
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> a(n * n), b(n * n);
  for (float& v : a) v = normal(random);
  for (float& v : b) v = normal(random);
  float* c = poisoned<float>(n * n);
  grid_ = {3, 3, 1};
  block_ = {16, 16, 1};
  schedule_ = seed;
  run(ptx_of(source), "product", Arguments().add(buffer(a)).add(buffer(b)).add(c).add(n));
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      float sum = 0;
      for (int k = 0; k < n; ++k) sum = std::fma(a[i * n + k], b[k * n + j], sum);
      ASSERT_EQ(c[i * n + j], sum) << i << ", " << j;
    }
  }
}

TEST_F(Kernels, FunctionsSwitchesTablesAndLocalArrays) {
  const char* source = R"(
__constant__ float scale[4] = {1.f, 2.f, 4.f, 8.f};
__device__ int total;
struct Box { int a[7]; float* out; double d; };
__device__ __noinline__ float sum_to(float a, int n) { float s = 0; for (int i = 0; i < n; ++i) s += a * i; return s; }
__device__ __noinline__ int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
extern "C" __global__ void mixed(const __grid_constant__ Box box, int n) {
  int t = threadIdx.x;
  float local[8];
  for (int i = 0; i < 8; ++i) local[(i * n) & 7] = i + t;
  atomicAdd(&total, t);
  float v;
  switch (t % 7) {
    case 0: v = 1; break; case 1: v = t * 2.f; break; case 2: v = local[t & 7]; break;
    case 3: v = sum_to(t, 5); break; case 4: v = fib(t & 15); break; case 5: v = scale[t & 3]; break;
    default: v = (float)box.d / 3.f; break;
  }
  box.out[t] = v + box.a[t % 7];
})";
  struct Box {
    int a[7];
    float* out;
    double d;
  } box{{1, 2, 3, 4, 5, 6, 7}, poisoned<float>(128), 2.5};
  block_ = {128, 1, 1};
  const int n = 3;
  run(ptx_of(source), "mixed", Arguments().add(box).add(n));
  const int fib[16] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610};
  const float scale[4] = {1, 2, 4, 8};
  for (int t = 0; t < 128; ++t) {
    float local[8];
    for (int i = 0; i < 8; ++i) local[(i * n) & 7] = static_cast<float>(i + t);
    float v = 2.5f / 3.f;
    switch (t % 7) {
      case 0:
        v = 1;
        break;
      case 1:
        v = static_cast<float>(t) * 2.f;
        break;
      case 2:
        v = local[t & 7];
        break;
      case 3:
        v = static_cast<float>(t * 10);
        break;
      case 4:
        v = static_cast<float>(fib[t & 15]);
        break;
      case 5:
        v = scale[t & 3];
        break;
      default:
        break;
    }
    ASSERT_EQ(box.out[t], v + static_cast<float>(box.a[t % 7])) << t;
  }
  const auto total = module_->global("total");
  ASSERT_TRUE(total);
  EXPECT_EQ(*reinterpret_cast<int*>(total->address), 127 * 128 / 2);
}

TEST_F(Kernels, TensorProductThroughAsynchronousCopies) {
  const std::uint64_t seed = fresh_seed();
  SCOPED_TRACE("OSDN_TEST_SEED=" + std::to_string(seed));
  // One warp multiplies 16 x 64 by 64 x 8 in bf16: cp.async, ldmatrix (the second operand transposed), mma.
  const char* source = R"(
typedef unsigned u32;
__device__ u32 smem(const void* p) { return (u32)__cvta_generic_to_shared(p); }
extern "C" __global__ void product(const unsigned short* a, const unsigned short* b, float* c) {
  __shared__ __align__(16) unsigned short sa[16 * 64], sb[64 * 8];
  int lane = threadIdx.x;
  for (int i = lane; i < 128; i += 32)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(smem(sa + 8 * i)), "l"(a + 8 * i) : "memory");
  for (int i = lane; i < 64; i += 32)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(smem(sb + 8 * i)), "l"(b + 8 * i) : "memory");
  asm volatile("cp.async.commit_group;\ncp.async.wait_group 0;" ::: "memory");
  __syncthreads();
  float d[4] = {0, 0, 0, 0};
  for (int k = 0; k < 64; k += 16) {
    u32 fa[4], fb[2];
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
      : "=r"(fa[0]), "=r"(fa[1]), "=r"(fa[2]), "=r"(fa[3]) : "r"(smem(sa + (lane & 15) * 64 + k + lane / 16 * 8)));
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
      : "=r"(fb[0]), "=r"(fb[1]) : "r"(smem(sb + (k + (lane & 15)) * 8)));
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
  }
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = d[i];
})";
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<int> digit(-8, 8);  // exact in bf16, sums exact in float
  std::vector<std::uint16_t> a(16 * 64), b(64 * 8);
  std::vector<int> ia(a.size()), ib(b.size());
  const auto bf16 = [](int v) {
    const auto f = static_cast<float>(v);
    std::uint32_t bits;
    std::memcpy(&bits, &f, 4);
    return static_cast<std::uint16_t>(bits >> 16);
  };
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = bf16(ia[i] = digit(random));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = bf16(ib[i] = digit(random));
  float* c = poisoned<float>(16 * 8);
  run(ptx_of(source), "product", Arguments().add(buffer(a)).add(buffer(b)).add(c));
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 8; ++j) {
      int sum = 0;
      for (int k = 0; k < 64; ++k)
        sum += ia[static_cast<std::size_t>(i * 64 + k)] * ib[static_cast<std::size_t>(k * 8 + j)];
      ASSERT_EQ(c[i * 8 + j], static_cast<float>(sum)) << i << ", " << j;
    }
  }
  EXPECT_EQ(statistics_.warp_instructions["mma.sync"], 4u);
  EXPECT_EQ(statistics_.warp_instructions["ldmatrix"], 8u);
  EXPECT_EQ(statistics_.tensor_flops, 2u * 16 * 8 * 64);
  EXPECT_EQ(statistics_.async_copy_bytes, 2u * (16 * 64 + 64 * 8));
}

}  // namespace
}  // namespace emulator::test
