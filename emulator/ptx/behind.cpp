#include "ptx/behind.hpp"

#include <algorithm>

namespace emulator::ptx {
namespace {

constexpr std::size_t kMaxBlocks = 20'000;

/// Basic blocks, and a last one that stands for the end.
class Graph {
 public:
  explicit Graph(const std::vector<Draft>& drafts) : drafts_(drafts) {
    std::vector<bool> leader(drafts.size() + 1, false);
    leader[0] = true;
    for (std::size_t i = 0; i < drafts.size(); ++i) {
      for (const std::uint32_t target : drafts[i].targets) leader[target] = true;
      if (!drafts[i].targets.empty() || !drafts[i].falls_through || leaves(i)) leader[i + 1] = true;
    }
    block_of_.resize(drafts.size());
    for (std::uint32_t i = 0; i < drafts.size(); ++i) {
      if (leader[i]) begin_.push_back(i);
      block_of_[i] = static_cast<std::uint32_t>(begin_.size() - 1);
    }
    end_ = static_cast<std::uint32_t>(begin_.size());
    begin_.push_back(static_cast<std::uint32_t>(drafts.size()));
    successors_.resize(end_ + 1u);
    predecessors_.resize(end_ + 1u);
    for (std::uint32_t b = 0; b < end_; ++b) {
      const std::uint32_t last = begin_[b + 1] - 1;
      for (const std::uint32_t target : drafts[last].targets) link(b, block_of_[target]);
      if (drafts[last].falls_through && b + 1 < end_) link(b, b + 1);
      if (leaves(last) || successors_[b].empty()) link(b, end_);
    }
  }

  [[nodiscard]] std::size_t size() const { return end_; }
  [[nodiscard]] std::uint32_t end() const { return end_; }
  [[nodiscard]] std::uint32_t block_of(std::uint32_t instruction) const { return block_of_[instruction]; }
  [[nodiscard]] std::uint32_t first(std::uint32_t block) const { return begin_[block]; }

  /// The immediate post-dominators (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm, on the reversed
  /// graph); kNoTarget where the end is out of reach.
  [[nodiscard]] std::vector<std::uint32_t> post_dominators() const {
    const std::vector<std::uint32_t> order = reverse_post_order();
    std::vector<std::uint32_t> number(end_ + 1u, kNoTarget), parent(end_ + 1u, kNoTarget);
    for (std::uint32_t i = 0; i < order.size(); ++i) number[order[i]] = i;
    parent[end_] = end_;
    for (bool changed = true; changed;) {
      changed = false;
      for (const std::uint32_t block : order) {
        if (block == end_) continue;
        std::uint32_t meet = kNoTarget;
        for (std::uint32_t next : successors_[block]) {
          if (parent[next] == kNoTarget) continue;
          for (std::uint32_t other = meet; other != kNoTarget && other != next;) {
            (number[other] > number[next] ? other : next) = parent[number[other] > number[next] ? other : next];
          }
          meet = next;
        }
        changed = changed || parent[block] != meet;
        parent[block] = meet;
      }
    }
    return parent;
  }

  [[nodiscard]] bool reaches(std::uint32_t from, std::uint32_t to) const {
    std::vector<bool> seen(end_ + 1u, false);
    std::vector<std::uint32_t> open{from};
    while (!open.empty()) {
      const std::uint32_t block = open.back();
      open.pop_back();
      for (const std::uint32_t next : successors_[block]) {
        if (next == to) return true;
        if (!seen[next]) open.push_back(next);
        seen[next] = true;
      }
    }
    return false;
  }

  /// True when a block does nothing but lead to the end.
  [[nodiscard]] bool idle(std::uint32_t block) const {
    const Draft& draft = drafts_[begin_[block]];
    const Handler handler = draft.in.handler;
    return !draft.guarded && (handler == control::ret || handler == control::exit || handler == control::branch);
  }

 private:
  [[nodiscard]] bool leaves(std::size_t i) const {
    return drafts_[i].in.handler == control::ret || drafts_[i].in.handler == control::exit;
  }
  void link(std::uint32_t from, std::uint32_t to) {
    successors_[from].push_back(to);
    predecessors_[to].push_back(from);
  }
  /// Of the reversed graph, from the end.
  [[nodiscard]] std::vector<std::uint32_t> reverse_post_order() const {
    std::vector<std::uint32_t> order;
    std::vector<bool> seen(end_ + 1u, false);
    std::vector<std::pair<std::uint32_t, std::size_t>> stack{{end_, 0}};
    seen[end_] = true;
    while (!stack.empty()) {
      auto& [block, next] = stack.back();
      if (next == predecessors_[block].size()) {
        order.push_back(block);
        stack.pop_back();
        continue;
      }
      const std::uint32_t other = predecessors_[block][next++];
      if (!seen[other]) stack.emplace_back(other, 0);
      seen[other] = true;
    }
    std::reverse(order.begin(), order.end());
    return order;
  }

  const std::vector<Draft>& drafts_;
  std::vector<std::uint32_t> begin_, block_of_;
  std::vector<std::vector<std::uint32_t>> successors_, predecessors_;
  std::uint32_t end_ = 0;
};

}  // namespace

std::vector<std::uint32_t> behind(const std::vector<Draft>& drafts, const std::vector<std::uint32_t>& barriers) {
  std::vector<std::uint32_t> result(barriers.size(), kNoTarget);
  if (barriers.empty()) return result;
  const Graph graph(drafts);
  if (graph.size() > kMaxBlocks) return result;
  const std::vector<std::uint32_t> parent = graph.post_dominators();
  for (std::size_t i = 0; i < barriers.size(); ++i) {
    const std::uint32_t block = graph.block_of(barriers[i]);
    for (std::uint32_t at = parent[block]; at != kNoTarget && at != graph.end(); at = parent[at]) {
      if (graph.idle(at) || graph.reaches(at, block)) continue;
      result[i] = graph.first(at);
      break;
    }
  }
  return result;
}

}  // namespace emulator::ptx
