// A small problem with random inputs and its float64 answers, to be run by any engine on any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "osdn/engine.hpp"
#include "reference/case.hpp"

namespace osdn::tests {

struct Job {
  reference::Case problem;
  reference::Expected answers;
};

/// One job for each of eight problems that share no kernel but where it is meant: types, head dimensions, APF variants.
std::vector<Job> make_jobs(std::uint64_t seed);

/// The device memory of one job's tensors: outputs and workspace poisoned.
class JobMemory {
 public:
  /// Errors: those of Engine::allocate.
  static expected<JobMemory> create(Engine& engine, const Job& job, const PreparedOperation& operation);

  [[nodiscard]] const ForwardArguments& arguments() const { return arguments_; }
  ForwardArguments& arguments() { return arguments_; }
  /// What the launches so far left. Waits for the null stream only.
  expected<reference::Outputs> outputs() const;

 private:
  JobMemory() = default;
  std::vector<DeviceBuffer> inputs_;
  DeviceBuffer o_, final_state_, final_d_, workspace_;
  reference::Outputs shapes_;
  ForwardArguments arguments_;
};

/// prepare, launch on the null stream, download, judge. Empty: right; else what is wrong.
std::string run(Engine& engine, const Job& job);

/// What is wrong with outputs; empty: nothing.
std::string judged(const Job& job, const reference::Outputs& outputs);

/// The emulator, with a compile cache of its own. `cache` empty: none on disk.
EngineOptions options(const std::string& cache = {});

/// Seed of the inputs: fresh, printed, repeated by OSDN_TEST_SEED.
std::uint64_t input_seed();

}  // namespace osdn::tests
