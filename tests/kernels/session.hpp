// Running a case through the Engine on the emulator, and judging it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "osdn/engine.hpp"
#include "reference/case.hpp"
#include "reference/judge.hpp"
#include "tests/kernels/family.hpp"

namespace osdn::tests {

/// The Engine of this test program: the emulator, validate mode, no disk cache unless OSDN_TEST_CACHE names a folder.
/// Made anew after a driver error.
Engine& engine();
/// Ends it, so that a test may break the context; operations that it prepared must be gone.
void end_engine();

/// The seed of the inputs: fresh in every run, or OSDN_TEST_SEED to repeat one.
std::uint64_t input_seed();

/// Seeds the emulator's order of blocks and warps.
void set_emulator_seed(std::uint64_t seed);

/// Compiles what is not compiled yet. A failure fails the test and throws.
PreparedOperation prepare(const Problem& problem, const Config& config);

struct Placement;

/// Asked for every so many tokens; rows that none falls on come back as NaNs.
struct Checkpoints {
  std::int64_t every = 0;
  bool states = true;
  bool ds = true;
  safetensors::Tensor state{}, d{};
};

/// Launches a case. Outputs and workspace are poisoned first: what is not written comes back as NaN. States that are
/// not asked for come back as null tensors.
struct LaunchOptions {
  States states = States::in_and_out;
  IndexType index_type = IndexType::int64;
  std::vector<std::byte>* workspace = nullptr;  ///< takes what the launch left there
  Checkpoints* checkpoints = nullptr;
  const Placement* placement = nullptr;  ///< null: dense tensors, a buffer each
  int times = 1;                         ///< launched so often, one behind the other in the same memory
  bool recorded = false;                 ///< as a graph that is replayed
};
reference::Outputs launch(const PreparedOperation& operation, const reference::Case& problem,
                          const LaunchOptions& options = {});

/// Expects every tensor within its tolerance; the states only where they were asked for.
void expect_right(const reference::Case& problem, const reference::Outputs& outputs, States states);

/// prepare, launch, expect_right.
reference::Outputs run(const Config& config, const reference::Case& problem, const LaunchOptions& options = {});

/// Same bytes.
void expect_same_bits(const safetensors::Tensor& a, const safetensors::Tensor& b, const std::string& what);
void expect_same_bits(const reference::Outputs& a, const reference::Outputs& b);

}  // namespace osdn::tests
