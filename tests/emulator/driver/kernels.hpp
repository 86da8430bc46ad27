// Small kernels in PTX.
#pragma once

namespace driver_test {

/// values[i] = values[i] * factor + 1 for i < count; a global variable; a kernel with shared memory.
inline constexpr const char* kKernels = R"(.version 7.0
.target sm_80
.address_size 64

.visible .global .align 4 .u32 counter = 7;

.visible .entry scale(.param .u64 values, .param .u32 factor, .param .u32 count)
{
  .reg .pred %p<2>;
  .reg .b32 %r<9>;
  .reg .b64 %rd<5>;
  ld.param.u64 %rd1, [values];
  ld.param.u32 %r1, [factor];
  ld.param.u32 %r2, [count];
  mov.u32 %r3, %ctaid.x;
  mov.u32 %r4, %ntid.x;
  mov.u32 %r5, %tid.x;
  mad.lo.s32 %r6, %r3, %r4, %r5;
  setp.ge.u32 %p1, %r6, %r2;
  @%p1 bra $done;
  cvta.to.global.u64 %rd2, %rd1;
  mul.wide.u32 %rd3, %r6, 4;
  add.s64 %rd4, %rd2, %rd3;
  ld.global.u32 %r7, [%rd4];
  mad.lo.u32 %r8, %r7, %r1, 1;
  st.global.u32 [%rd4], %r8;
$done:
  ret;
}

.visible .entry store(.param .u64 to, .param .u32 value)
{
  .reg .b32 %r<2>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [to];
  ld.param.u32 %r1, [value];
  cvta.to.global.u64 %rd2, %rd1;
  st.global.u32 [%rd2], %r1;
  ret;
}

.visible .entry meet(.param .u64 to)
{
  .reg .pred %p<2>;
  .reg .b32 %r<6>;
  .reg .b64 %rd<3>;
  ld.param.u64 %rd1, [to];
  cvta.to.global.u64 %rd2, %rd1;
  mov.u32 %r1, %nctaid.x;
  mov.u32 %r2, %ntid.x;
  mul.lo.u32 %r3, %r1, %r2;
  red.global.add.u32 [%rd2], 1;
$again:
  ld.volatile.global.u32 %r4, [%rd2];
  setp.lt.u32 %p1, %r4, %r3;
  @%p1 bra $again;
  ret;
}

.visible .entry stop()
{
  trap;
  ret;
}

.visible .entry bounded() .maxntid 64, 1, 1
{
  ret;
}

.extern .shared .align 16 .b8 dynamic[];

.visible .entry reverse(.param .u64 values)
{
  .shared .align 4 .b8 fixed[1024];
  .reg .b32 %r<10>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [values];
  cvta.to.global.u64 %rd2, %rd1;
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %ntid.x;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd3, %rd2, %rd3;
  ld.global.u32 %r3, [%rd3];
  mov.u32 %r4, dynamic;
  shl.b32 %r5, %r1, 2;
  add.s32 %r6, %r4, %r5;
  st.shared.u32 [%r6], %r3;
  mov.u32 %r4, fixed;
  add.s32 %r6, %r4, %r5;
  st.shared.u32 [%r6], %r3;
  bar.sync 0;
  sub.s32 %r7, %r2, %r1;
  add.s32 %r7, %r7, -1;
  shl.b32 %r7, %r7, 2;
  mov.u32 %r4, dynamic;
  add.s32 %r8, %r4, %r7;
  ld.shared.u32 %r9, [%r8];
  st.global.u32 [%rd3], %r9;
  ret;
}

.visible .entry exponentials(.param .u64 to)
{
  .reg .b32 %r<3>;
  .reg .f32 %f<4>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [to];
  mov.u32 %r1, %tid.x;
  cvt.rn.f32.u32 %f1, %r1;
  mul.f32 %f2, %f1, 0f3D000000;
  ex2.approx.f32 %f3, %f2;
  cvta.to.global.u64 %rd1, %rd1;
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd3, %rd1, %rd2;
  st.global.f32 [%rd3], %f3;
  ret;
}

.visible .entry forever()
{
  .reg .b32 %r<2>;
  mov.u32 %r1, 0;
$again:
  add.s32 %r1, %r1, 1;
  bra $again;
}
)";

}  // namespace driver_test
