#include "bench/forward/gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <future>
#include <optional>

#include "reference/judge.hpp"
#include "reference/tensor.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::bench {
namespace {

using reference::Case;
using safetensors::DType;
using safetensors::Tensor;

/// Some rows of a tensor on the device: `count` of `width` elements, `stride` elements apart, from element `first` on.
struct Rows {
  std::int64_t first = 0, count = 0, stride = 0, width = 0;
};

/// Whole stretches come down at once and are thinned here: a copy for each row would take longer.
expected<std::vector<std::byte>> download(Engine& engine, DevicePointer from, const Rows& rows, std::size_t size) {
  const auto bytes = [&](std::int64_t elements) { return static_cast<std::size_t>(elements) * size; };
  std::vector<std::byte> out(bytes(rows.count * rows.width));
  if (out.empty()) return out;
  std::vector<std::byte> all(bytes((rows.count - 1) * rows.stride + rows.width));
  if (auto done = engine.state()->download(all.data(), from + bytes(rows.first), all.size()); !done) {
    return done.error();
  }
  for (std::int64_t i = 0; i < rows.count; ++i) {
    std::copy_n(all.data() + bytes(i * rows.stride), bytes(rows.width), out.data() + bytes(i * rows.width));
  }
  return out;
}

/// The first element that is no finite number. Read off the bits: converting gigabytes takes longer than timing them.
template <class Word>
std::optional<std::size_t> first_not_finite(const std::vector<std::byte>& data, Word exponent) {
  for (std::size_t i = 0; i < data.size() / sizeof(Word); ++i) {
    Word word = 0;
    std::memcpy(&word, data.data() + i * sizeof(Word), sizeof(Word));
    if ((word & exponent) == exponent) return i;
  }
  return {};
}

std::optional<std::size_t> first_not_finite(const Tensor& tensor) {
  if (tensor.dtype == DType::f32) return first_not_finite<std::uint32_t>(tensor.data, 0x7F800000U);
  return first_not_finite<std::uint16_t>(tensor.data, tensor.dtype == DType::bf16 ? 0x7F80U : 0x7C00U);
}

double relative_rms(const std::vector<double>& found, const std::vector<double>& right) {
  double error = 0;
  double whole = 0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    error += (found[i] - right[i]) * (found[i] - right[i]);
    whole += right[i] * right[i];
  }
  return std::sqrt(error / whole);
}

double largest_difference(const std::vector<double>& found, const std::vector<double>& right) {
  double out = 0;
  for (std::size_t i = 0; i < right.size(); ++i) {
    const double difference = std::fabs(found[i] - right[i]);
    if (!(difference <= out)) out = difference;  // a NaN stays
  }
  return out;
}

}  // namespace

class Gate::Findings {
 public:
  void add(const Head& head, const char* what, double error, double tolerance) {
    if (!(error / tolerance <= worst_)) {
      worst_ = error / tolerance;
      verdict.error = error;
      verdict.tolerance = tolerance;
    }
    if (error <= tolerance) return;
    verdict.passed = false;
    if (!verdict.reason.empty()) return;
    verdict.reason = fmt::format("{} of head {} of sequence {}: error {:.1e} of {:.1e}", what, head.head, head.sequence,
                                 error, tolerance);
  }
  GateVerdict verdict{.passed = true, .error = 0, .tolerance = 0, .reason = {}};

 private:
  double worst_ = -1;
};

expected<Gate> Gate::make(Engine& engine, const Work& work, const Sets& sets) {
  Gate gate(work, sets);
  const Shape& shape = work.shape;
  std::vector<Head> all;
  std::int64_t start = 0;
  for (std::int64_t n = 0; n < shape.sequences(); ++n) {
    const std::int64_t length = shape.packed() ? work.lengths[static_cast<std::size_t>(n)] : shape.t;
    if (length > 0) all.push_back(Head{.sequence = n, .start = start, .length = length});
    start += length;
  }
  if (all.empty()) return gate;
  gate.heads_.push_back(all.front());
  if (all.size() > 1 || shape.hv > 1) {
    gate.heads_.push_back(all.back());
    gate.heads_.back().head = shape.hv - 1;
  }
  std::vector<std::future<expected<void>>> solved;
  for (Head& head : gate.heads_) {
    solved.push_back(std::async(std::launch::async, [&gate, &engine, &head] { return gate.solve(engine, head); }));
  }
  expected<void> result;
  for (auto& one : solved) {
    if (auto done = one.get(); !done) result = done;
  }
  if (!result) return result.error();
  return gate;
}

