// Bank conflicts, sectors and bytes of accesses whose cost can be counted on paper.
#include <algorithm>
#include <functional>

#include "measured.hpp"

namespace emulator::test {
namespace {

using Address = std::function<std::uint32_t(unsigned lane)>;

/// One warp makes one access; lane i at byte `address(i)`.
class Traffic : public Measured {
 protected:
  /// `access`: one instruction on [at], with registers v0 … v3 (32 bits) and w0, w1 (64 bits), all zero.
  const Counters& access(const std::string& space, const std::string& unguarded, const Address& address,
                         std::uint32_t lanes = ~0u) {
    const std::string instruction = (lanes == ~0u ? "" : "@p ") + unguarded;
    std::vector<std::uint32_t> offsets;
    for (unsigned lane = 0; lane < 32; ++lane) offsets.push_back(address(lane));
    const bool shared = space == "shared";
    std::uint32_t* table = buffer(offsets);
    std::uint8_t* data = buffer(std::vector<std::uint8_t>(8192));
    const std::string text =
        header() +
        ".visible .entry k(.param .u64 offsets, .param .u64 data, .param .u32 lanes) {\n"
        ".reg .pred p;\n.reg .b64 at, base, w<2>;\n.reg .b32 i, v<4>, m, z;\n.shared .align 128 .b8 room[8192];\n"
        "mov.u32 i, %tid.x;\n"
        "mov.u32 z, 0;\n" +
        fill() + "ld.param.u64 base, [offsets];\nmad.wide.u32 at, i, 4, base;\nld.global.u32 m, [at];\n" +
        "ld.param.u64 base, [data];\n" + (shared ? "mov.u64 base, room;\n" : "") +
        "cvt.u64.u32 at, m;\nadd.u64 at, at, base;\n"
        "mov.b32 v0, 0;\nmov.b32 v1, 0;\nmov.b32 v2, 0;\nmov.b32 v3, 0;\nmov.b64 w0, 0;\nmov.b64 w1, 0;\n"
        "ld.param.u32 m, [lanes];\nshr.u32 m, m, i;\nand.b32 m, m, 1;\nsetp.ne.u32 p, m, 0;\n"
        "bar.warp.sync -1;\n" +
        instruction + "\nret;\n}\n";
    run(text, "k", Arguments().add(table).add(data).add(lanes));
    memory_.release(reinterpret_cast<std::uint64_t>(table));
    memory_.release(reinterpret_cast<std::uint64_t>(data));
    seen_ = of(instruction.substr(0, instruction.find('\n')));
    EXPECT_EQ(seen_.warp_instructions, 1u) << instruction;
    return seen_;
  }

  /// Every byte of `room` is written before, a row of 128 bytes at a time.
  static std::string fill() {
    std::string text = "mov.u64 base, room;\nmad.wide.u32 at, i, 4, base;\n";
    for (int row = 0; row < 64; ++row) text += "st.shared.u32 [at+" + std::to_string(128 * row) + "], z;\n";
    return text + "bar.warp.sync -1;\n";
  }

