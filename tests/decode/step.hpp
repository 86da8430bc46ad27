// Running a decoding case as a serving engine would.
#pragma once

#include <string>
#include <vector>

#include "cli/device_tensors.hpp"
#include "osdn/engine.hpp"
#include "reference/case.hpp"
#include "reference/serving.hpp"
#include "tests/kernels/session.hpp"

namespace osdn::tests {

/// Copies on the tests' engine.
class OnDevice : public cli::DeviceTensors {
 public:
  OnDevice() : DeviceTensors(engine()) {}
};

/// Runs one step. Whatever is written that should not be fails the test. With a placement there must be no padding.
reference::Outputs step(const PreparedOperation& operation, const reference::Case& problem,
                        const reference::ServingOptions& options = {}, const Placement* placement = nullptr);

/// The default Config of the emulated device, or another.
PreparedOperation prepare_step(const std::string& problem, const std::string& config = {});

/// A random case of this operation.
reference::Case random_step(const PreparedOperation& operation, const Shape& shape, std::uint64_t seed,
                            const reference::Numbers& numbers = {}, reference::Keys keys = reference::Keys::unit,
                            const std::vector<std::int64_t>& lengths = {});

/// Keeps only sequence `n` of a case that is not packed, and of its tokens [begin, end).
reference::Case part_of(const reference::Case& whole, std::int64_t n, std::int64_t begin, std::int64_t end);

}  // namespace osdn::tests
