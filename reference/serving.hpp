// A decoding case as a serving engine would put it to a kernel: its sequences' states scattered over the rows of a pool
// by a table of slots, padding sequences among the batch, NaNs wherever nothing may be read.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "osdn/error.hpp"
#include "reference/case.hpp"

namespace osdn::reference {

struct ServingOptions {
  std::uint64_t seed = 1;
  std::int64_t padding = 2;         ///< sequences with a negative slot, behind those of the case
  std::int64_t spare_rows = 3;      ///< rows of the pool that nobody has
  bool in_place = true;             ///< else every sequence writes another row than the one it reads
  std::int64_t padding_tokens = 1;  ///< of each padding sequence of a packed batch; else as many as the others
};

/// The tensors of a step. Those of a case without initial states hold zeros and ones.
struct ServingBatch {
  Shape shape;  ///< with the padding
  std::int64_t rows = 0;
  safetensors::Tensor q, k, v, beta;
  std::optional<safetensors::Tensor> log_gamma, cu_seqlens;
  safetensors::Tensor state;             ///< [rows,HV,K,V]
  std::optional<safetensors::Tensor> d;  ///< [rows,HV,K]; none without a preconditioner
  safetensors::Tensor state_slots;       ///< [N] I32
  std::optional<safetensors::Tensor> output_slots;
};

[[nodiscard]] ServingBatch serve(const Case& problem, const ServingOptions& options);

/// What came of it: o, which held NaNs before, and the pools. Errors: internal, naming what was written that nobody had
/// asked to be.
expected<Outputs> collect(const Case& problem, const ServingBatch& batch, const safetensors::Tensor& o,
                          const safetensors::Tensor& state, const std::optional<safetensors::Tensor>& d);

}  // namespace osdn::reference
