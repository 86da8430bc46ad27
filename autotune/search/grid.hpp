// The candidates as points of a grid: one axis per field of Config, with the values that occur among them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "osdn/config.hpp"

namespace osdn::autotune {

class Grid {
 public:
  /// Each candidate once, in the order given; `usual` is added where it is missing.
  Grid(const std::vector<Config>& candidates, const Config& usual);

  [[nodiscard]] std::size_t size() const { return points_.size(); }
  [[nodiscard]] const Config& config(std::size_t index) const { return points_[index].config; }
  [[nodiscard]] const std::string& text(std::size_t index) const { return points_[index].text; }
  [[nodiscard]] std::optional<std::size_t> find(const Config& config) const;

  /// Candidates that differ in one field: along numbers the next one on either side (over values that are not legal
  /// beside the other fields), of names every other one. In the order of fields, then of values.
  [[nodiscard]] std::vector<std::size_t> neighbours(std::size_t index) const;

 private:
  struct Axis {
    bool ordered = true;  ///< its values are numbers
    std::vector<std::string> values;
  };
  struct Point {
    Config config;
    std::string text;
    std::vector<std::size_t> at;  ///< per axis the value's index
  };
  void add(const Config& config);
  void place();

  std::vector<Axis> axes_;
  std::vector<Point> points_;
  std::unordered_map<std::string, std::size_t> by_text_;
};

}  // namespace osdn::autotune
