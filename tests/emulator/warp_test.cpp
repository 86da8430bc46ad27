// Exchanges inside a warp, divergence and the rules of who waits for whom.
#include <functional>

#include "machine.hpp"

namespace emulator::test {
namespace {

class Warps : public Machine {
 protected:
  Warps() : seed_(fresh_seed()), random_(seed_) { block_ = {32, 1, 1}; }

  /// One warp: `body` may use lane, a (from the input) and must set d and, if it likes, e.
  std::vector<std::uint32_t> warp(const std::string& body, const std::vector<std::uint32_t>& in,
                                  unsigned threads = 32) {
    const std::string text = header() + R"(.visible .entry warp(.param .u64 pin, .param .u64 pout) {
.reg .b64 at, w, x; .reg .b32 lane, a, b, c, d, e, f, i, m; .reg .pred p, q, r;
mov.u32 lane, %tid.x; mov.b32 d, -1; mov.b32 e, -1;
ld.param.u64 at, [pin]; mad.wide.u32 at, lane, 4, at; ld.global.b32 a, [at];
)" + body + R"(
done: ld.param.u64 at, [pout]; mad.wide.u32 at, lane, 8, at; st.global.v2.b32 [at], {d, e}; ret;
})";
    SCOPED_TRACE(body + " OSDN_TEST_SEED=" + std::to_string(seed_));
    block_ = {threads, 1, 1};
    std::uint32_t* out = poisoned<std::uint32_t>(2 * threads);
    run(text, "warp", Arguments().add(buffer(in)).add(out));
    return {out, out + 2 * threads};
  }
  std::vector<std::uint32_t> noise(std::size_t count = 32) {
    std::vector<std::uint32_t> values(count);
    for (auto& v : values) v = static_cast<std::uint32_t>(random_());
    return values;
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
};

/// The manual's pseudo-code of shfl.sync, for every width of a segment and many offsets.
TEST_F(Warps, Shuffles) {
  const auto a = noise();
  for (const std::string mode : {"up", "down", "bfly", "idx"}) {
    for (const int width : {32, 16, 8, 4, 2, 1}) {
      for (const int b : {0, 1, 2, 3, 5, 8, 16, 31}) {
        const int segment = 32 - width, c = segment << 8 | (mode == "up" ? 0 : 31);
        const auto out = warp("shfl.sync." + mode + ".b32 d|p, a, " + std::to_string(b) + ", " + std::to_string(c) +
                                  ", -1;\nselp.b32 e, 1, 0, p;",
                              a);
        for (int lane = 0; lane < 32; ++lane) {
          const int first = lane & segment, last = first | (31 & ~segment);
          int from = mode == "up"     ? lane - b
                     : mode == "down" ? lane + b
                     : mode == "bfly" ? lane ^ b
                                      : first | (b & ~segment);
          const bool in_range = mode == "up" ? from >= first : from <= last;
          if (!in_range) from = lane;
          ASSERT_EQ(out[static_cast<std::size_t>(2 * lane)], a[static_cast<std::size_t>(from)])
              << mode << width << " " << b << " lane " << lane;
          ASSERT_EQ(out[static_cast<std::size_t>(2 * lane + 1)], in_range ? 1u : 0u)
              << mode << width << " " << b << " lane " << lane;
        }
      }
    }
  }
}

TEST_F(Warps, ShuffleInsideADivergentGroup) {
  // Odd lanes exchange among themselves with their own mask; even lanes meanwhile do something else.
  const auto a = noise();
  const auto out = warp(R"(and.b32 b, lane, 1; setp.eq.u32 p, b, 0; @p bra even;
xor.b32 c, lane, 2; shfl.sync.idx.b32 d, a, c, 31, 0xAAAAAAAA; bra.uni done;
even: shfl.sync.bfly.b32 d, a, 4, 31, 0x55555555;)",
                        a);
  for (std::size_t lane = 0; lane < 32; ++lane) {
    ASSERT_EQ(out[2 * lane], a[lane % 2 == 1 ? lane ^ 2 : lane ^ 4]) << lane;
  }
}

TEST_F(Warps, ShuffleMeetsAtDifferentInstructions) {
  // Both sides of a branch execute a shuffle with the full mask: the lanes wait for each other and exchange across.
  const auto a = noise();
  const auto out = warp(R"(setp.lt.u32 p, lane, 16; @p bra low;
shfl.sync.bfly.b32 d, a, 16, 31, -1; add.u32 d, d, 1; bra.uni done;
low: shfl.sync.bfly.b32 d, a, 16, 31, -1; add.u32 d, d, 2;)",
                        a);
  for (std::size_t lane = 0; lane < 32; ++lane) {
    ASSERT_EQ(out[2 * lane], a[lane ^ 16] + (lane < 16 ? 2 : 1)) << lane;
  }
}

