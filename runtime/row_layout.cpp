#include "runtime/row_layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "osdn/log_gamma.hpp"

namespace osdn::runtime {
namespace {

constexpr std::int64_t row_alignment = 16;  // bytes, of q, k, v and o

Error invalid(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), ""};
}

std::int64_t product(std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  return __builtin_mul_overflow(a, b, &out) ? std::numeric_limits<std::int64_t>::max() : out;
}

RowLayout layout(const Shape& shape, std::int64_t heads, std::int64_t row, std::int64_t element_bytes,
                 const Strides& given) {
  RowLayout out{shape.b, shape.t, heads, row, element_bytes, given};
  Strides& s = out.strides;
  const auto token = [&] { return product(heads, s.head); };
  const auto batch = [&] { return std::max(product(shape.t, s.token), product(heads, s.head)); };
  if (s.head <= 0) s.head = row;
  if (s.token <= 0) s.token = token();
  if (s.batch <= 0) s.batch = batch();
  // Nobody takes a step along an axis of one: whatever its stride was, it is none that anything could refuse.
  if (heads <= 1) s.head = row;
  if (shape.t <= 1) s.token = token();
  if (shape.b <= 1) s.batch = batch();
  return out;
}

struct Axis {
  std::int64_t count;
  std::int64_t stride;  // bytes
};

/// The axes with more than one entry, shortest stride first.
class Axes {
 public:
  explicit Axes(const RowLayout& rows) {
    add({rows.heads, product(rows.strides.head, rows.element_bytes)});
    add({rows.tokens, product(rows.strides.token, rows.element_bytes)});
    add({rows.batch, product(rows.strides.batch, rows.element_bytes)});
    std::sort(axes_.begin(), axes_.begin() + size_, [](const Axis& a, const Axis& b) { return a.stride < b.stride; });
  }
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] const Axis& operator[](int i) const { return axes_[static_cast<std::size_t>(i)]; }
  /// Bytes that the first `count` axes span, around rows of this many bytes; nothing when that leaves 63 bits.
  [[nodiscard]] std::optional<std::int64_t> span(int count, std::int64_t row_bytes) const {
    std::int64_t bytes = row_bytes;
    for (int i = 0; i < count; ++i) {
      std::int64_t reach = 0;
      const Axis& axis = (*this)[i];
      if (__builtin_mul_overflow(axis.count - 1, axis.stride, &reach) || __builtin_add_overflow(bytes, reach, &bytes)) {
        return std::nullopt;
      }
    }
    return bytes;
  }

 private:
  void add(const Axis& axis) {
    if (axis.count > 1) axes_[static_cast<std::size_t>(size_++)] = axis;
  }
  std::array<Axis, 3> axes_{};
  int size_ = 0;
};

std::int64_t row_bytes(const RowLayout& rows) {
  return rows.row * rows.element_bytes;
}

struct Named {
  const char* name;
  const Strides& given;
  const RowLayout& rows;
  bool aligned;  // each row to 16 bytes
};

expected<void> check_each(const Named& tensor) {
  const struct {
    const char* name;
    std::int64_t count, stride;
  } axes[] = {{"batch", tensor.rows.batch, tensor.given.batch},
              {"token", tensor.rows.tokens, tensor.given.token},
              {"head", tensor.rows.heads, tensor.given.head}};
  for (const auto& axis : axes) {
    if (axis.count <= 1) continue;
    if (axis.stride < 0) {
      return invalid(fmt::format("{}.{} is {}; it must be 0 (dense) or the elements from one to the next", tensor.name,
                                 axis.name, axis.stride));
    }
    const std::int64_t elements = row_alignment / tensor.rows.element_bytes;
    if (tensor.aligned && axis.stride % elements != 0) {
      return invalid(fmt::format("{}.{} is {} elements; each row must be {}-byte aligned: a multiple of {} is needed",
                                 tensor.name, axis.name, axis.stride, row_alignment, elements));
    }
  }
  if (!tensor.rows.span()) {
    return invalid(fmt::format("{} reaches beyond 63 bits at this shape", tensor.name));
  }
  return {};
}

/// Rows nest: each axis steps over all that the shorter ones span.
expected<void> check_rows_apart(const char* name, const RowLayout& rows) {
  if (rows.is_dense()) return {};
  const Axes axes(rows);
  for (int i = 0; i < axes.size(); ++i) {
    const std::int64_t inside = axes.span(i, row_bytes(rows)).value();
    if (axes[i].stride < inside) {
      return invalid(fmt::format("{}: rows that are {} elements apart overlap what lies within {}: each is written",
                                 name, axes[i].stride / rows.element_bytes, inside / rows.element_bytes));
    }
  }
  return {};
}

