#include "tests/kernels/pairwise.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <random>

namespace osdn::tests {
namespace {

constexpr int open_value = -1;
constexpr int candidates_per_row = 20;
constexpr int tries_per_candidate = 100;

// A rule with its answers kept: it is asked about few different values very often.
class Judge {
 public:
  Judge(const PairwiseSpace& space, const Rule& rule) : rule_(rule) {
    std::size_t size = 1;
    for (const int axis : rule.axes) {
      strides_.push_back(size);
      size *= static_cast<std::size_t>(space.axes[axis].values);
    }
    answers_.assign(size, unknown);
  }

  /// Also true while an axis of the rule is open.
  bool may_hold(const Row& row) {
    std::size_t index = 0;
    for (std::size_t i = 0; i < strides_.size(); ++i) {
      const int value = row[rule_.axes[i]];
      if (value == open_value) return true;
      index += strides_[i] * static_cast<std::size_t>(value);
    }
    if (answers_[index] == unknown) answers_[index] = rule_.holds(row) ? yes : no;
    return answers_[index] == yes;
  }

 private:
  enum Answer : char { unknown, no, yes };
  const Rule& rule_;
  std::vector<std::size_t> strides_;
  std::vector<Answer> answers_;
};

class Builder {
 public:
  Builder(const PairwiseSpace& space, std::uint64_t seed) : space_(space), random_(seed) {
    int offset = 0;
    for (const Axis& axis : space.axes) {
      offsets_.push_back(offset);
      offset += axis.values;
    }
    values_ = offset;
    constrained_.assign(space.axes.size(), false);
    for (const Rule& rule : space.rules) rules_.emplace_back(space, rule);
    for (const auto& [axis, rule] : space.plays) parts_.emplace_back(axis, Judge(space, rule));
    const auto constrain = [&](const Rule& rule) {
      for (const int axis : rule.axes) constrained_[axis] = true;
    };
    for (const Rule& rule : space.rules) constrain(rule);
    for (const auto& [axis, rule] : space.plays) constrain(rule);
    open_.assign(static_cast<std::size_t>(values_) * values_, false);
  }

  PairwiseCover build() {
    find_possible_pairs();
    while (!pairs_.empty()) {
      Row best;
      std::size_t best_gain = 0;
      for (int i = 0; i < candidates_per_row; ++i) {
        Row row = candidate(pairs_[below(static_cast<int>(pairs_.size()))]);
        const std::size_t gain = newly_covered(row);
        if (gain > best_gain) {
          best = std::move(row);
          best_gain = gain;
        }
      }
      take(best);
    }
    return std::move(out_);
  }

 private:
  int axes() const { return static_cast<int>(space_.axes.size()); }
  int below(int bound) { return static_cast<int>(random_() % static_cast<std::uint64_t>(bound)); }
  bool open(int a, int i, int b, int j) const {
    return open_[static_cast<std::size_t>(offsets_[a] + i) * values_ + (offsets_[b] + j)];
  }
  void set_open(const Pair& p, bool value) {
    open_[static_cast<std::size_t>(offsets_[p.axis_a] + p.value_a) * values_ + (offsets_[p.axis_b] + p.value_b)] =
        value;
    open_[static_cast<std::size_t>(offsets_[p.axis_b] + p.value_b) * values_ + (offsets_[p.axis_a] + p.value_a)] =
        value;
  }
  bool plays(const Row& row, int axis) {
    return std::all_of(parts_.begin(), parts_.end(),
                       [&](auto& part) { return part.first != axis || part.second.may_hold(row); });
  }
  bool meets(const Row& row, const Pair& p) {
    return row[p.axis_a] == p.value_a && row[p.axis_b] == p.value_b && plays(row, p.axis_a) && plays(row, p.axis_b);
  }
  bool may_be_legal(const Row& row) {
    return std::all_of(rules_.begin(), rules_.end(), [&](Judge& rule) { return rule.may_hold(row); });
  }
  bool serves(const Row& row, const Pair& p) { return meets(row, p) && may_be_legal(row); }

