// Entries as a sweep would leave them, made from a seeded formula: nothing here was run.
#pragma once

#include <cstdint>
#include <vector>

#include "autotune/database/database.hpp"

namespace osdn::test {

struct MadeUp {
  std::size_t most = 0;  ///< candidates; 0: the whole space
  bool emulated = false;
  std::uint64_t seed = 1;
  int samples = 60;  ///< of a finalist; an emulated one has one
};

/// Every legal configuration of the problem on the architecture, with times that depend on all parameters, noise, a few
/// that the gate refuses, and a choice among the best.
autotune::Entry made_up_entry(const Problem& problem, const Shape& shape, const autotune::GpuKey& gpu,
                              const MadeUp& how = {});

[[nodiscard]] autotune::GpuKey h200();
[[nodiscard]] autotune::GpuKey emulated_gpu(int arch = 80, int multiprocessors = 108);

/// Forty keys: problems, buckets and GPUs, small spaces.
std::vector<autotune::Entry> many_entries();

/// What a database may hold although no sweep leaves it so: only a pin, no finalists, no trials, no default, no times.
std::vector<autotune::Entry> odd_entries();

/// Texts that would be markup, in every place that holds a text.
autotune::Entry hostile_entry();

}  // namespace osdn::test
