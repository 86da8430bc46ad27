#include "autotune/key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "generator/text.hpp"

namespace osdn::autotune {
namespace {

/// The nearest power of two by ratio.
int nearest_power(std::int64_t value) {
  if (value <= 1) return 0;
  const int below = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(value))) - 1;
  const double mantissa = static_cast<double>(value) / static_cast<double>(std::int64_t{1} << below);
  return mantissa * mantissa < 2 ? below : below + 1;
}

/// `heads=2^5` → 5; -1: it is not that.
int read_power(std::string_view text, std::string_view name) {
  if (!text.starts_with(name)) return -1;
  text.remove_prefix(name.size());
  int value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && stop == text.data() + text.size() && value >= 0 && value < 63;
  return good ? value : -1;
}

}  // namespace

Bucket bucket_of(const Shape& shape) {
  const std::int64_t sequences = std::max<std::int64_t>(1, shape.sequences());
  const std::int64_t tokens = shape.packed() ? (shape.t + sequences / 2) / sequences : shape.t;
  return {nearest_power(sequences * shape.hv), nearest_power(tokens)};
}

Shape typical_shape(const Bucket& bucket) {
  const std::int64_t heads = std::int64_t{1} << bucket.heads;
  return {.b = 1, .t = std::int64_t{1} << bucket.tokens, .h = heads, .hv = heads};
}

int distance(const Bucket& a, const Bucket& b) {
  return std::abs(a.heads - b.heads) + std::abs(a.tokens - b.tokens);
}

std::string to_string(const Bucket& bucket) {
  return fmt::format("heads=2^{},tokens=2^{}", bucket.heads, bucket.tokens);
}

expected<Bucket> parse_bucket(std::string_view text) {
  const std::size_t comma = text.find(',');
  if (comma != std::string_view::npos) {
    const Bucket bucket{read_power(text.substr(0, comma), "heads=2^"), read_power(text.substr(comma + 1), "tokens=2^")};
    if (bucket.heads >= 0 && bucket.tokens >= 0) return bucket;
  }
  return Error{ErrorCode::invalid_argument,
               fmt::format("bucket was {}; allowed: heads=2^5,tokens=2^11", generator::quoted(text)),
               {}};
}

GpuKey gpu_of(const DeviceDescription& device) {
  const int clock_class = (device.memory_clock_mhz + 50) / 100 * 100;
  return {device.name, device.multiprocessors, device.arch, clock_class, device.emulated};
}

std::string to_string(const GpuKey& gpu) {
  return fmt::format("{},sm_{},{} SMs,{} MHz{}", gpu.name, gpu.arch, gpu.multiprocessors, gpu.memory_clock_mhz,
                     gpu.emulated ? ",emulated" : "");
}

}  // namespace osdn::autotune
