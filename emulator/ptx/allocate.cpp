// Virtual registers to rows. PTX is nearly in SSA form, with thousands of registers; rows are shared between registers
// that are never alive at the same time, so that a warp's registers stay in the cache.
// Liveness is a thread's: lanes are independent columns, so divergence changes nothing, as long as only registers of
// one width share rows. In a row of another width a lane's column lies elsewhere, and a lane that runs ahead would
// overwrite what a sibling that lags behind still reads.
#include <algorithm>
#include <numeric>
#include <queue>

#include "ptx/decoder.hpp"

namespace emulator::ptx {
namespace {

constexpr std::uint64_t kMaxLivenessBits = std::uint64_t{1} << 31;
constexpr std::uint32_t kMaxFrameBytes = 1u << 26;

struct Range {
  std::uint32_t first = 0, last = 0;  ///< instructions
};

/// A function's basic blocks.
struct Flow {
  explicit Flow(const std::vector<Draft>& drafts) {
    std::vector<bool> leader(drafts.size() + 1, false);
    leader[0] = true;
    for (std::size_t i = 0; i < drafts.size(); ++i) {
      for (const std::uint32_t target : drafts[i].targets) leader[target] = true;
      if (!drafts[i].targets.empty() || !drafts[i].falls_through) leader[i + 1] = true;
    }
    block_of.resize(drafts.size());
    for (std::uint32_t i = 0; i < drafts.size(); ++i) {
      if (leader[i]) begin.push_back(i);
      block_of[i] = static_cast<std::uint32_t>(begin.size() - 1);
    }
    begin.push_back(static_cast<std::uint32_t>(drafts.size()));
  }
  [[nodiscard]] std::size_t size() const { return begin.size() - 1; }
  std::vector<std::uint32_t> begin;  ///< first instruction of each block, and the end
  std::vector<std::uint32_t> block_of;
};

class Bits {
 public:
  Bits(std::size_t rows, std::size_t columns) : words_((columns + 63) / 64), data_(rows * words_) {}
  std::uint64_t* row(std::size_t i) { return data_.data() + i * words_; }
  void set(std::size_t i, std::size_t j) { row(i)[j / 64] |= std::uint64_t{1} << (j % 64); }
  bool test(std::size_t i, std::size_t j) { return (row(i)[j / 64] >> (j % 64) & 1) != 0; }
  [[nodiscard]] std::size_t words() const { return words_; }

 private:
  std::size_t words_;
  std::vector<std::uint64_t> data_;
};

void widen(Range& range, std::uint32_t at) {
  range.first = std::min(range.first, at);
  range.last = std::max(range.last, at);
}

/// For each register the instructions between which it holds a value, as one stretch of the text. `unwritten`: those
/// that may be read before they are written. They live everywhere, so that no other register's value hides that.
std::vector<Range> live_ranges(const std::vector<Draft>& drafts, const std::vector<Reference>& references,
                               std::size_t vregs, std::vector<std::uint32_t>& unwritten) {
  const auto count = static_cast<std::uint32_t>(drafts.size());
  std::vector<Range> ranges(vregs, Range{count, 0});
  const Flow flow(drafts);
  if (static_cast<std::uint64_t>(flow.size()) * vregs * 2 > kMaxLivenessBits) {
    // Too large to analyse: everything lives everywhere.
    unwritten.resize(vregs);
    std::iota(unwritten.begin(), unwritten.end(), 0u);
    return std::vector<Range>(vregs, Range{0, count});
  }
  Bits in(flow.size(), vregs), defined(flow.size(), vregs);
  // References come instruction by instruction; in each, reads before writes. A guarded write leaves the old value in
  // some lanes, so it does not end the life of the value before.
  for (std::size_t i = 0; i < references.size();) {
    std::size_t end = i;
    while (end < references.size() && references[end].instruction == references[i].instruction) ++end;
    const std::uint32_t at = references[i].instruction;
    const std::uint32_t block = flow.block_of[at];
    for (std::size_t k = i; k < end; ++k) {
      const Reference& reference = references[k];
      widen(ranges[reference.vreg], at);
      const bool reads = !reference.write || drafts[at].guarded;
      if (reads && !defined.test(block, reference.vreg)) in.set(block, reference.vreg);
    }
    for (std::size_t k = i; k < end; ++k) {
      if (references[k].write && !drafts[at].guarded) defined.set(block, references[k].vreg);
    }
    i = end;
  }
  // live-in = reads before a write, or live-in of a successor and not written here.
  std::vector<std::vector<std::uint32_t>> successors(flow.size());
  for (std::size_t b = 0; b < flow.size(); ++b) {
    const Draft& last = drafts[flow.begin[b + 1] - 1];
    for (const std::uint32_t target : last.targets) successors[b].push_back(flow.block_of[target]);
    if (last.falls_through && b + 1 < flow.size()) successors[b].push_back(static_cast<std::uint32_t>(b + 1));
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t b = flow.size(); b-- > 0;) {
      std::uint64_t* mine = in.row(b);
      const std::uint64_t* kill = defined.row(b);
      for (const std::uint32_t successor : successors[b]) {
        const std::uint64_t* theirs = in.row(successor);
        for (std::size_t w = 0; w < in.words(); ++w) {
          const std::uint64_t more = mine[w] | (theirs[w] & ~kill[w]);
          changed = changed || more != mine[w];
          mine[w] = more;
        }
      }
    }
  }
  for (std::size_t b = 0; b < flow.size(); ++b) {
    const auto extend = [&](std::uint64_t* row, std::uint32_t at) {
      for (std::size_t w = 0; w < in.words(); ++w) {
        for (std::uint64_t left = row[w]; left != 0; left &= left - 1) {
          widen(ranges[w * 64 + static_cast<std::size_t>(__builtin_ctzll(left))], at);
        }
      }
    };
    extend(in.row(b), flow.begin[b]);
    for (const std::uint32_t successor : successors[b]) {
      extend(in.row(successor), flow.begin[b + 1] - 1);
    }
  }
  for (std::uint32_t v = 0; v < vregs && flow.size() != 0; ++v) {
    if (!in.test(0, v)) continue;
    ranges[v] = {0, count};
    unwritten.push_back(v);
  }
  return ranges;
}

std::uint32_t row_bytes(const VirtualRegister& vreg) {
  return vreg.type == Type::pred ? 4u : vreg.bytes() == 16 ? 512u : vreg.bytes() == 8 ? 256u : 128u;
}

}  // namespace

