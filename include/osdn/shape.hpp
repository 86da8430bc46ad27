// Shape: the sizes that are known only at run time. No kernel is ever compiled anew for a Shape.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "osdn/error.hpp"
#include "osdn/export.h"

namespace osdn {

struct Shape {
  std::int64_t b = 1;   ///< batch; 1 for packed sequences
  std::int64_t t = 0;   ///< tokens per batch entry; of a packed batch, of all sequences together; may be 0
  std::int64_t h = 1;   ///< heads of q and k
  std::int64_t hv = 1;  ///< heads of v and o, a multiple of h; value head j reads key head j / (hv / h)
  std::int64_t n = 0;   ///< packed sequences (cu_seqlens has n + 1 entries); 0: not packed, each batch entry is one

  /// Number of independent sequences: states are [sequences(), hv, K, V].
  [[nodiscard]] std::int64_t sequences() const { return n > 0 ? n : b; }
  [[nodiscard]] bool packed() const { return n > 0; }
  friend bool operator==(const Shape&, const Shape&) = default;
};

/// Checks ranges: b, h, hv ≥ 1, t ≥ 0, hv a multiple of h, n ≥ 0, b = 1 when packed, and that no index leaves 63 bits
/// nor a grid its limit. Errors: invalid_argument.
OSDN_API expected<void> validate(const Shape& shape);

/// Text: `b=4,t=8192,h=32,hv=32` and `,n=3` when packed. hv defaults to h.
[[nodiscard]] OSDN_API std::string to_string(const Shape& shape);
OSDN_API expected<Shape> parse_shape(std::string_view text);

}  // namespace osdn
