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

}  // namespace
}  // namespace emulator::test
