#include "tests/kernels/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "osdn/log_gamma.hpp"
#include "reference/tensor.hpp"
#include "runtime/engine_state.hpp"
#include "tests/kernels/session.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using safetensors::Tensor;

constexpr std::byte canary{0xA5};

void must(runtime::cuda::Result result, const char* what) {
  if (result != runtime::cuda::success) throw std::runtime_error(what);
}

const runtime::DeviceContext& device() {
  return engine().state()->device();
}

/// [B,T,H,row], with a gap behind each row, each token and each batch entry.
Strides padded(const Shape& s, std::int64_t heads, std::int64_t row, std::int64_t gap) {
  const std::int64_t head = row + gap;
  const std::int64_t token = heads * head + 2 * gap;
  return {s.t * token + gap, token, head};
}
/// [B,H,T,row]
Strides head_major(const Shape& s, std::int64_t heads, std::int64_t row) {
  return {heads * s.t * row, row, s.t * row};
}
/// [T,B,H,row]
Strides token_major(const Shape& s, std::int64_t heads, std::int64_t row) {
  return {heads * row, s.b * heads * row, row};
}

template <class Make>
Placement every(const char* name, const Problem& p, const Shape& s, const Make& make) {
  const LogGammaAxes gamma = log_gamma_axes(p.apf);
  const std::int64_t gamma_row = gamma.features ? p.k : 1;
  Placement out{name,
                make(s.h, p.k, 8),
                make(s.h, p.k, 8),
                make(s.hv, p.v, 16),
                make(s.hv, 1, 1),
                make(s.hv, gamma_row, 3),
                make(s.hv, p.v, 8)};
  if (gamma.any() && !gamma.tokens) out.log_gamma = {.batch = 1, .token = 1, .head = 3};
  return out;
}

}  // namespace

std::vector<Placement> placements(const Problem& p, const Shape& s) {
  std::vector<Placement> out = {
      every("padded", p, s, [&](auto heads, auto row, auto gap) { return padded(s, heads, row, gap); }),
      every("head-major", p, s, [&](auto heads, auto row, auto) { return head_major(s, heads, row); })};
  if (s.b > 1) {
    out.push_back(every("token-major", p, s, [&](auto heads, auto row, auto) { return token_major(s, heads, row); }));
  }
  if (p.k == p.v && s.h == s.hv) {
    Placement together = every("together", p, s, [&](auto heads, auto row, auto) { return padded(s, heads, row, 0); });
    together.together = s.h * p.k;
    together.q = together.k = together.v = together.o = {s.t * 4 * s.h * p.k, 4 * s.h * p.k, p.k};
    const LogGammaAxes gamma = log_gamma_axes(p.apf);
    together.only_token = gamma.tokens || !gamma.any();
    out.push_back(together);
  }
  return out;
}

std::int64_t Placed::Rows::span() const {
  return offsets.empty() ? 0 : *std::max_element(offsets.begin(), offsets.end()) + row;
}

Placed::Rows Placed::rows_of(const Tensor& tensor, const Strides& strides) {
  const auto element = static_cast<std::int64_t>(safetensors::size_of(tensor.dtype));
  const bool per_head = tensor.shape.size() == 1;
  const std::int64_t batch = per_head ? 1 : tensor.shape[0];
  const std::int64_t tokens = per_head ? 1 : tensor.shape[1];
  const std::int64_t heads = per_head ? tensor.shape[0] : tensor.shape[2];
  Rows out;
  out.row = element * (tensor.shape.size() == 4 ? tensor.shape[3] : 1);
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t h = 0; h < heads; ++h) {
        out.offsets.push_back(element * (b * strides.batch + t * strides.token + h * strides.head));
      }
    }
  }
  return out;
}

void Placed::write(const Rows& rows, const Tensor& tensor) {
  const std::byte* from = tensor.data.data();
  for (const std::int64_t offset : rows.offsets) {
    const auto bytes = static_cast<std::size_t>(rows.row);
    must(device().driver().copy_to_device(rows.address + static_cast<std::uint64_t>(offset), from, bytes), "copy");
    from += rows.row;
  }
}

DevicePointer Placed::room(std::int64_t bytes) {
  if (bytes == 0) return 0;
  buffers_.push_back(engine().allocate(static_cast<std::size_t>(bytes)).value_or_throw());
  return buffers_.back().address();
}

Placed::Placed(const Case& c, const Placement& placement)
    : placement_(placement),
      output_(c.v),
      q_(rows_of(c.q, placement.q)),
      k_(rows_of(c.k, placement.k)),
      v_(rows_of(c.v, placement.v)),
      beta_(rows_of(c.beta, placement.beta)),
      o_(rows_of(c.v, placement.o)) {
  if (c.log_gamma) log_gamma_ = rows_of(*c.log_gamma, placement.log_gamma);
  if (placement.together != 0) {
    const std::int64_t apart = placement.together * static_cast<std::int64_t>(safetensors::size_of(c.q.dtype));
    q_.address = room(3 * apart + o_.span());
    k_.address = q_.address + static_cast<std::uint64_t>(apart);
    v_.address = k_.address + static_cast<std::uint64_t>(apart);
    o_.address = v_.address + static_cast<std::uint64_t>(apart);
  } else {
    for (Rows* rows : {&q_, &k_, &v_, &o_}) rows->address = room(rows->span());
  }
  beta_.address = room(beta_.span());
  log_gamma_.address = room(log_gamma_.span());
  const runtime::ContextScope scope(device());
  // Canaries first: in a buffer for all, the others' rows come on top.
  if (o_.span() != 0) {
    const std::vector<std::byte> canaries(static_cast<std::size_t>(o_.span()), canary);
    if (placement.together == 0)
      must(device().driver().copy_to_device(o_.address, canaries.data(), canaries.size()), "canaries");
  }
  std::fill(output_.data.begin(), output_.data.end(), std::byte{0xFF});
  write(o_, output_);
  write(q_, c.q);
  write(k_, c.k);
  write(v_, c.v);
  write(beta_, c.beta);
  if (c.log_gamma) write(log_gamma_, *c.log_gamma);
}

Tensor Placed::output() const {
  Tensor out = output_;
  std::vector<std::byte> all(static_cast<std::size_t>(o_.span()));
  const runtime::ContextScope scope(device());
  must(device().driver().copy_to_host(all.data(), o_.address, all.size()), "copy");
  std::byte* to = out.data.data();
  for (const std::int64_t offset : o_.offsets) {
    std::copy_n(all.begin() + offset, o_.row, to);
    std::fill_n(all.begin() + offset, o_.row, canary);
    to += o_.row;
  }
  if (placement_.together == 0) {
    EXPECT_EQ(std::count(all.begin(), all.end(), canary), static_cast<std::ptrdiff_t>(all.size()))
        << placement_.name << ": something was written between rows of o";
  }
  return out;
}

}  // namespace osdn::tests
