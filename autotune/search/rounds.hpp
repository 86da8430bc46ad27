// The samples of a race: whole rounds, in which some or all entrants were timed one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "autotune/laboratory.hpp"
#include "autotune/search/race.hpp"
#include "autotune/search/statistics.hpp"

namespace osdn::autotune {

/// Times of one entrant over those of another in the same rounds.
struct Paired {
  double ratio = 1;                  ///< the median
  double noise = 0;                  ///< standard error of the ratio, roughly: by the spread
  std::optional<Interval> interval;  ///< of its 95 %; nothing with fewer than six rounds
};

class Rounds {
 public:
  Rounds(Laboratory& laboratory, const std::vector<Entrant>& entrants, double disturbed,
         std::function<void(const Config&, const Verdict&)> broke);

  /// Takes `count` rounds of these entrants (the reference first). Those that break are taken out of `active`, and the
  /// rest goes on without them. Errors: those of Laboratory::measure; internal for what is no sample.
  expected<void> take(std::vector<std::size_t>& active, int count);

  /// From round `from` of those that count on; nothing where the two never met.
  [[nodiscard]] std::optional<Paired> pair(std::size_t a, std::size_t b, std::size_t from) const;
  [[nodiscard]] std::vector<double> samples(std::size_t entrant, std::size_t from) const;
  /// Rounds that count, so far.
  [[nodiscard]] std::size_t size() const { return rounds_.size(); }
  /// Whom the others are compared with in every round: the default, or when that broke the first that has not.
  [[nodiscard]] std::size_t reference() const { return reference_; }
  [[nodiscard]] std::int64_t discarded() const { return discarded_; }

 private:
  expected<Measurement> measure(const std::vector<std::size_t>& active, int count);
  void keep(const std::vector<std::size_t>& active, const Measurement& measurement);

  Laboratory& laboratory_;
  const std::vector<Entrant>& entrants_;
  double disturbed_;
  std::function<void(const Config&, const Verdict&)> broke_;
  std::size_t reference_ = 0;
  std::vector<double> references_;           ///< samples of the reference, disturbed ones included
  std::vector<std::vector<double>> rounds_;  ///< [round that counts][entrant]; negative: did not take part
  std::int64_t discarded_ = 0;
};

}  // namespace osdn::autotune