  void shared(const std::string& instruction, const Address& address, unsigned passes, unsigned conflicts,
              std::uint32_t lanes = ~0u) {
    const Counters& seen = access("shared", instruction, address, lanes);
    EXPECT_EQ(seen.shared_passes, passes) << instruction;
    EXPECT_EQ(seen.bank_conflicts, conflicts) << instruction;
    EXPECT_EQ(seen.shared_requests, 1u) << instruction;
    EXPECT_EQ(seen.global_sectors, 0u) << instruction;
  }
  void global(const std::string& instruction, const Address& address, unsigned sectors, unsigned excess,
              std::uint32_t lanes = ~0u) {
    const Counters& seen = access("global", instruction, address, lanes);
    EXPECT_EQ(seen.global_sectors, sectors) << instruction;
    EXPECT_EQ(seen.excess_sectors, excess) << instruction;
    EXPECT_EQ(seen.global_requests, 1u) << instruction;
    EXPECT_EQ(seen.shared_passes, 0u) << instruction;
  }
  Counters seen_;
};

Address stride(std::uint32_t bytes, std::uint32_t offset = 0) {
  return [=](unsigned lane) { return lane * bytes + offset; };
}

TEST_F(Traffic, WordsInRowsAndColumns) {
  for (const char* instruction : {"ld.shared.u32 v0, [at];", "st.shared.u32 [at], v0;"}) {
    shared(instruction, stride(4), 1, 0);
    shared(instruction, stride(8), 2, 1);      // 64 words over 16 even banks
    shared(instruction, stride(128), 32, 31);  // a column of a 32-word row: one bank
    shared(instruction, stride(132), 1, 0);    // padded by a word
    shared(instruction, stride(12), 1, 0);     // odd strides meet every bank
    shared(instruction, stride(64), 16, 15);   // two banks
    shared(
        instruction, [](unsigned) { return 64u; }, 1, 0);  // one word for all
    shared(
        instruction, [](unsigned lane) { return lane / 2 * 4; }, 1, 0);  // pairs share words
    shared(
        instruction, [](unsigned lane) { return lane % 2 * 128; }, 2, 1);  // two words of one bank
    shared(instruction, stride(128), 4, 3, 0x0000000Fu);                   // only four lanes of the column
  }
}

TEST_F(Traffic, GenericAddressesCountWhereTheyPoint) {
  const Counters& seen =
      access("shared", "cvta.shared.u64 w0, at;\nld.u32 v0, [w0];", [](unsigned lane) { return lane * 128; });
  EXPECT_EQ(seen.shared_requests, 0u) << "the line looked at is the conversion";
  EXPECT_EQ(of("ld.u32 v0, [w0]").bank_conflicts, 31u);
  EXPECT_EQ(of("ld.u32 v0, [w0]").shared_load_bytes, 128u);
}

TEST_F(Traffic, BytesShareWords) {
  shared("ld.shared.u8 v0, [at];", stride(1), 1, 0);
  shared("ld.shared.u16 v0, [at];", stride(2), 1, 0);
  shared("ld.shared.u8 v0, [at];", stride(128), 32, 31);
}

TEST_F(Traffic, WideAccessesGoByHalvesAndQuarters) {
  shared("ld.shared.u64 w0, [at];", stride(8), 2, 0);
  shared("ld.shared.v2.u32 {v0, v1}, [at];", stride(8), 2, 0);
  shared("ld.shared.v4.u32 {v0, v1, v2, v3}, [at];", stride(16), 4, 0);
  shared("st.shared.v4.u32 [at], {v0, v1, v2, v3};", stride(16), 4, 0);
  shared("ld.shared.u64 w0, [at];", stride(16), 4, 2);                      // 16 lanes over 256 bytes
  shared("ld.shared.v4.u32 {v0, v1, v2, v3}, [at];", stride(128), 32, 28);  // 8 lanes, 4 banks each, the same
  shared("ld.shared.v4.u32 {v0, v1, v2, v3}, [at];", stride(144), 4, 0);    // padded by 16 bytes
  shared(
      "ld.shared.v2.u64 {w0, w1}, [at];", [](unsigned) { return 0u; }, 4, 0);  // a broadcast, four times
  shared("ld.shared.u64 w0, [at];", stride(8), 1, 0, 0x0000FFFFu);             // half a warp is one group
}

TEST_F(Traffic, AtomicsOnOneWordTakeTurns) {
  shared(
      "atom.shared.add.u32 v0, [at], 1;", [](unsigned) { return 0u; }, 32, 31);
  shared("atom.shared.add.u32 v0, [at], 1;", stride(4), 1, 0);
  EXPECT_EQ(seen_.shared_load_bytes, 128u);
  EXPECT_EQ(seen_.shared_store_bytes, 128u);
}

TEST_F(Traffic, MatrixRowsOfTwoHundredFiftySixBytes) {
  const std::string load = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {v0, v1, v2, v3}, [at];";
  // Lane 8 m + r holds row r of matrix m: rows of 64 halves, matrices side by side.
  shared(
      load, [](unsigned lane) { return lane % 8 * 128 + lane / 8 * 16; }, 32, 28);
  EXPECT_EQ(seen_.shared_load_bytes, 512u);
  shared(
      load, [](unsigned lane) { return lane % 8 * 144 + lane / 8 * 16; }, 4, 0);  // padded by 16 bytes
  shared(
      load, [](unsigned lane) { return lane % 8 * 128 + (lane / 8 ^ lane % 8) * 16; }, 4, 0);  // swizzled
  shared(
      "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {v0, v1}, [at];",
      [](unsigned lane) { return lane % 8 * 128 + lane / 8 * 16; }, 16, 14);
  EXPECT_EQ(seen_.shared_load_bytes, 256u);
  shared(
      "stmatrix.sync.aligned.m8n8.x4.shared.b16 [at], {v0, v1, v2, v3};",
      [](unsigned lane) { return lane % 8 * 128 + (lane / 8 ^ lane % 8) * 16; }, 4, 0);
  EXPECT_EQ(seen_.shared_store_bytes, 512u);
}

TEST_F(Traffic, SectorsOfStridedLoads) {
  for (const char* instruction : {"ld.global.u32 v0, [at];", "st.global.u32 [at], v0;"}) {
    global(instruction, stride(4), 4, 0);
    global(instruction, stride(8), 8, 4);
    global(instruction, stride(12), 12, 8);
    global(instruction, stride(16), 16, 12);
    global(instruction, stride(32), 32, 28);
    global(instruction, stride(128), 32, 28);
    global(instruction, stride(4, 4), 5, 1);  // not aligned to a sector
  }
  global(
      "ld.global.u32 v0, [at];", [](unsigned) { return 32u; }, 1, 0);
  global(
      "ld.global.u32 v0, [at];", [](unsigned lane) { return (31 - lane) * 4; }, 4, 0);  // order does not matter
  global("ld.global.u8 v0, [at];", stride(1), 1, 0);
  global("ld.global.u64 w0, [at];", stride(8), 8, 0);
  global("ld.global.v4.u32 {v0, v1, v2, v3}, [at];", stride(16), 16, 0);
  global("ld.global.v4.u32 {v0, v1, v2, v3}, [at];", stride(64), 32, 16);
  global("ld.global.u32 v0, [at];", stride(32), 2, 1, 0x11u);
  EXPECT_EQ(seen_.global_load_bytes, 8u);
}

TEST_F(Traffic, SectorsAndBytesOfAnAsynchronousCopy) {
  access("global",
         "mad.lo.u32 z, i, 16, 0;\ncp.async.cg.shared.global [z], [at], 16;\ncp.async.wait_all;\n"
         "cp.async.cg.shared.global [z], [at], 16, 8;\ncp.async.wait_all;",
         stride(32));
  const Counters whole = of("cp.async.cg.shared.global [z], [at], 16;");
  EXPECT_EQ(whole.global_sectors, 32u);
  EXPECT_EQ(whole.excess_sectors, 16u);
  EXPECT_EQ(whole.global_load_bytes, 512u);
  EXPECT_EQ(whole.shared_store_bytes, 512u);
  EXPECT_EQ(whole.shared_passes, 4u);
  EXPECT_EQ(whole.bank_conflicts, 0u);
  const Counters half = of("cp.async.cg.shared.global [z], [at], 16, 8;");
  EXPECT_EQ(half.global_load_bytes, 256u) << "the rest is zeros";
  EXPECT_EQ(half.shared_store_bytes, 512u);
}

}  // namespace
}  // namespace emulator::test