TEST_F(Warps, ShuffleFromALaneThatTakesNoPartIsPoison) {
  strict_ = false;  // which refuses to store it
  const auto out =
      warp("setp.lt.u32 p, lane, 16; @p shfl.sync.bfly.b32 d, a, 16, 31, 0xFFFF;", std::vector<std::uint32_t>(32, 5));
  for (std::size_t lane = 0; lane < 16; ++lane) ASSERT_EQ(out[2 * lane], ~0u);
}

TEST_F(Warps, VotesMatchesAndReductions) {
  auto a = noise();
  for (auto& v : a) v %= 5;
  const auto ballot = [&](const std::function<bool(std::uint32_t)>& f) {
    std::uint32_t mask = 0;
    for (std::size_t lane = 0; lane < 32; ++lane) mask |= f(a[lane]) ? 1u << lane : 0;
    return mask;
  };
  auto out = warp("setp.lt.u32 p, a, 2; vote.sync.ballot.b32 d, p, -1; vote.sync.ballot.b32 e, !p, -1;", a);
  EXPECT_EQ(out[0], ballot([](auto v) { return v < 2; }));
  EXPECT_EQ(out[1], ballot([](auto v) { return v >= 2; }));
  out = warp(
      "setp.lt.u32 p, a, 5; setp.lt.u32 q, lane, 3; vote.sync.all.pred p, p, -1; vote.sync.any.pred q, q, -1;"
      "selp.b32 d, 1, 0, p; selp.b32 e, 1, 0, q;",
      a);
  EXPECT_EQ(out[62], 1u);
  EXPECT_EQ(out[63], 1u) << "lane 31 hears of lane 0";
  out = warp(
      "setp.lt.u32 p, lane, 31; vote.sync.all.pred q, p, -1; vote.sync.uni.pred r, p, -1;"
      "selp.b32 d, 1, 0, q; selp.b32 e, 1, 0, r;",
      a);
  EXPECT_EQ(out[0], 0u);
  EXPECT_EQ(out[1], 0u);
  out = warp("match.any.sync.b32 d, a, -1; match.all.sync.b32 e|p, a, -1;", a);
  for (std::size_t lane = 0; lane < 32; ++lane) {
    ASSERT_EQ(out[2 * lane], ballot([&](auto v) { return v == a[lane]; })) << lane;
    ASSERT_EQ(out[2 * lane + 1], 0u);
  }
  const auto wild = noise();
  std::uint32_t sum = 0, least = ~0u, both = ~0u, either = 0;
  std::int32_t most = INT32_MIN;
  for (const std::uint32_t v : wild) {
    sum += v;
    least = std::min(least, v);
    most = std::max(most, static_cast<std::int32_t>(v));
    both &= v;
    either ^= v;
  }
  out = warp("redux.sync.add.u32 d, a, -1; redux.sync.min.u32 e, a, -1;", wild);
  EXPECT_EQ(out[40], sum);
  EXPECT_EQ(out[41], least);
  out = warp("redux.sync.max.s32 d, a, -1; redux.sync.xor.b32 e, a, -1;", wild);
  EXPECT_EQ(out[0], static_cast<std::uint32_t>(most));
  EXPECT_EQ(out[1], either);
  out = warp("redux.sync.and.b32 d, a, -1; mov.b32 e, a;", wild);
  EXPECT_EQ(out[0], both);
  out = warp("elect.sync d|p, 0xFFFFFFFF; selp.b32 e, 1, 0, p; activemask.b32 d;", wild);
  EXPECT_EQ(out[1], 1u);
  EXPECT_EQ(out[3], 0u);
  EXPECT_EQ(out[0], ~0u);
}

TEST_F(Warps, MasksMayDifferFromLaneToLane) {
  // Each group of equal values reduces among itself although the warp runs converged.
  auto a = noise();
  for (auto& v : a) v %= 4;
  const auto out = warp("match.any.sync.b32 m, a, -1; redux.sync.add.u32 d, lane, m;", a);
  for (std::size_t lane = 0; lane < 32; ++lane) {
    std::uint32_t sum = 0;
    for (std::size_t other = 0; other < 32; ++other) sum += a[other] == a[lane] ? static_cast<std::uint32_t>(other) : 0;
    ASSERT_EQ(out[2 * lane], sum) << lane;
  }
}

