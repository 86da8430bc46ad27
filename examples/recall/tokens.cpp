#include "recall/tokens.hpp"

#include <algorithm>
#include <cmath>

namespace recall {

Tokens make_tokens(const std::vector<Pair>& pairs, const std::vector<std::vector<float>>& values) {
  const std::size_t n = pairs.size();
  const std::size_t heads = betas.size();
  Tokens all{.shape = {.b = 1, .t = static_cast<std::int64_t>(2 * n * passes), .h = 1, .hv = heads}};
  const auto tokens = static_cast<std::size_t>(all.shape.t);
  all.q.resize(tokens * features), all.k.resize(tokens * features);
  all.v.resize(tokens * heads * features), all.beta.resize(tokens * heads);
  for (std::size_t t = 0; t < tokens; ++t) {
    const Pair& pair = pairs[t % n];
    const bool question = t / n % 2 == 1;
    const std::vector<float> key = embed(pair.key, features);
    std::copy(key.begin(), key.end(), (question ? all.q : all.k).begin() + static_cast<std::ptrdiff_t>(t * features));
    for (std::size_t head = 0; head < heads && !question; ++head) {
      const std::size_t row = t * heads + head;
      std::copy(values[t % n].begin(), values[t % n].end(),
                all.v.begin() + static_cast<std::ptrdiff_t>(row * features));
      all.beta[row] = betas[head];
    }
  }
  return all;
}

Curve judge(const std::vector<float>& o, const std::vector<std::vector<float>>& values, std::size_t head) {
  Curve curve;
  const std::size_t n = values.size();
  for (std::size_t pass = 0; pass < passes; ++pass) {
    double residual = 0;
    int right = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const float* answer = &o[(((2 * pass + 1) * n + i) * betas.size() + head) * features];
      std::size_t nearest = 0;
      double least = INFINITY;
      for (std::size_t j = 0; j < n; ++j) {
        const double distance = squared_distance(answer, values[j]);
        if (j == i) residual += distance;
        if (distance < least) least = distance, nearest = j;
      }
      right += values[nearest] == values[i];
    }
    curve.residuals.push_back(residual / static_cast<double>(n));
    curve.right.push_back(right);
  }
  return curve;
}

}  // namespace recall
