#include "reference/serving.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "osdn/log_gamma.hpp"
#include "reference/tensor.hpp"

namespace osdn::reference {
namespace {

using safetensors::DType;
using safetensors::Tensor;

constexpr std::byte poison{0xFF};  // every type's NaN

std::size_t row_bytes(const Tensor& tensor) {
  std::int64_t elements = 1;
  for (std::size_t i = 1; i < tensor.shape.size(); ++i) elements *= tensor.shape[i];
  return static_cast<std::size_t>(elements) * size_of(tensor.dtype);
}

/// Rows of NaNs: `rows` of what a row of `like` is.
Tensor poisoned_rows(const Tensor& like, std::int64_t rows) {
  Tensor out{like.dtype, like.shape, {}};
  out.shape[0] = rows;
  out.data.assign(static_cast<std::size_t>(rows) * row_bytes(like), poison);
  return out;
}

/// [B,T,…] with NaNs behind: as many batch entries, or tokens of a packed batch, as the shape has more.
Tensor padded(const Tensor& tensor, const Shape& shape) {
  Tensor out = tensor;
  std::size_t token = size_of(tensor.dtype);
  for (std::size_t i = 2; i < tensor.shape.size(); ++i) token *= static_cast<std::size_t>(tensor.shape[i]);
  out.shape[0] = shape.b;
  out.shape[1] = shape.t;
  out.data.resize(static_cast<std::size_t>(shape.b * shape.t) * token, poison);
  return out;
}

Tensor table(const std::vector<std::int32_t>& slots) {
  Tensor out{DType::i32, {static_cast<std::int64_t>(slots.size())}, {}};
  out.data.resize(slots.size() * sizeof(std::int32_t));
  std::memcpy(out.data.data(), slots.data(), out.data.size());
  return out;
}

std::vector<std::size_t> rows_of(const Tensor& slots) {
  const std::vector<std::int64_t> all = to_integers(slots);
  std::vector<std::size_t> out;
  for (const std::int64_t slot : all) {
    if (slot >= 0) out.push_back(static_cast<std::size_t>(slot));
  }
  return out;
}

void copy_rows(const Tensor& from, const std::vector<std::size_t>& rows, Tensor& pool) {
  const std::size_t bytes = row_bytes(from);
  for (std::size_t n = 0; n < rows.size(); ++n) {
    std::memcpy(pool.data.data() + rows[n] * bytes, from.data.data() + n * bytes, bytes);
  }
}

/// Takes the rows of the sequences out of a pool, once the others are found as they were.
expected<Tensor> take_rows(const char* name, const Tensor& before, const Tensor& after,
                           const std::vector<std::size_t>& rows) {
  const std::size_t bytes = row_bytes(before);
  Tensor out{after.dtype, after.shape, {}};
  out.shape[0] = static_cast<std::int64_t>(rows.size());
  for (const std::size_t row : rows) {
    const auto* const begin = after.data.data() + row * bytes;
    out.data.insert(out.data.end(), begin, begin + bytes);
  }
  for (std::size_t row = 0; row < static_cast<std::size_t>(before.shape[0]); ++row) {
    if (std::find(rows.begin(), rows.end(), row) != rows.end()) continue;
    if (std::memcmp(before.data.data() + row * bytes, after.data.data() + row * bytes, bytes) == 0) continue;
    return Error{
        ErrorCode::internal, fmt::format("row {} of the pool of {} changed; no sequence writes it", row, name), {}};
  }
  return out;
}

}  // namespace

ServingBatch serve(const Case& problem, const ServingOptions& options) {
  ServingBatch out;
  out.shape = problem.shape;
  const std::int64_t sequences = problem.shape.sequences();
  const std::int64_t padding = options.padding;
  if (problem.shape.packed()) {
    out.shape.n += padding;
    out.shape.t += padding * options.padding_tokens;
    std::vector<std::int64_t> starts = to_integers(*problem.cu_seqlens);
    for (std::int64_t i = 0; i < padding; ++i) starts.push_back(starts.back() + options.padding_tokens);
    out.cu_seqlens = to_tensor(std::span<const std::int64_t>(starts), {out.shape.n + 1});
  } else {
    out.shape.b += padding;
  }
  out.q = padded(problem.q, out.shape);
  out.k = padded(problem.k, out.shape);
  out.v = padded(problem.v, out.shape);
  out.beta = padded(problem.beta, out.shape);
  if (problem.log_gamma) {
    out.log_gamma =
        log_gamma_axes(problem.problem.apf).tokens ? padded(*problem.log_gamma, out.shape) : *problem.log_gamma;
  }

  std::vector<std::int32_t> places(
      static_cast<std::size_t>((options.in_place ? 1 : 2) * sequences + options.spare_rows));
  out.rows = static_cast<std::int64_t>(places.size());
  std::iota(places.begin(), places.end(), 0);
  std::shuffle(places.begin(), places.end(), std::mt19937_64(options.seed));  // NOLINT: seeded on purpose
  const auto table_from = [&](std::int64_t first) {
    std::vector<std::int32_t> slots(places.begin() + first, places.begin() + first + sequences);
    slots.resize(static_cast<std::size_t>(sequences + padding), -1);
    return table(slots);
  };
  out.state_slots = table_from(0);
  if (!options.in_place) out.output_slots = table_from(sequences);

  const std::vector<std::size_t> rows = rows_of(out.state_slots);
  const std::int64_t hv = problem.shape.hv;
  const std::int64_t k = problem.problem.k;
  const auto pool = [&](const std::optional<Tensor>& initial, double otherwise, std::vector<std::int64_t> shape,
                        DType type) {
    const std::vector<double> usual(
        static_cast<std::size_t>(std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>())),
        otherwise);
    const Tensor from = initial ? *initial : to_tensor(std::span<const double>(usual), shape, type);
    Tensor all = poisoned_rows(from, out.rows);
    copy_rows(from, rows, all);
    return all;
  };
  out.state = pool(problem.initial_state, 0.0, {sequences, hv, k, problem.problem.v}, state_dtype_of(problem.problem));
  if (problem.problem.precondition != Precondition::none) {
    out.d = pool(problem.initial_d, 1.0, {sequences, hv, k}, DType::f32);
  }
  return out;
}

expected<Outputs> collect(const Case& problem, const ServingBatch& batch, const Tensor& o, const Tensor& state,
                          const std::optional<Tensor>& d) {
  Outputs out;
  out.o = {o.dtype, problem.v.shape, {}};
  const std::size_t bytes = problem.v.data.size();
  const auto end = o.data.begin() + static_cast<std::ptrdiff_t>(bytes);
  out.o.data.assign(o.data.begin(), end);
  if (std::any_of(end, o.data.end(), [](std::byte byte) { return byte != poison; })) {
    return Error{ErrorCode::internal, "o of a padding sequence was written", {}};
  }
  const std::vector<std::size_t> rows = rows_of(batch.output_slots ? *batch.output_slots : batch.state_slots);
  auto states = take_rows("states", batch.state, state, rows);
  if (!states) return states.error();
  out.final_state = *std::move(states);
  if (d) {
    auto ds = take_rows("d", *batch.d, *d, rows);
    if (!ds) return ds.error();
    out.final_d = *std::move(ds);
  }
  return out;
}

}  // namespace osdn::reference
