// Random numbers that are the same everywhere, which those of the standard library's distributions are not.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace osdn::autotune {

/// The finalizer of splitmix64: every bit of the result depends on every bit of the argument.
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31);
}

/// Places a text in a random order that depends on nothing but seed and text.
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t seed, std::string_view text) {
  std::uint64_t bits = mixed(seed + 0x9e3779b97f4a7c15U);
  for (const char c : text) bits = mixed(bits ^ static_cast<unsigned char>(c)) + 0x9e3779b97f4a7c15U;
  return mixed(bits);
}

/// splitmix64
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() { return mixed(state_ += 0x9e3779b97f4a7c15U); }
  /// In [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  /// With mean 0 and standard deviation 1 (Box and Muller).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  std::uint64_t state_;
};

}  // namespace osdn::autotune
