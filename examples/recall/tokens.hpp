// The sequence that teaches the pairs and asks for them, and what the answers are worth.
#pragma once

#include <array>
#include <vector>

#include "osdn/hyperparameters.hpp"
#include "osdn/shape.hpp"
#include "recall/curves.hpp"
#include "recall/text.hpp"

namespace recall {

inline constexpr int features = 64;
inline constexpr int passes = 32;
inline constexpr std::array<float, 3> betas{0.25F, 0.5F, 0.9F};  // of the three value heads
inline constexpr osdn::Hyperparameters hyperparameters{.eta = 1.0F, .d_min = 0.5F, .d_max = 2.0F, .scale = 1.0F};

struct Tokens {
  osdn::Shape shape{};
  std::vector<float> q{}, k{};     // [T, features]
  std::vector<float> v{}, beta{};  // [T, heads, features], [T, heads]
};

/// Every pair is read, then every pair is asked for; `passes` times. `values`: one of length 1 for each pair.
Tokens make_tokens(const std::vector<Pair>& pairs, const std::vector<std::vector<float>>& values);

/// What is left of a value of length 1, on average over all pairs, after each pass; and how many pairs come back right,
/// that is, nearer to their own value than to any other. `o`: [T, heads, features].
Curve judge(const std::vector<float>& o, const std::vector<std::vector<float>>& values, std::size_t head);

}  // namespace recall
