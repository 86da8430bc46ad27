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

  /// Makes every element of set 0's o a NaN, and gives the heads of a decoding step the states they began with.
  expected<void> poison(Engine& engine) const;
  /// Every element of o finite, and the heads within tolerance; of a decoding step also their states.
  expected<GateVerdict> check(Engine& engine) const;
  /// `head 0 of sequence 0, …`
  [[nodiscard]] std::string heads() const;

 private:
  struct Head {
    std::int64_t sequence = 0, start = 0, length = 0, head = 0;
    double tolerance = 0;
    std::vector<double> o{};
    // Of a decoding step: what it began with, and what it shall leave.
    std::vector<std::byte> state{}, d{};
    std::vector<double> final_state{}, final_d{};
    double state_tolerance = 0, d_tolerance = 0;
  };
  /// One after another; the worst of them is what the verdict tells.
  class Findings;
  Gate(const Work& work, const Sets& sets) : work_(work), arguments_(sets.arguments(0)) {}
  expected<void> solve(Engine& engine, Head& head) const;
  expected<void> check_states(Engine& engine, const Head& head, Findings& findings) const;
  [[nodiscard]] bool decodes() const { return work_.problem.operation == Operation::osdn_decode; }
  /// Elements before this head's in a tensor of so many for each sequence and head.
  [[nodiscard]] std::size_t first_of(const Head& head, std::size_t elements) const {
    return static_cast<std::size_t>(head.sequence * work_.shape.hv + head.head) * elements;
  }
  [[nodiscard]] std::size_t o_bytes() const;

  Work work_;
  ForwardArguments arguments_;
  std::vector<Head> heads_;
};

}  // namespace osdn::bench
