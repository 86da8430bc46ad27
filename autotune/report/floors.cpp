#include "autotune/report/floors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "osdn/log_gamma.hpp"

namespace osdn::autotune {
namespace {

/// By the name that the driver gives.
struct Sheet {
  std::string_view name;
  double bytes_per_second;
  double flops_per_second;
  std::string_view source;
};

constexpr std::string_view h100_sheet = "NVIDIA H100 data sheet, bf16 without sparsity";
constexpr std::string_view a100_sheet = "NVIDIA A100 data sheet, bf16 without sparsity";
constexpr std::array sheets{
    Sheet{"NVIDIA H200", 4.3e12, 790e12, "measured on an H200 elsewhere: copy bandwidth, dense bf16 products"},
    Sheet{"NVIDIA H100 80GB HBM3", 3.35e12, 989e12, h100_sheet},
    Sheet{"NVIDIA H100 PCIe", 2.0e12, 756e12, h100_sheet},
    Sheet{"NVIDIA A100-SXM4-80GB", 2.039e12, 312e12, a100_sheet},
    Sheet{"NVIDIA A100 80GB PCIe", 1.935e12, 312e12, a100_sheet},
    Sheet{"NVIDIA A100-SXM4-40GB", 1.555e12, 312e12, a100_sheet},
    Sheet{"NVIDIA A100-PCIE-40GB", 1.555e12, 312e12, a100_sheet},
    Sheet{"NVIDIA L40S", 864e9, 362e12, "NVIDIA L40S data sheet, bf16 without sparsity"},
    Sheet{"NVIDIA L40", 864e9, 181e12, "NVIDIA L40 data sheet, bf16 without sparsity"},
    Sheet{"NVIDIA B200", 8e12, 2250e12, "NVIDIA Blackwell architecture brief, HGX B200, bf16 without sparsity"},
};

/// What the emulator's timing model takes for the card that it plays (docs/emulator-model.md, "Figures").
struct Played {
  int arch;
  int clock_mhz;
  int memory_clock_mhz;
  int bus_bits;
  int products;  ///< 16-bit multiply-adds of mma.sync per cycle and multiprocessor
};

constexpr std::array played{
    Played{80, 1410, 1593, 5120, 1024},  Played{86, 1695, 6251, 384, 512},   Played{87, 1300, 3200, 256, 1024},
    Played{89, 2520, 9001, 384, 512},    Played{90, 1980, 2619, 5120, 1280}, Played{100, 1965, 3996, 8192, 1024},
    Played{103, 1920, 3996, 8192, 1024}, Played{110, 1575, 4266, 256, 1024}, Played{120, 2407, 14001, 512, 256},
    Played{121, 2418, 8533, 256, 256},
};

std::optional<Rates> played_rates(const GpuKey& gpu) {
  for (const Played& card : played) {
    if (card.arch != gpu.arch) continue;
    const double sheet = 2e6 * card.memory_clock_mhz * card.bus_bits / 8;  // two transfers per clock
    const double products = 2e6 * card.clock_mhz * card.products * gpu.multiprocessors;
    return Rates{0.9 * sheet, products,
                 fmt::format("figures of the emulator's timing model for sm_{}: 90 % of {:.0f} GB/s; {} multiply-adds "
                             "of mma.sync per cycle on each of {} multiprocessors at {} MHz",
                             card.arch, sheet * 1e-9, card.products, gpu.multiprocessors, card.clock_mhz)};
  }
  return std::nullopt;
}

double log_gamma_bytes(const Problem& problem) {
  if (problem.precondition == Precondition::none) return 0;
  const LogGammaAxes has = log_gamma_axes(problem.apf);
  if (!has.tokens) return 0;
  return static_cast<double>(sizeof(float)) * (has.features ? problem.k : 1);
}

}  // namespace

Work least_work(const Problem& problem, const Shape& shape, int chunk) {
  const double element = problem.type == ElementType::fp32 ? 4 : 2;
  const double beta = problem.beta_type == BetaType::fp32 ? 4 : element;
  const double shared = static_cast<double>(shape.h) / static_cast<double>(shape.hv);
  const double key = shared * element * problem.k;
  Work out;
  out.bytes = 2 * key + 2 * element * problem.v + beta + log_gamma_bytes(problem);
  if (problem.precondition == Precondition::osdn) {
    // The preconditioner phase reads k and β as well, writes a gain per token and d once a chunk; the other reads both.
    out.two_phases_bytes = out.bytes + key + beta + 2 * sizeof(float) + 2.0 * sizeof(float) * problem.k / chunk;
  }
  const double k = problem.k;
  const double v = problem.v;
  if (problem.operation == Operation::osdn_decode) {
    // State and d come and go once a step, however many tokens it has: no tensor products, no second phase.
    const double tokens =
        std::max(1.0, static_cast<double>(shape.b * shape.t) / static_cast<double>(shape.sequences()));
    const double state = problem.state_type == StateType::fp32 ? 4 : 2;
    const double d = problem.precondition == Precondition::osdn ? sizeof(float) * k : 0;
    out.bytes += 2 * (state * k * v + d) / tokens;
    out.two_phases_bytes = 0;
    return out;
  }
  // KWᵀ and QWᵀ, A(V − Kh) and PU, then Kh, Qh and WᵀU: two operations for each multiply-add.
  const double products = 2 * 2 * chunk * k + 2 * 2 * chunk * v + 3 * 2 * k * v;
  const bool thrice = problem.type == ElementType::fp32 && problem.math == Fp32Math::tf32x3;
  out.flops = thrice ? 3 * products : products;
  return out;
}

std::optional<Rates> rates_of(const GpuKey& gpu) {
  if (gpu.emulated) return played_rates(gpu);
  for (const Sheet& sheet : sheets) {
    if (sheet.name == gpu.name) return Rates{sheet.bytes_per_second, sheet.flops_per_second, std::string(sheet.source)};
  }
  return std::nullopt;
}

Floors floors(const Problem& problem, const Work& work, const Rates& rates) {
  const double tensor = problem.type == ElementType::fp32 ? rates.flops_per_second / 2 : rates.flops_per_second;
  return {work.bytes / rates.bytes_per_second, work.two_phases_bytes / rates.bytes_per_second, work.flops / tensor};
}

}  // namespace osdn::autotune
