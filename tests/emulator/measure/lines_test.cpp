// From PTX lines to source lines.
#include "measured.hpp"
#include "ptx/source_lines.hpp"

namespace emulator::test {
namespace {

using Lines = Measured;

const char* const kTwoDeep = R"(
.visible .entry k() {
.reg .b32 a, b;
mov.u32 a, %tid.x;
.loc 1 4 3
add.u32 b, a, 1;
.loc 2 7 3, function_name $L__info_string0, inlined_at 1 5 3
.loc 2 4 7, function_name $L__info_string1, inlined_at 2 7 3
mul.lo.u32 b, b, 3;
mul.lo.u32 b, b, 3;
.loc 1 0 0
sub.u32 b, b, a;
.loc 1 9 1
ret;
}
.visible .entry other() {
.reg .b32 a;
mov.u32 a, 1;
ret;
}
.file 1 "/somewhere/kernel.cu"
.file 2 "/somewhere/tools.cuh", 1234, 567
)";

TEST_F(Lines, InlinedCodeCountsWhereItStandsAndWhereItWasCalled) {
  run(header() + kTwoDeep, "k", Arguments());
  const auto& lines = statistics_.measurement.lines;
  const auto line = [&](const char* file, int number) {
    const auto found = lines.find({std::string("/somewhere/") + file, number});
    return found == lines.end() ? Measurement::Line() : found->second;
  };
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(line("kernel.cu", 4).own.warp_instructions, 1u);
  EXPECT_EQ(line("kernel.cu", 4).inclusive.warp_instructions, 1u);
  EXPECT_EQ(line("tools.cuh", 4).own.warp_instructions, 2u);
  EXPECT_EQ(line("tools.cuh", 7).own.warp_instructions, 0u);
  EXPECT_EQ(line("tools.cuh", 7).inclusive.warp_instructions, 2u);
  EXPECT_EQ(line("kernel.cu", 5).own.warp_instructions, 0u);
  EXPECT_EQ(line("kernel.cu", 5).inclusive.warp_instructions, 2u);
  EXPECT_EQ(of("sub.u32").warp_instructions, 1u) << "line 0 is nowhere, its instruction is counted still";
  run(header() + kTwoDeep, "other", Arguments());
  EXPECT_TRUE(statistics_.measurement.lines.empty()) << "the places of one function do not leak into the next";
}

TEST_F(Lines, DirectivesThatAreNoneAreNotRead) {
  const ptx::SourceLines odd({".loc", ".loc x y z", ".loc 1", ".file", ".file x", ".file 1 \"open", ".loc 1 2 3"});
  EXPECT_EQ(odd.at(6), -1);
  ASSERT_GE(odd.at(7), 0);
  EXPECT_EQ(odd.mark(odd.at(7)).line, 2);
  EXPECT_EQ(odd.file(1), "");
}

const char* const kSource = R"(__device__ inline float twice(float x) { return x + x; }
extern "C" __global__ void k(float* out, int n) {
  float x = threadIdx.x;
  for (int i = 0; i < n; ++i) {
    x = fmaf(x, 0.5f, 1.f);
  }
  out[threadIdx.x] = twice(x);
}
)";

TEST_F(Lines, WhatNvrtcWritesIsReadAndTheLinesAddUp) {
  const std::string plain = ptx_of(kSource);
  const std::string ptx = ptx_of(kSource, "compute_80", {"-lineinfo"});
  ASSERT_NE(ptx.find(".loc"), std::string::npos);
  float* out = poisoned<float>(32);
  run(plain, "k", Arguments().add(out).add(100));
  const Counters unmarked = total();
  EXPECT_TRUE(statistics_.measurement.lines.empty());
  run(ptx, "k", Arguments().add(out).add(100));
  EXPECT_EQ(total(), unmarked) << "line information changes no instruction";
  Counters by_line;
  for (const auto& [place, line] : statistics_.measurement.lines) {
    EXPECT_TRUE(place.first.ends_with("test.cu")) << place.first;
    by_line.add(line.own);
  }
  Counters by_instruction;
  std::uint64_t turns = 0;
  for (const auto& [place, instruction] : statistics_.measurement.instructions) {
    by_instruction.add(instruction.counters);
    if (!place.second.starts_with("fma")) continue;
    EXPECT_EQ(instruction.line, 5);
    turns += instruction.counters.warp_instructions;
  }
  EXPECT_EQ(by_instruction, total());
  EXPECT_EQ(by_line, total()) << "every instruction of this kernel has a line";
  EXPECT_EQ(turns, 100u) << "one fused multiply-add per turn of the loop";
}

}  // namespace
}  // namespace emulator::test
