#include "reference/head.hpp"

#include <algorithm>
#include <cmath>

#include "osdn/log_gamma.hpp"

namespace osdn::reference {
namespace {

/// Rows of `width` of one head out of [tokens, heads, width].
std::vector<double> rows_of(std::span<const double> tensor, const HeadPlace& place, std::size_t head, std::size_t heads,
                            std::size_t width) {
  std::vector<double> rows(place.tokens * width);
  for (std::size_t t = 0; t < place.tokens; ++t) {
    const std::size_t from = ((place.first_token + t) * heads + head) * width;
    std::copy_n(tensor.begin() + static_cast<std::ptrdiff_t>(from), width,
                rows.begin() + static_cast<std::ptrdiff_t>(t * width));
  }
  return rows;
}

/// The block of one (sequence, head) out of [N, HV, size], or `absent` everywhere.
std::vector<double> block_of(std::span<const double> tensor, const HeadPlace& place, std::size_t heads,
                             std::size_t size, double absent) {
  if (tensor.empty()) return std::vector<double>(size, absent);
  const auto from = tensor.begin() + static_cast<std::ptrdiff_t>((place.sequence * heads + place.head) * size);
  return {from, from + static_cast<std::ptrdiff_t>(size)};
}

void normalise_rows(std::vector<double>& rows, std::size_t width) {
  for (std::size_t row = 0; row < rows.size(); row += width) {
    double squares = 0;
    for (std::size_t c = 0; c < width; ++c) squares += rows[row + c] * rows[row + c];
    const double length = std::sqrt(squares + l2norm_eps);
    for (std::size_t c = 0; c < width; ++c) rows[row + c] /= length;
  }
}

}  // namespace

std::vector<HeadPlace> head_places(const ForwardInputs& inputs) {
  const auto heads = static_cast<std::size_t>(inputs.shape.hv);
  const auto group = static_cast<std::size_t>(inputs.shape.hv / inputs.shape.h);
  const auto length = static_cast<std::size_t>(inputs.shape.t);
  std::vector<HeadPlace> places;
  for (std::size_t n = 0; n < static_cast<std::size_t>(inputs.shape.sequences()); ++n) {
    std::size_t first = n * length;
    std::size_t tokens = length;
    if (inputs.shape.packed()) {
      first = static_cast<std::size_t>(inputs.cu_seqlens[n]);
      tokens = static_cast<std::size_t>(inputs.cu_seqlens[n + 1]) - first;
    }
    for (std::size_t head = 0; head < heads; ++head) places.push_back({n, head, head / group, first, tokens});
  }
  return places;
}

std::size_t log_gamma_index(const ForwardInputs& inputs, std::size_t token, std::size_t head, std::size_t feature) {
  const auto heads = static_cast<std::size_t>(inputs.shape.hv);
  const auto features = static_cast<std::size_t>(inputs.problem.k);
  const LogGammaAxes has = log_gamma_axes(inputs.problem.apf);
  std::size_t index = has.tokens ? token : 0;
  if (has.heads) index = index * heads + head;
  if (has.features) index = index * features + feature;
  return index;
}

Head gather_head(const ForwardInputs& inputs, const HeadPlace& place) {
  const auto features = static_cast<std::size_t>(inputs.problem.k);
  const auto values = static_cast<std::size_t>(inputs.problem.v);
  const auto key_heads = static_cast<std::size_t>(inputs.shape.h);
  const auto heads = static_cast<std::size_t>(inputs.shape.hv);

  Head head;
  head.place = place;
  head.q = rows_of(inputs.q, place, place.key_head, key_heads, features);
  head.k = rows_of(inputs.k, place, place.key_head, key_heads, features);
  head.v = rows_of(inputs.v, place, place.head, heads, values);
  head.beta = rows_of(inputs.beta, place, place.head, heads, 1);
  head.initial_state = block_of(inputs.initial_state, place, heads, features * values, 0.0);
  head.initial_d = block_of(inputs.initial_d, place, heads, features, 1.0);
  if (inputs.problem.qk_l2norm) {
    normalise_rows(head.q, features);
    normalise_rows(head.k, features);
  }

  const bool constant = inputs.problem.apf == Apf::constant;
  head.log_gamma.assign(place.tokens * features, constant ? inputs.numbers.log_gamma : 0.0);
  if (!inputs.log_gamma.empty()) {
    for (std::size_t t = 0; t < place.tokens; ++t) {
      for (std::size_t c = 0; c < features; ++c) {
        head.log_gamma[t * features + c] =
            inputs.log_gamma[log_gamma_index(inputs, place.first_token + t, place.head, c)];
      }
    }
  }
  return head;
}

PreconditionerInputs preconditioner_inputs(const ForwardInputs& inputs, const Head& head) {
  PreconditionerInputs out;
  out.tokens = head.place.tokens;
  out.features = static_cast<std::size_t>(inputs.problem.k);
  out.beta_aware = inputs.problem.beta_aware;
  out.norm = inputs.problem.norm;
  out.numbers = inputs.numbers;
  out.k = head.k.data();
  out.beta = head.beta.data();
  out.log_gamma = head.log_gamma.data();
  return out;
}

std::vector<double> write_scale(const ForwardInputs& inputs, const Head& head) {
  if (inputs.problem.precondition == Precondition::none) {
    return std::vector<double>((head.place.tokens + 1) * static_cast<std::size_t>(inputs.problem.k), 1.0);
  }
  return precondition(preconditioner_inputs(inputs, head), head.initial_d.data());
}

DeltaRuleRows delta_rule_rows(const ForwardInputs& inputs, const Head& head, const std::vector<double>& d) {
  const double scale = output_scale(inputs);
  DeltaRuleRows rows;
  rows.tokens = head.place.tokens;
  rows.features = static_cast<std::size_t>(inputs.problem.k);
  rows.values = static_cast<std::size_t>(inputs.problem.v);
  rows.erase = head.k;
  rows.write = head.k;
  rows.value = head.v;
  rows.query = head.q;
  for (std::size_t t = 0; t < rows.tokens; ++t) {
    for (std::size_t c = 0; c < rows.features; ++c) {
      const std::size_t at = t * rows.features + c;
      rows.erase[at] *= head.beta[t];
      rows.write[at] *= d[at];
      rows.query[at] *= scale;
    }
    for (std::size_t j = 0; j < rows.values; ++j) rows.value[t * rows.values + j] *= head.beta[t];
  }
  return rows;
}

double output_scale(const ForwardInputs& inputs) {
  return inputs.numbers.scale.value_or(1.0 / std::sqrt(static_cast<double>(inputs.problem.k)));
}

}  // namespace osdn::reference