/// The first `first_count` axes around a row of the first, and likewise of the second.
bool are_apart(const Axes& first, int first_count, std::int64_t first_row, const Axes& second, int second_count,
               std::int64_t second_row, std::int64_t between) {
  const std::int64_t first_span = first.span(first_count, first_row).value_or(std::numeric_limits<std::int64_t>::max());
  const std::int64_t second_span =
      second.span(second_count, second_row).value_or(std::numeric_limits<std::int64_t>::max());
  if (between >= first_span || between <= -second_span) return true;
  if (first_count == 0 || second_count == 0) return false;
  const std::int64_t stride = first[first_count - 1].stride;
  if (second[second_count - 1].stride != stride) return false;
  if (first.span(first_count - 1, first_row) > stride || second.span(second_count - 1, second_row) > stride) {
    return false;
  }
  // What lies within one step of the first meets at most two of the second.
  const std::int64_t shift = (between % stride + stride) % stride;
  const auto inner = [&](std::int64_t at) {
    return are_apart(first, first_count - 1, first_row, second, second_count - 1, second_row, at);
  };
  return inner(shift) && inner(shift - stride);
}

}  // namespace

std::optional<std::int64_t> RowLayout::span() const {
  if (empty()) return 0;
  std::int64_t elements = row;
  const auto reach = [&elements](std::int64_t count, std::int64_t stride) {
    std::int64_t out = 0;
    return __builtin_mul_overflow(count - 1, stride, &out) || __builtin_add_overflow(elements, out, &elements);
  };
  if (reach(batch, strides.batch) || reach(tokens, strides.token) || reach(heads, strides.head)) return std::nullopt;
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(elements, element_bytes, &bytes)) return std::nullopt;
  return bytes;
}

std::uint64_t RowLayout::span_bytes() const {
  const auto bytes = span();
  return bytes ? static_cast<std::uint64_t>(*bytes) : std::numeric_limits<std::uint64_t>::max();
}

bool RowLayout::is_dense() const {
  return strides.head == row && strides.token == product(heads, row) && strides.batch == product(tokens, strides.token);
}

RowLayouts row_layouts(const Problem& problem, const ForwardArguments& a) {
  const std::int64_t element = problem.type == ElementType::fp32 ? 4 : 2;
  const std::int64_t beta = problem.beta_type == BetaType::fp32 ? 4 : element;
  const Shape& s = a.shape;
  RowLayouts out;
  out.q = layout(s, s.h, problem.k, element, a.q_strides);
  out.k = layout(s, s.h, problem.k, element, a.k_strides);
  out.v = layout(s, s.hv, problem.v, element, a.v_strides);
  out.beta = layout(s, s.hv, 1, beta, a.beta_strides);
  out.o = layout(s, s.hv, problem.v, element, a.o_strides);
  if (const LogGammaAxes has = log_gamma_axes(problem.apf); has.any()) {
    const Strides alone{.head = a.log_gamma_strides.head};
    out.log_gamma = layout(has.tokens ? s : Shape{.b = 1, .t = 1}, has.heads ? s.hv : 1, has.features ? problem.k : 1,
                           4, has.tokens ? a.log_gamma_strides : alone);
  }
  return out;
}

expected<void> check_strides(const ForwardArguments& a, const RowLayouts& rows) {
  for (const Named& tensor :
       {Named{"q_strides", a.q_strides, rows.q, true}, Named{"k_strides", a.k_strides, rows.k, true},
        Named{"v_strides", a.v_strides, rows.v, true}, Named{"beta_strides", a.beta_strides, rows.beta, false},
        Named{"log_gamma_strides", a.log_gamma_strides, rows.log_gamma, false},
        Named{"o_strides", a.o_strides, rows.o, true}}) {
    // Dense rows are as far apart as they must be, and a valid shape reaches no further than 63 bits.
    if (tensor.given == Strides{} || tensor.rows.empty()) continue;
    if (auto good = check_each(tensor); !good) return good;
  }
  return rows.o.empty() ? expected<void>{} : check_rows_apart("o_strides", rows.o);
}

bool are_apart(const RowLayout& first, const RowLayout& second, std::int64_t between) {
  if (first.empty() || second.empty()) return true;
  const Axes a(first);
  const Axes b(second);
  return are_apart(a, a.size(), row_bytes(first), b, b.size(), row_bytes(second), between);
}

}  // namespace osdn::runtime
