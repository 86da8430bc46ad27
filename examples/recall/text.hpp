// Text as vectors: keys that resemble each other where the texts do, values that do not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace recall {

struct Pair {
  std::string key;
  std::string value;
};

/// Lines "key: value". Throws std::runtime_error naming the file, or the line that is none.
std::vector<Pair> read_pairs(const std::string& path);

/// Letters and groups of two and three letters, each hashed to a feature and a sign; of length 1.
std::vector<float> embed(std::string_view text, int features);

/// Random signs drawn from the text's hash; of length 1.
std::vector<float> signature(std::string_view text, int features);

double squared_distance(const float* a, const std::vector<float>& b);

/// "0.25", "0.5"
std::string short_text(double number);

}  // namespace recall
