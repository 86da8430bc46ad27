// What warps did over modelled time.
#include <algorithm>

#include "measured.hpp"

namespace emulator::test {
namespace {

class Trace : public Measured {
 protected:
  [[nodiscard]] const std::vector<TraceSlice>& slices() const { return statistics_.measurement.trace; }
  /// Microseconds that a warp of block 0 spent so.
  [[nodiscard]] double spent(std::uint32_t warp, const std::string& name) const {
    double sum = 0;
    for (const TraceSlice& slice : slices()) {
      if (slice.block == 0 && slice.warp == warp && slice.name == name) sum += slice.end - slice.begin;
    }
    return sum;
  }
  void expect_sound() const {
    for (std::size_t i = 0; i < slices().size(); ++i) {
      const TraceSlice& slice = slices()[i];
      EXPECT_GE(slice.begin, 0);
      EXPECT_LT(slice.begin, slice.end) << slice.name;
      EXPECT_GT(slice.ptx_line, 0);
      if (i == 0) continue;
      const TraceSlice& before = slices()[i - 1];
      const bool same = before.block == slice.block && before.warp == slice.warp;
      if (same) {
        EXPECT_GE(slice.begin, before.end) << "slices of a warp do not overlap";
      } else {
        EXPECT_LT(std::pair(before.block, before.warp), std::pair(slice.block, slice.warp));
      }
    }
  }
};

TEST_F(Trace, WhoWaitsAtABarrierWaitsForTheOther) {
  block_ = {64, 1, 1};
  trace_blocks_ = 1;
  std::string chain;
  for (int i = 0; i < 1000; ++i) chain += "@p fma.rn.f32 x, x, x, x;\n";
  run(header() +
          ".visible .entry k() {\n.reg .f32 x;\n.reg .pred p;\n.reg .b32 i;\nmov.u32 i, %tid.x;\n"
          "setp.lt.u32 p, i, 32;\nmov.f32 x, 0f3F800000;\n@!p bra past;\n" +
          chain + "past:\nbar.sync 3;\nadd.u32 i, i, 1;\nret;\n}\n",
      "k", Arguments());
  expect_sound();
  const double clock = 1410;  // cycles of a microsecond
  EXPECT_NEAR(spent(0, "compute") * clock, 4000, 40) << "a chain of 1000";
  EXPECT_NEAR(spent(1, "barrier 3") * clock, 4000, 60);
  EXPECT_LT(spent(0, "barrier 3") * clock, 40);
}

TEST_F(Trace, CopiesAreWaitedFor) {
  trace_blocks_ = 2;
  grid_ = {5, 1, 1};
  std::uint32_t* data = buffer(std::vector<std::uint32_t>(1024));
  run(header() + R"(
.visible .entry k(.param .u64 data) {
.reg .b32 i, x;
.reg .b64 at, w;
.shared .align 16 .b8 room[512];
mov.u32 i, %tid.x;
mul.wide.u32 w, i, 16;
ld.param.u64 at, [data];
add.u64 at, at, w;
shl.b32 i, i, 4;
cp.async.cg.shared.global [i], [at], 16;
cp.async.commit_group;
cp.async.wait_group 0;
ld.shared.u32 x, [i];
add.u32 x, x, 1;
ret;
}
)",
      "k", Arguments().add(data));
  expect_sound();
  const double cycles = spent(0, "asynchronous copies") * 1410;
  EXPECT_GT(cycles, 400) << "about the latency of memory";
  EXPECT_LT(cycles, 600);
  const auto blocks = std::count_if(slices().begin(), slices().end(),
                                    [](const TraceSlice& slice) { return slice.name == "asynchronous copies"; });
  EXPECT_EQ(blocks, 2) << "two of five blocks are traced";
}

TEST_F(Trace, NobodyAskedForOne) {
  run(header() + ".visible .entry k() {\n.reg .b32 i;\nmov.u32 i, %tid.x;\nret;\n}\n", "k", Arguments());
  EXPECT_TRUE(slices().empty());
}

}  // namespace
}  // namespace emulator::test
