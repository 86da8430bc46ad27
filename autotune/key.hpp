// What a tuning entry is filed under: a problem, a bucket of shapes, and a kind of GPU.
#pragma once

#include <string>
#include <string_view>

#include "osdn/engine.hpp"
#include "osdn/error.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::autotune {

/// Shapes that share an entry: the nearest powers of two (by ratio) of the chains that run at the same time and of the
/// tokens of each. Both are 0 for sizes of 0 and 1.
struct Bucket {
  int heads = 0;   ///< log2 of sequences() · hv
  int tokens = 0;  ///< log2 of tokens per sequence, the mean of a packed batch

  friend auto operator<=>(const Bucket&, const Bucket&) = default;
};

[[nodiscard]] Bucket bucket_of(const Shape& shape);
/// The shape that stands for a bucket where every shape in it is to get the same answer, whichever is met first.
[[nodiscard]] Shape typical_shape(const Bucket& bucket);
/// |Δheads| + |Δtokens|.
[[nodiscard]] int distance(const Bucket& a, const Bucket& b);
/// `heads=2^5,tokens=2^11`; parse_bucket(to_string(b)) gives b back.
[[nodiscard]] std::string to_string(const Bucket& bucket);
expected<Bucket> parse_bucket(std::string_view text);

/// GPUs that share an entry: the same product. Driver and NVRTC versions are recorded with an entry but do not divide.
struct GpuKey {
  std::string name;  ///< as the driver says, "NVIDIA H200"
  int multiprocessors = 0;
  int arch = 0;              ///< 80, 90 …
  int memory_clock_mhz = 0;  ///< rounded to 100 MHz: a class, not a reading
  bool emulated = false;     ///< times are modelled; never mixed with those of devices

  friend auto operator<=>(const GpuKey&, const GpuKey&) = default;
};

[[nodiscard]] GpuKey gpu_of(const DeviceDescription& device);
/// `NVIDIA H200,sm_90,132 SMs,3200 MHz`, with `,emulated`.
[[nodiscard]] std::string to_string(const GpuKey& gpu);

struct Key {
  Problem problem;  ///< canonical
  Bucket bucket;
  GpuKey gpu;

  friend bool operator==(const Key&, const Key&) = default;
};

}  // namespace osdn::autotune
