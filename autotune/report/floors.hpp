// What the work costs at least: bytes and products per token and value head, and the rates of known devices
// (docs/performance.md, "What the work costs at least").
#pragma once

#include <optional>
#include <string>

#include "autotune/key.hpp"
#include "osdn/config.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::autotune {

/// Per token and value head; states in and out are left aside. A key head that several value heads share counts for
/// each of them in proportion.
struct Work {
  double bytes = 0;             ///< q, k, v and o once, β, and log γ where there is one per token
  double two_phases_bytes = 0;  ///< as our two kernels move it; 0 without a preconditioner
  double flops = 0;             ///< matrix products in chunks; three for each with math=tf32x3
};
[[nodiscard]] Work least_work(const Problem& problem, const Shape& shape, int chunk);

/// What a device does at most.
struct Rates {
  double bytes_per_second = 0;
  double flops_per_second = 0;  ///< dense products of bf16 or fp16
  std::string source;           ///< where the figures come from, one sentence
};
/// Nothing: no figures are known for this GPU. Of an emulated one, the figures of its timing model.
[[nodiscard]] std::optional<Rates> rates_of(const GpuKey& gpu);

/// Seconds per token and value head.
struct Floors {
  double memory = 0;
  double two_phases_memory = 0;  ///< 0: without a preconditioner
  double tensor = 0;             ///< TF32 products take twice as long as those of 16 bits
};
[[nodiscard]] Floors floors(const Problem& problem, const Work& work, const Rates& rates);

}  // namespace osdn::autotune
