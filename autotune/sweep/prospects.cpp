#include "autotune/sweep/prospects.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace osdn::autotune {
namespace {

// Of every architecture from sm_80 on (CUDA C++ Programming Guide, "Technical Specifications per Compute Capability").
constexpr std::int64_t registers_per_multiprocessor = 65536;
constexpr std::int64_t most_threads_per_multiprocessor = 2048;
constexpr std::int64_t reserved_shared_per_cta = 1024;
// A wave is not a time: only a gross excess says something.
constexpr double many_waves = 4;

std::int64_t ctas_per_multiprocessor(const generator::KernelPlan& kernel, const Resources& resources,
                                     const generator::Architecture& architecture) {
  const auto threads = static_cast<std::int64_t>(std::max(1, kernel.threads));
  std::int64_t fit = most_threads_per_multiprocessor / threads;
  if (resources.registers > 0) fit = std::min(fit, registers_per_multiprocessor / (resources.registers * threads));
  const auto shared = static_cast<std::int64_t>(kernel.dynamic_shared) + reserved_shared_per_cta;
  fit = std::min(fit, static_cast<std::int64_t>(architecture.shared_per_multiprocessor) / shared);
  return std::max<std::int64_t>(1, fit);
}

}  // namespace

double waves(const generator::Plan& plan, const Resources& resources, const Shape& shape) {
  double sum = 0;
  for (const generator::Launch& launch : plan.launches(shape)) {
    const auto grid = static_cast<double>(launch.ctas);
    const auto at_once =
        static_cast<double>(ctas_per_multiprocessor(plan.kernels[launch.kernel], resources, plan.architecture) *
                            std::max(1, plan.architecture.multiprocessors));
    sum += std::ceil(grid / at_once);
  }
  return sum;
}

bool hopeless(const Resources& resources, double waves, double waves_of_default) {
  return resources.spill_bytes > 0 || waves > many_waves * std::max(1.0, waves_of_default);
}

}  // namespace osdn::autotune
