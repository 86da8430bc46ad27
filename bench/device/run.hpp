// A case of the tests' family through an Engine, and how far off it is.
#pragma once

#include "osdn/engine.hpp"
#include "reference/case.hpp"
#include "reference/judge.hpp"
#include "tests/kernels/family.hpp"

namespace osdn::bench {

/// Outputs and workspace hold NaNs before the launch. States that `states` does not ask for come back empty.
/// Decoding steps always have states, on scattered slots.
expected<reference::Outputs> run(Engine& engine, const PreparedOperation& operation, const reference::Case& problem,
                                 tests::States states, IndexType index_type);

/// The judge's verdicts; of o alone where no states were asked for.
std::vector<reference::Verdict> judge(const reference::Case& problem, const reference::Expected& answers,
                                      const reference::Outputs& outputs, tests::States states);

/// Relative RMS of the difference between two tensors of the same type and size; 0 where they are the same bits.
double relative_difference(const safetensors::Tensor& a, const safetensors::Tensor& b);

/// Relative RMS errors of a tensor, cut into so many parts along its elements.
std::vector<double> part_errors(const safetensors::Tensor& found, const std::vector<double>& right, std::size_t parts);

}  // namespace osdn::bench