void FunctionDecoder::allocate_registers() {
  const std::vector<Range> ranges = live_ranges(drafts_, references_, vregs_.size(), unwritten_);
  std::vector<std::uint32_t> order;
  for (std::uint32_t v = 0; v < vregs_.size(); ++v) {
    if (ranges[v].first <= ranges[v].last) order.push_back(v);
  }
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::pair(ranges[a].first, a) < std::pair(ranges[b].first, b);
  });
  // Predicates are small: each keeps its own place in front of the rows.
  std::vector<std::uint32_t>& place = place_;
  place.assign(vregs_.size(), 0);
  std::uint32_t top = 0;
  for (std::uint32_t v = 0; v < vregs_.size(); ++v) {
    if (vregs_[v].type != Type::pred) continue;
    place[v] = top;
    top += 4;
  }
  top = (top + 127u) & ~127u;
  predicate_bytes_ = top;
  using Ending = std::pair<std::uint32_t, std::uint32_t>;  // last instruction, register
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> alive;
  std::map<int, std::vector<std::uint32_t>> free;  // by width
  for (const std::uint32_t v : order) {
    if (vregs_[v].type == Type::pred) continue;
    // A row may be reused only behind the last instruction that reads it: handlers may write before they have read all.
    while (!alive.empty() && alive.top().first < ranges[v].first) {
      const std::uint32_t dead = alive.top().second;
      free[vregs_[dead].bytes()].push_back(place[dead]);
      alive.pop();
    }
    auto& rows = free[vregs_[v].bytes()];
    if (rows.empty()) {
      place[v] = top;
      top += row_bytes(vregs_[v]);
      if (top > kMaxFrameBytes) fail_unsupported(function_.line, "a function with too many registers");
    } else {
      place[v] = rows.back();
      rows.pop_back();
    }
    alive.emplace(ranges[v].last, v);
  }
  register_bytes_ = std::max(top, 128u);
  for (const Reference& reference : references_) {
    Draft& draft = drafts_[reference.instruction];
    const auto offset = static_cast<RowOperand>(place[reference.vreg]);
    if (reference.field == kGuard) {
      draft.in.guard = offset;
    } else if (reference.field >= kList) {
      draft.list[static_cast<std::size_t>(reference.field - kList)] = offset;
    } else {
      draft.in.operand[static_cast<std::size_t>(reference.field)] = offset;
    }
  }
}

}  // namespace emulator::ptx
