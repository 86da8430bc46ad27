#include "recall/text.hpp"

#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <random>
#include <stdexcept>

namespace recall {
namespace {

/// FNV-1a (Fowler, Noll, Vo; 64 bits), stirred once so that low bits depend on all letters.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 14695981039346656037ULL;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return value ^ value >> 29;
}

void normalise(std::vector<float>& x) {
  double squares = 0;
  for (const float a : x) squares += static_cast<double>(a) * a;
  const double factor = squares > 0 ? 1 / std::sqrt(squares) : 0;
  for (float& a : x) a = static_cast<float>(a * factor);
}

}  // namespace

std::vector<Pair> read_pairs(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<Pair> pairs;
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) throw std::runtime_error(path + ": no \"key: value\" in the line \"" + line + '"');
    pairs.push_back({line.substr(0, colon), line.substr(colon + 2)});
  }
  if (pairs.empty()) throw std::runtime_error(path + " has no lines");
  return pairs;
}

std::vector<float> embed(std::string_view text, int features) {
  std::string marked = "^";
  for (const char c : text) marked += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  marked += '$';
  std::vector<float> x(static_cast<std::size_t>(features));
  for (std::size_t length = 1; length <= 3; ++length) {
    for (std::size_t at = 0; at + length <= marked.size(); ++at) {
      const std::uint64_t h = hash(std::string_view(marked).substr(at, length));
      x[h % x.size()] += h >> 40 & 1 ? 1.0F : -1.0F;
    }
  }
  normalise(x);
  return x;
}

std::vector<float> signature(std::string_view text, int features) {
  std::mt19937_64 random(hash(text));
  std::vector<float> x(static_cast<std::size_t>(features));
  for (float& a : x) a = random() & 1 ? 1.0F : -1.0F;
  normalise(x);
  return x;
}

double squared_distance(const float* a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < b.size(); ++i)
    sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return sum;
}

std::string short_text(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", number);
  return text;
}

}  // namespace recall
