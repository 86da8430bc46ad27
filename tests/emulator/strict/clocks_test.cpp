// The vector clocks against happens-before drawn as a graph and searched.
#include "strict/clocks.hpp"

#include <set>

#include "../machine.hpp"

namespace emulator::test {
namespace {

/// Every event of every thread is a node; an edge leads to what it happened before. Knowledge is a node as well.
class Graph {
 public:
  explicit Graph(unsigned threads) : last_(threads) {
    for (unsigned& each : last_) each = node({});
  }
  unsigned node(const std::vector<unsigned>& before) {
    std::set<unsigned> all;
    for (const unsigned each : before) {
      all.insert(each);
      all.insert(behind_[each].begin(), behind_[each].end());
    }
    behind_.push_back(std::move(all));
    return static_cast<unsigned>(behind_.size() - 1);
  }
  /// A new event of the thread behind its last one and `others`.
  unsigned event(unsigned thread, const std::vector<unsigned>& others = {}) {
    std::vector<unsigned> before = others;
    before.push_back(last_[thread]);
    return last_[thread] = node(before);
  }
  [[nodiscard]] unsigned last(unsigned thread) const { return last_[thread]; }
  [[nodiscard]] bool ordered(unsigned from, unsigned to) const { return from == to || behind_[to].count(from) != 0; }

 private:
  std::vector<std::set<unsigned>> behind_;
  std::vector<unsigned> last_;
};

struct Access {
  unsigned thread;
  Stamp stamp;
  unsigned node;
};

void check_random(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const unsigned warps = 1 + static_cast<unsigned>(random() % 3);
  const unsigned threads = warps * kLanes;
  Clocks clocks(threads);
  Graph graph(threads);
  std::vector<Access> accesses;
  std::vector<Knowledge> knowledge(3);
  std::vector<std::vector<unsigned>> released(3);
  const auto any = [&] { return static_cast<unsigned>(random() % threads); };
  for (int step = 0; step < 120; ++step) {
    const unsigned thread = any();
    const std::size_t k = random() % knowledge.size();
    switch (random() % 9) {
      case 0: {
        if (random() % 4 != 0) break;
        std::vector<unsigned> all;
        for (unsigned t = 0; t < threads; ++t) all.push_back(graph.last(t));
        const unsigned meet = graph.node(all);
        for (unsigned t = 0; t < threads; ++t) graph.event(t, {meet});
        clocks.synchronise_all();
        break;
      }
      case 1: {
        std::uint32_t lanes = static_cast<std::uint32_t>(random()) | 1u;
        if (random() % 2 == 0) lanes = kAllLanes;
        const unsigned warp = thread / kLanes;
        std::vector<unsigned> all;
        for (unsigned i = 0; i < kLanes; ++i) {
          if ((lanes >> i & 1u) != 0) all.push_back(graph.last(warp * kLanes + i));
        }
        const unsigned meet = graph.node(all);
        for (unsigned i = 0; i < kLanes; ++i) {
          if ((lanes >> i & 1u) != 0) graph.event(warp * kLanes + i, {meet});
        }
        clocks.synchronise_lanes(warp, lanes);
        break;
      }
      case 2:
        released[k].push_back(graph.last(thread));
        graph.event(thread);
        clocks.release(thread, knowledge[k]);
        break;
      case 3:
        graph.event(thread, released[k]);
        clocks.acquire(thread, knowledge[k]);
        break;
      case 4:
        graph.event(thread);
        clocks.fence(thread);
        break;
      default: {
        const unsigned node = graph.event(thread);
        for (const Access& before : accesses) {
          ASSERT_EQ(clocks.ordered(thread, before.thread, before.stamp), graph.ordered(before.node, node))
              << "thread " << thread << " and what " << before.thread << " did at " << before.stamp;
        }
        accesses.push_back({thread, clocks.now(thread), node});
      }
    }
  }
}

TEST(Clocks, KnowWhatHappenedBefore) {
  const std::uint64_t seed = fresh_seed();
  SCOPED_TRACE("OSDN_TEST_SEED=" + std::to_string(seed));
  for (std::uint64_t i = 0; i < 100; ++i) {
    check_random(seed + i);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(Clocks, AFenceReleasesWhatWasBeforeItAndNoMore) {
  Clocks clocks(64);
  const Stamp before = clocks.now(0);
  clocks.fence(0);
  const Stamp after = clocks.now(0);
  Knowledge knowledge;
  clocks.release_fenced(0, knowledge);
  EXPECT_FALSE(clocks.ordered(40, 0, before));
  clocks.acquire(40, knowledge);
  EXPECT_TRUE(clocks.ordered(40, 0, before));
  EXPECT_FALSE(clocks.ordered(40, 0, after));
}

TEST(Clocks, ANewBlockRacesWithNothing) {
  Clocks clocks(32);
  const Stamp stamp = clocks.now(3);
  EXPECT_FALSE(clocks.ordered(4, 3, stamp));
  clocks.reset();
  EXPECT_TRUE(clocks.ordered(4, 3, stamp));
  EXPECT_FALSE(clocks.fenced(3));
}

}  // namespace
}  // namespace emulator::test
