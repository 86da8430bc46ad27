// Pairwise covers: few rows, so that every two values of every two axes meet in one of them, as far as they can.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace osdn::tests {

struct Axis {
  std::string name;
  int values = 0;
};

/// One value's number per axis.
using Row = std::vector<int>;

/// Two axes and their values.
struct Pair {
  int axis_a, value_a, axis_b, value_b;
};

/// What a legal row satisfies; looks at the values of its axes only.
struct Rule {
  std::vector<int> axes;
  std::function<bool(const Row&)> holds;
};

struct PairwiseSpace {
  std::vector<Axis> axes;
  std::vector<Rule> rules;
  /// Where an axis plays a part: elsewhere its value means nothing, and a pair with it is not met. Same promise.
  std::vector<std::pair<int, Rule>> plays;
};

struct PairwiseCover {
  std::vector<Row> rows;
  std::vector<Pair> impossible;  ///< no legal row has them: the whole space was searched
  std::size_t covered = 0;       ///< all others
};

/// Greedy; the same seed gives the same cover.
PairwiseCover pairwise_cover(const PairwiseSpace& space, std::uint64_t seed);

}  // namespace osdn::tests