expected<void> Gate::solve(Engine& engine, Head& head) const {
  const Problem& problem = work_.problem;
  const Shape& shape = work_.shape;
  const std::int64_t key_head = head.head / (shape.hv / shape.h);
  Case one;
  one.problem = problem;
  one.shape = {.b = 1, .t = head.length, .h = 1, .hv = 1};
  one.numbers = reference::to_double(arguments_.hyperparameters);
  expected<void> result;
  const auto read = [&](DevicePointer from, std::int64_t heads, std::int64_t which, std::int64_t width, DType dtype) {
    const Rows rows{(head.start * heads + which) * width, head.length, heads * width, width};
    auto bytes = download(engine, from, rows, size_of(dtype));
    if (!bytes) result = bytes.error();
    return Tensor{dtype, {1, head.length, 1, width}, bytes ? *std::move(bytes) : std::vector<std::byte>()};
  };
  const DType element = reference::dtype_of(problem.type);
  one.q = read(arguments_.q, shape.h, key_head, problem.k, element);
  one.k = read(arguments_.k, shape.h, key_head, problem.k, element);
  one.v = read(arguments_.v, shape.hv, head.head, problem.v, element);
  one.beta = read(arguments_.beta, shape.hv, head.head, 1, problem.beta_type == BetaType::fp32 ? DType::f32 : element);
  one.beta.shape = {1, head.length, 1};
  if (arguments_.log_gamma != 0 && problem.apf == Apf::per_head) {
    auto bytes = download(engine, arguments_.log_gamma, {head.head, 1, 1, 1}, sizeof(float));
    if (!bytes) return bytes.error();
    one.log_gamma = Tensor{DType::f32, {1}, *std::move(bytes)};
  } else if (arguments_.log_gamma != 0) {
    one.log_gamma =
        read(arguments_.log_gamma, shape.hv, head.head, problem.apf == Apf::per_channel ? problem.k : 1, DType::f32);
    if (problem.apf == Apf::per_token) one.log_gamma->shape = {1, head.length, 1};
  }
  if (!result) return result;
  if (decodes()) {
    const DType type = reference::state_dtype_of(problem);
    const auto size = static_cast<std::size_t>(problem.k * problem.v);
    const auto width = static_cast<std::size_t>(problem.k);
    head.state.resize(size * size_of(type));
    const DevicePointer from = arguments_.initial_state + first_of(head, head.state.size());
    if (auto done = engine.state()->download(head.state.data(), from, head.state.size()); !done) return done;
    one.initial_state = Tensor{type, {1, 1, problem.k, problem.v}, head.state};
    if (arguments_.initial_d != 0) {
      head.d.resize(width * sizeof(float));
      const DevicePointer at = arguments_.initial_d + first_of(head, head.d.size());
      if (auto done = engine.state()->download(head.d.data(), at, head.d.size()); !done) return done;
      one.initial_d = Tensor{DType::f32, {1, 1, problem.k}, head.d};
    }
  }
  auto answers = reference::solve(one);
  if (!answers) return answers.error();
  head.o = std::move(answers->o);
  head.final_state = std::move(answers->final_state);
  head.final_d = std::move(answers->final_d);
  head.state_tolerance = reference::state_tolerance(one);
  head.d_tolerance = reference::d_tolerance(one);
  head.tolerance = reference::rms_tolerance(one);
  return {};
}

std::size_t Gate::o_bytes() const {
  const Shape& shape = work_.shape;
  return static_cast<std::size_t>(shape.b * shape.t * shape.hv * work_.problem.v) *
         size_of(reference::dtype_of(work_.problem.type));
}

expected<void> Gate::poison(Engine& engine) const {
  const std::vector<std::byte> nans(o_bytes(), std::byte{0xFF});  // a NaN in every element type
  expected<void> done = engine.state()->upload(arguments_.o, nans.data(), nans.size());
  for (const Head& head : heads_) {
    if (done && !head.state.empty()) {
      done = engine.state()->upload(arguments_.initial_state + first_of(head, head.state.size()), head.state.data(),
                                    head.state.size());
    }
    if (done && !head.d.empty()) {
      done = engine.state()->upload(arguments_.initial_d + first_of(head, head.d.size()), head.d.data(), head.d.size());
    }
  }
  return done;
}

expected<void> Gate::check_states(Engine& engine, const Head& head, Findings& findings) const {
  const Problem& problem = work_.problem;
  Tensor state{reference::state_dtype_of(problem), {problem.k, problem.v}, head.state};
  DevicePointer from = arguments_.initial_state + first_of(head, head.state.size());
  if (auto done = engine.state()->download(state.data.data(), from, state.data.size()); !done) return done;
  findings.add(head, "the state", relative_rms(reference::to_doubles(state), head.final_state), head.state_tolerance);
  if (head.d.empty()) return {};
  Tensor d{DType::f32, {problem.k}, head.d};
  from = arguments_.initial_d + first_of(head, head.d.size());
  if (auto done = engine.state()->download(d.data.data(), from, d.data.size()); !done) return done;
  findings.add(head, "d", largest_difference(reference::to_doubles(d), head.final_d), head.d_tolerance);
  return {};
}

expected<GateVerdict> Gate::check(Engine& engine) const {
  const DType dtype = reference::dtype_of(work_.problem.type);
  Tensor o{dtype, {static_cast<std::int64_t>(o_bytes() / size_of(dtype))}, std::vector<std::byte>(o_bytes())};
  if (auto done = engine.state()->download(o.data.data(), arguments_.o, o.data.size()); !done) return done.error();
  Findings findings;
  GateVerdict& verdict = findings.verdict;
  if (const auto bad = first_not_finite(o)) {
    verdict.passed = false;
    verdict.reason = fmt::format("element {} of o is not finite", *bad);
  }
  const std::int64_t width = work_.problem.v;
  for (const Head& head : heads_) {
    const std::size_t row = static_cast<std::size_t>(width) * size_of(dtype);
    Tensor rows{dtype, {head.length, width}, std::vector<std::byte>(static_cast<std::size_t>(head.length) * row)};
    for (std::int64_t t = 0; t < head.length; ++t) {
      const auto from = static_cast<std::size_t>((head.start + t) * work_.shape.hv + head.head);
      std::copy_n(o.data.data() + from * row, row, rows.data.data() + static_cast<std::size_t>(t) * row);
    }
    findings.add(head, "o", relative_rms(reference::to_doubles(rows), head.o), head.tolerance);
    if (!decodes()) continue;
    if (auto done = check_states(engine, head, findings); !done) return done.error();
  }
  return verdict;
}

std::string Gate::heads() const {
  std::string out;
  for (const Head& head : heads_) {
    out += fmt::format("{}head {} of sequence {} ({} tokens)", out.empty() ? "" : ", ", head.head, head.sequence,
                       head.length);
  }
  return out;
}

}  // namespace osdn::bench
