// Whether what was timed is right: some heads of the timed launches against float64.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bench/forward/sets.hpp"

namespace osdn::bench {

struct GateVerdict {
  bool passed = false;
  double error = 0;      ///< relative RMS of o, the worst head's
  double tolerance = 0;  ///< of that head
  std::string reason;    ///< why not; empty when passed
};

class Gate {
 public:
  /// Solves two heads of set 0 whole: the first of the first sequence that is not empty, the last of the last.
  static expected<Gate> make(Engine& engine, const Work& work, const Sets& sets);

  /// Makes every element of set 0's o a NaN.
  expected<void> poison(Engine& engine) const;
  /// Every element of o finite, and the heads within tolerance.
  expected<GateVerdict> check(Engine& engine) const;
  /// `head 0 of sequence 0, …`
  [[nodiscard]] std::string heads() const;

 private:
  struct Head {
    std::int64_t sequence = 0, start = 0, length = 0, head = 0;
    double tolerance = 0;
    std::vector<double> o;
  };
  Gate(const Work& work, const Sets& sets) : work_(work), arguments_(sets.arguments(0)) {}
  expected<void> solve(Engine& engine, Head& head) const;
  [[nodiscard]] std::size_t o_bytes() const;

  Work work_;
  ForwardArguments arguments_;
  std::vector<Head> heads_;
};

}  // namespace osdn::bench
