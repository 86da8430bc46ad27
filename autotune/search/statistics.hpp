// Medians, spreads, and intervals that suppose nothing of a distribution.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace osdn::autotune {

/// Precondition of all: at least one number.
[[nodiscard]] double median(std::vector<double> numbers);
/// The lower of the two in the middle: one of the numbers themselves.
[[nodiscard]] double lower_median(std::vector<double> numbers);
/// Half the interquartile range over the median.
[[nodiscard]] double relative_spread(std::vector<double> numbers);

/// Of the median of these, as if they were normal: by the interquartile range, which a few outliers do not move.
[[nodiscard]] double standard_error(std::vector<double> numbers);

struct Interval {
  double low = 0;
  double high = 0;
};

/// Covers the median of what the samples are drawn from with a probability of at least 95 %, whatever its distribution:
/// between the k-th smallest and the k-th largest, with the largest k for which fewer than k of n fair coins fall on
/// one side in at most 2.5 % of all cases. Nothing below six samples, where even the extremes cover less.
[[nodiscard]] std::optional<Interval> median_interval(std::vector<double> samples);
inline constexpr std::size_t fewest_for_interval = 6;

/// How many of the smallest (and of the largest) samples lie outside the interval; nothing below six.
[[nodiscard]] std::optional<std::size_t> outside_each_end(std::size_t samples);

/// Which rounds from `first` on count: those whose reference sample is within `tolerance` of the running median, taken
/// over these and up to 16 rounds before, counted or not: where a device stays slower, that becomes the usual.
[[nodiscard]] std::vector<bool> undisturbed(const std::vector<double>& reference, std::size_t first, double tolerance);

}  // namespace osdn::autotune
