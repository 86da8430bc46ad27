#include "autotune/search/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace osdn::autotune {
namespace {

// Linear between the order statistics around it.
double quantile(const std::vector<double>& sorted, double part) {
  const double at = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

double median(std::vector<double> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return quantile(numbers, 0.5);
}

double lower_median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>((numbers.size() - 1) / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

double relative_spread(std::vector<double> numbers) {
  std::sort(numbers.begin(), numbers.end());
  return (quantile(numbers, 0.75) - quantile(numbers, 0.25)) / 2 / quantile(numbers, 0.5);
}

double standard_error(std::vector<double> numbers) {
  std::sort(numbers.begin(), numbers.end());
  // Of a normal distribution the interquartile range is 1.349 standard deviations; a median of n errs by √(π/2n) of
  // them.
  const double deviation = (quantile(numbers, 0.75) - quantile(numbers, 0.25)) / 1.349;
  return deviation * std::sqrt(std::numbers::pi / 2 / static_cast<double>(numbers.size()));
}

std::optional<std::size_t> outside_each_end(std::size_t samples) {
  // P(at most i of n fair coins show heads), summed until it passes 2.5 %; in logarithms, for n in the thousands.
  const auto n = static_cast<double>(samples);
  double log_term = -n * std::log(2.0);
  double sum = 0;
  std::size_t outside = 0;
  for (std::size_t i = 0; 2 * i < samples; ++i) {
    sum += std::exp(log_term);
    if (sum > 0.025) break;
    outside = i + 1;
    log_term += std::log(n - static_cast<double>(i)) - std::log(static_cast<double>(i) + 1);
  }
  if (outside == 0) return std::nullopt;
  return outside - 1;
}

std::optional<Interval> median_interval(std::vector<double> samples) {
  const auto outside = outside_each_end(samples.size());
  if (!outside) return std::nullopt;
  std::sort(samples.begin(), samples.end());
  return Interval{samples[*outside], samples[samples.size() - 1 - *outside]};
}

std::vector<bool> undisturbed(const std::vector<double>& reference, std::size_t first, double tolerance) {
  constexpr std::size_t window = 16;
  const std::size_t from = first - std::min(first, window);
  // The lower median is a sample itself, so that one round counts at least where these are all there are.
  const double usual = lower_median({reference.begin() + static_cast<std::ptrdiff_t>(from), reference.end()});
  std::vector<bool> out;
  for (std::size_t i = first; i < reference.size(); ++i) {
    out.push_back(std::abs(reference[i] / usual - 1) <= tolerance);
  }
  return out;
}

}  // namespace osdn::autotune
