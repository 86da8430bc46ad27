#include "generator/architecture.hpp"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "generator/text.hpp"

namespace osdn::generator {
namespace {

constexpr std::size_t kib = 1024;
// "CUDA reserves 1 KB of shared memory per thread block" (Ampere, Hopper and Blackwell tuning guides).
constexpr std::size_t reserved_per_block = 1 * kib;

constexpr Architecture row(int number, std::size_t shared_kib, int multiprocessors) {
  return {number, shared_kib * kib - reserved_per_block, shared_kib * kib, multiprocessors};
}

// Shared memory: CUDA C++ Programming Guide, "Technical Specifications per Compute Capability", and for 8.8, 10.3, 11.0
// and 12.1 cuda::arch_traits of NVIDIA's CCCL. Multiprocessors are those of one product of that capability; a device
// that is present says its own number.
constexpr Architecture known[] = {
    row(80, 164, 108),   // A100
    row(86, 100, 84),    // A40
    row(87, 164, 16),    // Jetson AGX Orin
    row(88, 100, 84),    // as 8.6
    row(89, 100, 142),   // L40S
    row(90, 228, 132),   // H100 SXM, H200
    row(100, 228, 148),  // B200
    row(103, 228, 148),  // B300
    row(110, 228, 20),   // Jetson AGX Thor
    row(120, 100, 170),  // RTX 5090
    row(121, 100, 48),   // GB10
};

std::string known_names() {
  std::vector<std::string> texts;
  for (const Architecture& architecture : known) texts.push_back(to_string(architecture));
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return one_of(views);
}

// `sm_90a` → 90; nothing when the text is not an architecture's name at all.
int number_of(std::string_view name) {
  for (const std::string_view prefix : {"sm_", "compute_"}) {
    if (name.starts_with(prefix)) {
      name.remove_prefix(prefix.size());
      break;
    }
  }
  int number = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, number);
  const std::string_view rest(stop, static_cast<std::size_t>(end - stop));
  if (error != std::errc() || number < 10 || number > 999) return 0;
  // `a`: features of this very architecture; `f`: of its family. The code is generated for the architecture anyway.
  if (!rest.empty() && rest != "a" && rest != "f") return 0;
  return number;
}

}  // namespace

expected<Architecture> find_architecture(std::string_view name) {
  const int number = number_of(name);
  if (number == 0) {
    return Error{
        ErrorCode::invalid_argument, fmt::format("architecture was {}; allowed: {}", quoted(name), known_names()), {}};
  }
  for (const Architecture& architecture : known) {
    if (architecture.number == number) return architecture;
  }
  if (number < 80) {
    return Error{
        ErrorCode::unsupported,
        fmt::format("architecture sm_{} is below the floor of sm_80: it has no bf16 or TF32 tensor product and "
                    "no cp.async; supported: {}",
                    number, known_names()),
        {}};
  }
  if (number == 101) {
    return Error{ErrorCode::unsupported,
                 fmt::format("architecture sm_101 was renamed sm_110 in CUDA 13; supported: {}", known_names()),
                 {}};
  }
  return Error{ErrorCode::unsupported,
               fmt::format("architecture sm_{} is not known to this version, so its limits of shared memory are not "
                           "either; supported: {}",
                           number, known_names()),
               {}};
}

std::string to_string(const Architecture& architecture) {
  return fmt::format("sm_{}", architecture.number);
}

}  // namespace osdn::generator
