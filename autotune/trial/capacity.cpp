#include "autotune/trial/capacity.hpp"

#include <algorithm>
#include <fstream>

namespace osdn::autotune {
namespace {

// What a worker takes that compiles, with room to spare: with NVRTC 13.0 103 MB for bf16 kernels of k = v = 128, 172 MB
// for the largest, tf32x3 of k = v = 256.
constexpr std::uint64_t compiler_bytes = std::uint64_t{256} << 20;

/// The number that a file consists of; 0: it is not there, or is a word ("max").
std::uint64_t number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? number : 0;
}

std::uint64_t of_the_system(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  std::string field;
  std::uint64_t kib = 0;
  while (file >> field >> kib) {
    if (field == "MemAvailable:") return kib * 1024;
    file.ignore(256, '\n');
  }
  return 0;
}

}  // namespace

std::uint64_t available_memory(const std::string& root) {
  const std::uint64_t all = of_the_system(root);
  // A container's own group (control groups v2) lies at the root of what it sees.
  const std::uint64_t limit = number_in(root + "/sys/fs/cgroup/memory.max");
  const std::uint64_t used = number_in(root + "/sys/fs/cgroup/memory.current");
  if (limit == 0) return all;
  const std::uint64_t left = std::max<std::uint64_t>(limit - std::min(used, limit), 1);
  return all == 0 ? left : std::min(all, left);
}

int compilers_that_fit(int cores, std::uint64_t available_bytes) {
  if (available_bytes == 0) return std::max(1, cores);
  const auto fit = static_cast<int>(std::min<std::uint64_t>(available_bytes / 2 / compiler_bytes, 4096));
  return std::max(1, std::min(fit, cores));
}

}  // namespace osdn::autotune