  void find_possible_pairs() {
    for (int a = 0; a < axes(); ++a) {
      for (int b = a + 1; b < axes(); ++b) {
        for (int i = 0; i < space_.axes[a].values; ++i) {
          for (int j = 0; j < space_.axes[b].values; ++j) {
            const Pair pair{a, i, b, j};
            if (!completion(pair)) {
              out_.impossible.push_back(pair);
              continue;
            }
            pairs_.push_back(pair);
            set_open(pair, true);
          }
        }
      }
    }
    out_.covered = pairs_.size();
  }

  // A legal row with this pair: some random ones, then all there are.
  std::optional<Row> completion(const Pair& pair) {
    Row row(space_.axes.size(), open_value);
    row[pair.axis_a] = pair.value_a;
    row[pair.axis_b] = pair.value_b;
    const Row fixed = row;
    for (int i = 0; i < tries_per_candidate; ++i) {
      for (int axis = 0; axis < axes(); ++axis) {
        if (fixed[axis] == open_value) row[axis] = below(space_.axes[axis].values);
      }
      if (serves(row, pair)) return row;
    }
    row = fixed;
    for (int axis = 0; axis < axes(); ++axis) {
      if (row[axis] == open_value && !constrained_[axis]) row[axis] = below(space_.axes[axis].values);
    }
    if (may_be_legal(row) && search(row, 0, pair)) return row;
    return std::nullopt;
  }

  bool search(Row& row, int axis, const Pair& pair) {
    if (axis == axes()) return serves(row, pair);
    if (row[axis] != open_value) return search(row, axis + 1, pair);
    for (int value = 0; value < space_.axes[axis].values; ++value) {
      row[axis] = value;
      if (!may_be_legal(row)) continue;
      if (search(row, axis + 1, pair)) return true;
    }
    row[axis] = open_value;
    return false;
  }

  // A legal row with this pair and with as many other open pairs as a greedy walk over the axes finds.
  Row candidate(const Pair& pair) {
    Row row(space_.axes.size(), open_value);
    row[pair.axis_a] = pair.value_a;
    row[pair.axis_b] = pair.value_b;
    std::vector<int> order(space_.axes.size());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random_);
    for (const int axis : order) {
      if (row[axis] == open_value) row[axis] = most_wanted(row, axis);
    }
    // Where that is not legal, move one constrained axis after the other.
    for (int i = 0; i < tries_per_candidate && !serves(row, pair); ++i) {
      const int axis = below(axes());
      if (!constrained_[axis] || axis == pair.axis_a || axis == pair.axis_b) continue;
      row[axis] = below(space_.axes[axis].values);
    }
    return serves(row, pair) ? row : *completion(pair);
  }

  int most_wanted(const Row& row, int axis) {
    int best = 0;
    int best_score = -1;
    for (int value = 0; value < space_.axes[axis].values; ++value) {
      int score = 0;
      for (int other = 0; other < axes(); ++other) {
        if (other != axis && row[other] != open_value && open(axis, value, other, row[other])) ++score;
      }
      score = score * 16 + below(16);  // ties at random
      if (score > best_score) {
        best = value;
        best_score = score;
      }
    }
    return best;
  }

  std::size_t newly_covered(const Row& row) {
    return static_cast<std::size_t>(
        std::count_if(pairs_.begin(), pairs_.end(), [&](const Pair& pair) { return meets(row, pair); }));
  }

  void take(const Row& row) {
    out_.rows.push_back(row);
    std::erase_if(pairs_, [&](const Pair& pair) {
      if (!meets(row, pair)) return false;
      set_open(pair, false);
      return true;
    });
  }

  const PairwiseSpace& space_;
  std::mt19937_64 random_;
  std::vector<int> offsets_;
  std::vector<Judge> rules_;
  std::vector<std::pair<int, Judge>> parts_;
  std::vector<bool> constrained_;
  int values_ = 0;
  std::vector<bool> open_;
  std::vector<Pair> pairs_;
  PairwiseCover out_;
};

}  // namespace

PairwiseCover pairwise_cover(const PairwiseSpace& space, std::uint64_t seed) {
  return Builder(space, seed).build();
}

}  // namespace osdn::tests
