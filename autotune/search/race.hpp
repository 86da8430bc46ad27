// The race: which of several correct candidates is fastest, by interleaved samples, in as few as it takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "autotune/laboratory.hpp"
#include "autotune/trial.hpp"

namespace osdn::autotune {

struct Entrant {
  Config config;
  std::string sources;
  Resources resources;
};

struct RaceOptions {
  double tolerance = 0.02;      ///< ratios closer than this are the same
  int first_rounds = 4;         ///< samples of each in the first heat; later heats double it
  std::size_t finalists = 16;   ///< that the final begins with, the default not counted; the slower ones drop out of it
  std::size_t reported = 8;     ///< finalists in the result at most, beside the default and the winner
  int final_rounds = 12;        ///< of a batch of the final; more batches until the intervals separate
  int most_final_rounds = 400;  ///< then what is not told apart counts as noise
  double disturbed = 0.10;      ///< a round whose default is off its median by more is thrown away
  /// Asked between batches; true: end with what is known.
  std::function<bool()> out_of_time{};
  /// Told of a candidate that broke while it was timed.
  std::function<void(const Config&, const Verdict&)> broke{};
};

struct RaceResult {
  std::vector<Finalist> finalists;  ///< the winner first, then by ratio; the default among them
  std::int64_t discarded = 0;       ///< samples of disturbed rounds
  std::string ended;                ///< "separated", "within noise", "budget" (out of time)
};

/// entrants[0] is the default. Successive halving by the median of paired ratios to the default (see select_entrants),
/// then a final of interleaved rounds until the 95 % interval of each other finalist's ratio to the best lies on one
/// side of the tolerance, or beyond 1 for one that would not win by its resources either. Among those within noise of
/// the best the winner is, in this order: the default, fewer resources (shared memory, registers · threads, spills,
/// workspace), the text of the configuration. A winner other than the default is faster than the default beyond noise.
/// When the default itself breaks, ratios are to the first entrant that has not. A final has at least six rounds,
/// however little time there is. Errors: those of Laboratory::measure; internal without an entrant, when all broke, and
/// for samples that are none.
expected<RaceResult> race(Laboratory& laboratory, const std::vector<Entrant>& entrants, const RaceOptions& options);

/// One batch of samples of candidates beside the default, for a trial each.
struct Sampled {
  double median_seconds = 0;
  double spread = 0;
  double ratio = 0;  ///< to the default
  int samples = 0;
  int discarded = 0;
};

/// From whole rounds (round[0] is the default's sample): medians, spreads, paired ratios, after throwing away rounds
/// that were disturbed. One entry per configuration.
[[nodiscard]] std::vector<Sampled> summarize(const std::vector<std::vector<double>>& rounds, double disturbed);

/// Whom to let into a race, or into its next heat: indices of at most `seats` of the field (without the default),
/// taking turns between the fastest and, among those within the tolerance of the fastest, the leanest. So it is not
/// left to chance which of many equals meet in the final. `ratios` are to the default.
[[nodiscard]] std::vector<std::size_t> select_entrants(const std::vector<Entrant>& field,
                                                       const std::vector<double>& ratios, std::size_t seats,
                                                       double tolerance);

/// By resources alone: whether `a` is the leaner of two that are equally fast; a fixed total order.
[[nodiscard]] bool leaner(const Entrant& a, const Entrant& b);

}  // namespace osdn::autotune
