// The problem that the benchmarks take unless they say otherwise: the one that floors and goals are stated for.
#pragma once

#include <string>

#include "generator/plan.hpp"

namespace osdn::bench {

inline Problem subject(Apf apf = Apf::per_token) {
  return {.type = ElementType::bf16, .k = 128, .v = 128, .precondition = Precondition::osdn, .apf = apf};
}

inline generator::Architecture architecture(const char* name = "sm_80") {
  return generator::find_architecture(name).value_or_throw();
}

inline generator::Plan plan(const Problem& problem, const generator::Architecture& architecture) {
  const Config config = generator::default_config(problem, architecture).value_or_throw();
  return generator::plan(problem, config, architecture).value_or_throw();
}

}  // namespace osdn::bench