TEST_F(Warps, NestedDivergenceAndLoopsWithDifferentTripCounts) {
  auto a = noise();
  for (auto& v : a) v %= 23;
  int joined = 0;
  for (schedule_ = 0; schedule_ < 32; ++schedule_) {
    const auto out = warp(R"(mov.u32 d, 0; mov.u32 i, 0;
outer: setp.ge.u32 p, i, a; @p bra out;
  and.b32 b, i, 3; setp.eq.u32 q, b, 2; @q bra skip;
  mov.u32 c, 0;
  inner: setp.gt.u32 r, c, b; @r bra skip; mad.lo.u32 d, i, c, d; add.u32 c, c, 1; bra.uni inner;
  skip: add.u32 i, i, 1; bra.uni outer;
out: activemask.b32 e;)",
                          a);
    for (std::size_t lane = 0; lane < 32; ++lane) {
      std::uint32_t d = 0;
      for (std::uint32_t i = 0; i < a[lane]; ++i) {
        if ((i & 3) == 2) continue;
        for (std::uint32_t c = 0; c <= (i & 3); ++c) d += i * c;
      }
      ASSERT_EQ(out[2 * lane], d) << lane;
    }
    joined += out[1] == ~0u ? 1 : 0;
  }
  EXPECT_GE(joined, 16) << "paths join behind the loop, except in blocks that run diverged lanes in random order";
  EXPECT_LT(joined, 32) << "some blocks do";
}

TEST_F(Warps, DivergedLanesMayMeetInABarrierOfTheWarp) {
  // A producer and a consumer half in different branches, synchronised by bar.warp.sync on both sides.
  const auto a = noise();
  const std::string text = R"(.shared .align 4 .b8 box[128];
mov.u32 b, box; mad.lo.u32 c, lane, 4, b; setp.lt.u32 p, lane, 16; @p bra low;
st.shared.b32 [c], a; bar.warp.sync -1; ld.shared.b32 d, [c+-64]; bra.uni done;
low: st.shared.b32 [c], a; bar.warp.sync 0xFFFFFFFF; ld.shared.b32 d, [c+64];)";
  for (schedule_ = 0; schedule_ < 20; ++schedule_) {
    const auto out = warp(text, a);
    for (std::size_t lane = 0; lane < 32; ++lane) ASSERT_EQ(out[2 * lane], a[lane ^ 16]) << lane;
  }
}

TEST_F(Warps, ALaneThatSpinsDoesNotStarveItsSiblings) {
  // Lane 0 waits for a flag that lane 1 sets further down the text: independent thread scheduling must let lane 1 on.
  const auto out = warp(R"(.shared .align 4 .b8 flag[4];
mov.u32 b, 0; st.shared.b32 [flag], b; bar.warp.sync -1;
setp.ne.u32 p, lane, 0; @p bra other;
spin: ld.volatile.shared.b32 b, [flag]; setp.eq.u32 q, b, 0; @q bra spin; mov.u32 d, b; bra.uni done;
other: setp.ne.u32 q, lane, 1; @q bra done; mov.u32 b, 77; st.volatile.shared.b32 [flag], b; mov.u32 d, 1;)",
                        noise());
  EXPECT_EQ(out[0], 77u);
}

TEST_F(Warps, IndirectBranches) {
  const auto out = warp(R"(and.b32 b, lane, 3;
targets: .branchtargets one, two, three, two;
brx.idx b, targets;
one: mov.u32 d, 1; bra.uni done; two: mov.u32 d, 2; bra.uni done; three: mov.u32 d, 3; bra.uni done;)",
                        noise());
  const std::uint32_t wanted[4] = {1, 2, 3, 2};
  for (std::size_t lane = 0; lane < 32; ++lane) ASSERT_EQ(out[2 * lane], wanted[lane % 4]);
}

TEST_F(Warps, PartlyFilledWarps) {
  strict_ = false;  // the last lane stores what it has from one that does not exist
  const auto a = noise(40);
  const auto out = warp("shfl.sync.down.b32 d, a, 1, 31, -1; vote.sync.ballot.b32 e, 1, -1;", a, 40);
  EXPECT_EQ(out[2 * 38], a[39]);
  EXPECT_EQ(out[2 * 35 + 1], 0xFFu) << "lanes that do not exist do not vote";
  EXPECT_EQ(out[2 * 3 + 1], ~0u);
}

TEST_F(Warps, FreshRegistersHoldPoison) {
  strict_ = false;  // which refuses to store it
  const auto out = warp("{.reg .b32 never; mov.b32 d, never;}", noise());
  EXPECT_EQ(out[0], ~0u);
}

}  // namespace
}  // namespace emulator::test
