#include "osdn/shape.hpp"

#include <fmt/format.h>

#include <initializer_list>
#include <limits>
#include <optional>

#include "generator/fields.hpp"

namespace osdn {
namespace generator {
namespace {

constexpr std::int64_t max_int64 = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t max_int32 = std::numeric_limits<std::int32_t>::max();

// The widest problem: what fits with it fits with every other.
constexpr std::int64_t widest_head = 256;
constexpr std::int64_t bytes_of_float = 4;
constexpr std::int64_t most_ctas_per_head = widest_head / 16;

constexpr Field<Shape> fields[] = {
    field<&Shape::b, Integers{1, max_int64}>("b"),
    field<&Shape::t, Integers{0, max_int64}>("t"),
    field<&Shape::h, Integers{1, max_int32}>("h"),
    field<&Shape::hv, Integers{1, max_int32}>("hv"),
    meaning_when<Shape>(field<&Shape::n, Integers{0, max_int64}>("n"), [](const Shape& s) { return s.packed(); }),
};

constexpr std::size_t hv_index = 3;
static_assert(fields[hv_index].name == "hv");

/// Empty when the product of non-negative numbers leaves 63 bits.
std::optional<std::int64_t> product(std::initializer_list<std::int64_t> factors) {
  std::int64_t out = 1;
  bool zero = false;
  for (const std::int64_t factor : factors) {
    if (factor == 0) {
      zero = true;
    } else if (out > max_int64 / factor) {
      return std::nullopt;
    } else {
      out *= factor;
    }
  }
  return zero ? 0 : out;
}

}  // namespace
}  // namespace generator

using namespace generator;

expected<void> validate(const Shape& shape) {
  if (auto ok = check_fields<Shape>("shape", fields, shape); !ok) return ok;
  if (shape.hv % shape.h != 0) {
    return bad_value("shape", "hv", std::to_string(shape.hv), fmt::format("a multiple of h = {}", shape.h));
  }
  if (shape.packed() && shape.b != 1) {
    return bad_value("shape", "b", std::to_string(shape.b), fmt::format("1 with packed sequences (n = {})", shape.n));
  }
  const auto ctas = product({shape.sequences(), shape.hv, most_ctas_per_head});
  if (!ctas || *ctas > max_int32) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("shape has {} sequences times hv = {} value heads; allowed: a product of at most {} (a "
                             "grid's limit of {} CTAs over up to {} a head)",
                             shape.sequences(), shape.hv, grouped(max_int32 / most_ctas_per_head), grouped(max_int32),
                             most_ctas_per_head),
                 {}};
  }
  if (!product({shape.b, shape.t, shape.hv, widest_head, bytes_of_float})) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("shape has b = {} times t = {} times hv = {} rows; allowed: byte offsets within 63 bits "
                             "(a product of at most {})",
                             shape.b, shape.t, shape.hv, grouped(max_int64 / (widest_head * bytes_of_float))),
                 {}};
  }
  return {};
}

std::string to_string(const Shape& shape) {
  std::string out;
  print_fields<Shape>(out, fields, shape);
  return out;
}

expected<Shape> parse_shape(std::string_view text) {
  Shape shape;
  std::uint64_t given = 0;
  if (auto ok = parse_fields<Shape>("shape", text, fields, shape, &given); !ok) return ok.error();
  if ((given >> hv_index & 1U) == 0) shape.hv = shape.h;
  if (auto ok = validate(shape); !ok) return ok.error();
  return shape;
}

}  // namespace osdn
