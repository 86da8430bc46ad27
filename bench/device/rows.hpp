// What of the kernel family is checked on a device: the cover that the tests use, and every value of every field of the
// configuration space, found in the space itself: a new kernel is checked as soon as the space knows it. Cuts and
// decoding steps beside them.
#pragma once

#include <string>
#include <vector>

#include "generator/architecture.hpp"
#include "tests/kernels/family.hpp"

namespace osdn::bench {

struct CheckRow {
  std::string key;  ///< the same in every run: `cover 12`, `schedule=hopper apf=per_token`
  tests::FamilyMember member;
};

/// Rows whose configuration is legal on this architecture. Errors: those of the configuration space.
expected<std::vector<CheckRow>> check_rows(const generator::Architecture& architecture);

}  // namespace osdn::bench
