// The space that the kernels' tests cover: what to compute, with which configuration, on what input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "osdn/arguments.hpp"
#include "osdn/config.hpp"
#include "reference/random_case.hpp"
#include "tests/kernels/pairwise.hpp"

namespace osdn::tests {

/// Which states a launch is given and asked for.
enum class States { none, out, in_and_out, aliased };

struct FamilyMember {
  Problem problem;
  Config config;
  Shape shape;
  reference::Numbers numbers;
  reference::RandomOptions random;
  IndexType index_type = IndexType::int64;
  States states = States::in_and_out;
};

/// `osdn_forward:… | chunk=… | b=… | …`
[[nodiscard]] std::string to_string(const FamilyMember& member);

/// Rows of a cover of the whole family, legal on sm_80. `seed` also draws the lengths of the sequences; the inputs'
/// seed is the caller's.
[[nodiscard]] PairwiseSpace family_space();
[[nodiscard]] FamilyMember family_member(const Row& row, std::uint64_t seed);

}  // namespace osdn::tests
