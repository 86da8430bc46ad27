#include "measure/sectors.hpp"

#include <algorithm>

namespace emulator {
namespace {

constexpr std::uint64_t kSectorBytes = 32;

struct Stretch {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

}  // namespace

Sectors sectors(const Access& access) {
  std::array<Stretch, kLanes> stretches;
  std::size_t count = 0;
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((access.mask >> lane & 1u) == 0 || access.space[lane] != ptx::Space::global) continue;
    stretches[count++] = {access.address[lane], access.address[lane] + access.used[lane]};
  }
  const auto end = stretches.begin() + static_cast<std::ptrdiff_t>(count);
  const auto before = [](const Stretch& a, const Stretch& b) { return a.begin < b.begin; };
  if (!std::is_sorted(stretches.begin(), end, before)) std::sort(stretches.begin(), end, before);
  Sectors result;
  std::uint64_t bytes = 0;
  std::uint64_t reached = 0;  // bytes below are counted
  std::uint64_t next = 0;     // sectors below are counted
  for (auto at = stretches.begin(); at != end; ++at) {
    if (at->end > reached) bytes += at->end - std::max(at->begin, reached);
    reached = std::max(reached, at->end);
    const std::uint64_t first = std::max(at->begin / kSectorBytes, next);
    const std::uint64_t last = (at->end - 1) / kSectorBytes;
    if (last >= first) result.touched += static_cast<unsigned>(last - first + 1);
    next = std::max(next, last + 1);
  }
  result.least = static_cast<unsigned>((bytes + kSectorBytes - 1) / kSectorBytes);
  return result;
}

}  // namespace emulator
