#include "autotune/search/grid.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <set>

#include "generator/fields.hpp"

namespace osdn::autotune {
namespace {

std::optional<std::int64_t> number(const std::string& text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

Grid::Grid(const std::vector<Config>& candidates, const Config& usual) {
  points_.reserve(candidates.size() + 1);
  for (const Config& config : candidates) add(config);
  add(usual);
  place();
}

void Grid::add(const Config& config) {
  const std::string text = to_string(config);
  if (by_text_.emplace(text, points_.size()).second) points_.push_back({config, text, {}});
}

// Gives every point its coordinates.
void Grid::place() {
  for (const auto& field : generator::config_fields()) {
    std::set<std::string> texts;
    for (const Point& point : points_) texts.insert(field.print(point.config));
    Axis axis{true, {texts.begin(), texts.end()}};
    for (const std::string& value : axis.values) axis.ordered = axis.ordered && number(value).has_value();
    if (axis.ordered) {
      std::sort(axis.values.begin(), axis.values.end(),
                [](const std::string& a, const std::string& b) { return *number(a) < *number(b); });
    }
    for (Point& point : points_) {
      const auto found = std::find(axis.values.begin(), axis.values.end(), field.print(point.config));
      point.at.push_back(static_cast<std::size_t>(found - axis.values.begin()));
    }
    axes_.push_back(std::move(axis));
  }
}

std::optional<std::size_t> Grid::find(const Config& config) const {
  const auto found = by_text_.find(to_string(config));
  if (found == by_text_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::size_t> Grid::neighbours(std::size_t index) const {
  std::vector<std::size_t> out;
  const auto fields = generator::config_fields();
  const auto candidate = [&](std::size_t axis, std::size_t value) {
    Config config = points_[index].config;
    fields[axis].read(config, axes_[axis].values[value]);
    return find(config);
  };
  for (std::size_t axis = 0; axis < axes_.size(); ++axis) {
    const std::size_t here = points_[index].at[axis];
    const std::size_t count = axes_[axis].values.size();
    std::optional<std::size_t> below;
    for (std::size_t value = 0; value < here; ++value) {
      const auto found = candidate(axis, value);
      if (!found) continue;
      if (!axes_[axis].ordered) out.push_back(*found);
      below = found;
    }
    if (axes_[axis].ordered && below) out.push_back(*below);
    for (std::size_t value = here + 1; value < count; ++value) {
      const auto found = candidate(axis, value);
      if (!found) continue;
      out.push_back(*found);
      if (axes_[axis].ordered) break;
    }
  }
  return out;
}

}  // namespace osdn::autotune
