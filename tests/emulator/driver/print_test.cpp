// What kernels print reaches stdout when the host waits for them; a failed assertion has an error of its own.
#include "api.hpp"

namespace driver_test {
namespace {

class PrintTest : public DriverTest {};

constexpr const char* kPrinting = R"(.version 7.0
.target sm_80
.address_size 64
.extern .func (.param .b32 result) vprintf(.param .b64 format, .param .b64 arguments);
.extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 e);
.global .align 1 .b8 format[8] = {110, 32, 61, 32, 37, 100, 10, 0};
.global .align 1 .b8 text[4] = {110, 111, 33, 0};
.visible .entry say(.param .u32 number) {
  .local .align 8 .b8 packed[8];
  .reg .b64 a, f; .reg .b32 n, r;
  mov.u64 a, packed; cvta.local.u64 a, a;
  mov.u64 f, format; cvta.global.u64 f, f;
  ld.param.u32 n, [number];
  st.u32 [a], n;
  { .param .b64 p0; .param .b64 p1; .param .b32 q;
    st.param.b64 [p0], f; st.param.b64 [p1], a;
    call.uni (q), vprintf, (p0, p1);
    ld.param.b32 r, [q]; }
  ret;
}
.visible .entry claim() {
  .reg .b64 t;
  mov.u64 t, text; cvta.global.u64 t, t;
  { .param .b64 p0; .param .b64 p1; .param .b32 p2; .param .b64 p3; .param .b64 p4;
    st.param.b64 [p0], t; st.param.b64 [p1], t; st.param.b32 [p2], 42; st.param.b64 [p3], t; st.param.b64 [p4], 1;
    call.uni __assertfail, (p0, p1, p2, p3, p4); }
  ret;
}
)";

TEST_F(PrintTest, TextAppearsWhenTheHostWaits) {
  const CUfunction say = function(kPrinting, "say");
  int n = 41;
  void* arguments[] = {&n};
  ::testing::internal::CaptureStdout();
  ASSERT_OK(driver.cuLaunchKernel(say, 1, 1, 1, 1, 1, 1, 0, nullptr, arguments, nullptr));
  n = 42;
  ASSERT_OK(driver.cuLaunchKernel(say, 1, 1, 1, 2, 1, 1, 0, nullptr, arguments, nullptr));
  EXPECT_OK(driver.cuCtxSynchronize());
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "n = 41\nn = 42\nn = 42\n");
}

TEST_F(PrintTest, AFailedAssertionHasItsOwnError) {
  const CUfunction claim = function(kPrinting, "claim");
  ASSERT_OK(driver.cuLaunchKernel(claim, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr));
  EXPECT_RESULT(CUDA_ERROR_ASSERT, driver.cuCtxSynchronize());
  EXPECT_NE(newest_fault().find("no!:42: no!: assertion `no!` failed"), std::string::npos) << newest_fault();
}

}  // namespace
}  // namespace driver_test
