// Registers of lanes that run at different speeds: storage shared between registers must not show.
#include "machine.hpp"

namespace emulator::test {
namespace {

using Registers = Machine;

// %f0 dies where %h0 is born, so the two may share storage. Lane 0 still reads %f0 in its branch while its siblings may
// already have loaded their %h0.
TEST_F(Registers, LanesThatRunAheadLeaveWhatOthersReadAlone) {
  const std::string ptx = header() + R"(
.visible .entry k(.param .u64 in, .param .u64 out) {
  .reg .pred %p;
  .reg .b16 %h0;
  .reg .b32 %i, %r, %w;
  .reg .f32 %f0, %f1;
  .reg .b64 %in, %out, %at, %to;
  ld.param.u64 %in, [in];
  ld.param.u64 %out, [out];
  mov.u32 %i, %tid.x;
  mad.wide.u32 %at, %i, 4, %in;
  mad.wide.u32 %to, %i, 8, %out;
  ld.global.f32 %f0, [%at];
  and.b32 %r, %i, 3;
  setp.ne.u32 %p, %r, 0;
  mov.f32 %f1, 0f00000000;
  @%p bra JOIN;
  mov.u32 %w, 0;
WAIT:
  add.u32 %w, %w, 1;
  setp.lt.u32 %p, %w, 20;
  @%p bra WAIT;
  mov.f32 %f1, %f0;
JOIN:
  ld.global.u16 %h0, [%at+2];
  st.global.f32 [%to], %f1;
  cvt.u32.u16 %r, %h0;
  st.global.u32 [%to+4], %r;
  ret;
})";
  std::vector<float> values(32);
  for (int i = 0; i < 32; ++i) values[i] = 1.5F + static_cast<float>(i);
  block_ = {32, 1, 1};
  for (schedule_ = 0; schedule_ < 64; ++schedule_) {
    float* in = buffer(values);
    float* out = poisoned<float>(64);
    run(ptx, "k", Arguments().add(in).add(out));
    for (int i = 0; i < 32; ++i) {
      ASSERT_EQ(out[2 * i], i % 4 == 0 ? values[i] : 0.0F) << "lane " << i << ", schedule " << schedule_;
    }
  }
}

TEST_F(Registers, LanesInDifferentFunctionsDoNotShareTheirRegisters) {
  const std::string ptx = ptx_of(R"(
__device__ __noinline__ unsigned long long wide(unsigned long long v, int rounds) {
  unsigned long long a = v, b = v * 3, c = v ^ 5;
  for (int i = 0; i < rounds; ++i) { a = a * 6364136223846793005ull + b; b ^= c >> 3; c += a; }
  return a ^ b ^ c;
}
__device__ __noinline__ unsigned narrow(unsigned v, int rounds) {
  unsigned a = v, b = v * 3, c = v ^ 5, d = v + 9, e = v - 4;
  for (int i = 0; i < rounds; ++i) { a = a * 1664525u + b; b ^= c >> 3; c += d; d -= e; e ^= a; }
  return a ^ b ^ c ^ d ^ e;
}
extern "C" __global__ void k(const unsigned* in, unsigned long long* out) {
  const unsigned v = in[threadIdx.x];
  if (v & 1) out[threadIdx.x] = wide(v, 300 + v); else out[threadIdx.x] = narrow(v, 300 + v);
})");
  std::vector<std::uint32_t> values(32);
  std::vector<std::uint64_t> expected(32);
  for (std::uint32_t i = 0; i < 32; ++i) {
    const std::uint32_t v = values[i] = 7 * i % 32;
    if ((v & 1) != 0) {
      std::uint64_t a = v, b = std::uint64_t{v} * 3, c = v ^ 5u;
      for (std::uint32_t k = 0; k < 300 + v; ++k) {
        a = a * 6364136223846793005u + b;
        b ^= c >> 3;
        c += a;
      }
      expected[i] = a ^ b ^ c;
    } else {
      std::uint32_t a = v, b = v * 3, c = v ^ 5, d = v + 9, e = v - 4;
      for (std::uint32_t k = 0; k < 300 + v; ++k) {
        a = a * 1664525u + b;
        b ^= c >> 3;
        c += d;
        d -= e;
        e ^= a;
      }
      expected[i] = a ^ b ^ c ^ d ^ e;
    }
  }
  for (schedule_ = 0; schedule_ < 64; ++schedule_) {
    auto* out = poisoned<std::uint64_t>(32);
    run(ptx, "k", Arguments().add(buffer(values)).add(out));
    for (int i = 0; i < 32; ++i) ASSERT_EQ(out[i], expected[i]) << "lane " << i << ", schedule " << schedule_;
  }
}

}  // namespace
}  // namespace emulator::test
