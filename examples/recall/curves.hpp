// Residuals over readings, as an SVG picture.
#pragma once

#include <string>
#include <vector>

namespace recall {

struct Curve {
  std::string name{};
  bool dashed = false;
  std::vector<double> residuals{};  ///< after each reading, > 0
  std::vector<int> right{};         ///< pairs recalled
};

/// Logarithmic residuals over readings; two curves in a row share a colour. Throws std::runtime_error if the file
/// cannot be written.
void draw(const std::vector<Curve>& curves, const std::string& path);

}  // namespace recall
