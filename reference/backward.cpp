#include "reference/backward.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "reference/head.hpp"

namespace osdn::reference {
namespace {

expected<void> check_adjoint(const char* field, std::size_t is, std::int64_t should, bool optional) {
  if (is == static_cast<std::size_t>(should) || (optional && is == 0)) return {};
  return Error{ErrorCode::invalid_argument,
               fmt::format("the adjoint of {} has {} elements; allowed: {}", field, is, should),
               {}};
}

/// Adjoint of x of y = x / sqrt(Σx² + ε), for each row of `stored` x.
void normalise_backward(std::span<const double> stored, std::vector<double>& adjoint, std::size_t width) {
  for (std::size_t row = 0; row < adjoint.size(); row += width) {
    double squares = 0;
    double along = 0;
    for (std::size_t c = 0; c < width; ++c) {
      squares += stored[row + c] * stored[row + c];
      along += stored[row + c] * adjoint[row + c];
    }
    const double r = 1.0 / std::sqrt(squares + l2norm_eps);
    for (std::size_t c = 0; c < width; ++c) {
      adjoint[row + c] = r * adjoint[row + c] - r * r * r * along * stored[row + c];
    }
  }
}

/// The gradients of one head's rows. q and k here are those of the recurrence, after the L2 norm.
struct HeadGradients {
  std::vector<double> q;
  std::vector<double> k;
  std::vector<double> v;
  std::vector<double> beta;
  std::vector<double> initial_state;
  PreconditionerAdjoint preconditioner;  ///< of what flows through d; empty when nothing does
};

/// The outputs' adjoints of one head, as rows.
struct HeadAdjoints {
  std::vector<double> o;
  std::vector<double> final_state;
  std::vector<double> final_d;
};

HeadAdjoints gather_adjoints(const BackwardInputs& inputs, const HeadPlace& place) {
  const auto features = static_cast<std::size_t>(inputs.forward.problem.k);
  const auto values = static_cast<std::size_t>(inputs.forward.problem.v);
  const auto heads = static_cast<std::size_t>(inputs.forward.shape.hv);
  const std::size_t block = place.sequence * heads + place.head;
  HeadAdjoints out;
  out.o.resize(place.tokens * values);
  for (std::size_t t = 0; t < place.tokens; ++t) {
    std::copy_n(&inputs.o[((place.first_token + t) * heads + place.head) * values], values, &out.o[t * values]);
  }
  out.final_state.resize(features * values);
  if (!inputs.final_state.empty()) {
    std::copy_n(&inputs.final_state[block * features * values], features * values, out.final_state.begin());
  }
  out.final_d.resize(features);
  if (!inputs.final_d.empty()) std::copy_n(&inputs.final_d[block * features], features, out.final_d.begin());
  return out;
}

HeadGradients head_backward(const BackwardInputs& inputs, const Head& head, const HeadAdjoints& adjoints) {
  const std::size_t tokens = head.place.tokens;
  const auto features = static_cast<std::size_t>(inputs.forward.problem.k);
  const auto values = static_cast<std::size_t>(inputs.forward.problem.v);
  const double scale = output_scale(inputs.forward);
  const std::vector<double> d = write_scale(inputs.forward, head);
  const DeltaRuleRows rows = delta_rule_rows(inputs.forward, head, d);
  DeltaRuleAdjoint delta =
      delta_rule_backward(rows, head.initial_state.data(), adjoints.o.data(), adjoints.final_state.data());

  HeadGradients out;
  out.q = delta.rows.query;
  out.k.resize(tokens * features);
  out.v = delta.rows.value;
  out.beta.resize(tokens);
  out.initial_state = std::move(delta.initial_state);
  std::vector<double> d_adjoint((tokens + 1) * features);  // by the write keys, then by final_d
  for (std::size_t t = 0; t < tokens; ++t) {
    for (std::size_t c = 0; c < features; ++c) {
      const std::size_t at = t * features + c;
      out.q[at] *= scale;
      out.k[at] = head.beta[t] * delta.rows.erase[at] + d[at] * delta.rows.write[at];
      out.beta[t] += head.k[at] * delta.rows.erase[at];
      d_adjoint[at] = head.k[at] * delta.rows.write[at];
    }
    for (std::size_t j = 0; j < values; ++j) {
      const std::size_t at = t * values + j;
      out.beta[t] += head.v[at] * delta.rows.value[at];
      out.v[at] *= head.beta[t];
    }
  }
  if (inputs.detach_d || inputs.forward.problem.precondition == Precondition::none) return out;

  std::copy(adjoints.final_d.begin(), adjoints.final_d.end(), d_adjoint.end() - static_cast<std::ptrdiff_t>(features));
  out.preconditioner = precondition_backward(preconditioner_inputs(inputs.forward, head), d, d_adjoint);
  for (std::size_t at = 0; at < out.k.size(); ++at) out.k[at] += out.preconditioner.k[at];
  for (std::size_t t = 0; t < tokens; ++t) out.beta[t] += out.preconditioner.beta[t];
  return out;
}

/// Adds a head's rows to the tensors' places: value heads of one key head meet in q and k.
void scatter(const BackwardInputs& inputs, const HeadPlace& place, const HeadGradients& head, Gradients& out) {
  const ForwardInputs& forward = inputs.forward;
  const auto features = static_cast<std::size_t>(forward.problem.k);
  const auto values = static_cast<std::size_t>(forward.problem.v);
  const auto key_heads = static_cast<std::size_t>(forward.shape.h);
  const auto heads = static_cast<std::size_t>(forward.shape.hv);
  for (std::size_t t = 0; t < place.tokens; ++t) {
    const std::size_t token = place.first_token + t;
    for (std::size_t c = 0; c < features; ++c) {
      const std::size_t to = (token * key_heads + place.key_head) * features + c;
      out.q[to] += head.q[t * features + c];
      out.k[to] += head.k[t * features + c];
    }
    std::copy_n(&head.v[t * values], values, &out.v[(token * heads + place.head) * values]);
    out.beta[token * heads + place.head] = head.beta[t];
  }
  const std::size_t block = place.sequence * heads + place.head;
  std::copy(head.initial_state.begin(), head.initial_state.end(), &out.initial_state[block * features * values]);

  const PreconditionerAdjoint& through_d = head.preconditioner;
  if (through_d.initial.empty()) return;
  std::copy(through_d.initial.begin(), through_d.initial.end(), &out.initial_d[block * features]);
  out.eta += through_d.eta;
  out.anchor += through_d.anchor;
  if (out.log_gamma.empty()) return;
  for (std::size_t t = 0; t < place.tokens; ++t) {
    for (std::size_t c = 0; c < features; ++c) {
      const bool one = forward.problem.apf == Apf::constant;
      const std::size_t to = one ? 0 : log_gamma_index(forward, place.first_token + t, place.head, c);
      out.log_gamma[to] += through_d.log_gamma[t * features + c];
    }
  }
}

}  // namespace

expected<Gradients> backward(const BackwardInputs& inputs) {
  const ForwardInputs& forward = inputs.forward;
  if (auto ok = validate(forward); !ok) return ok.error();
  const bool preconditioned = forward.problem.precondition != Precondition::none;
  const std::int64_t states = forward.shape.sequences() * forward.shape.hv * forward.problem.k;
  if (auto ok = check_adjoint("o", inputs.o.size(), static_cast<std::int64_t>(forward.v.size()), false); !ok) {
    return ok.error();
  }
  if (auto ok = check_adjoint("final_state", inputs.final_state.size(), states * forward.problem.v, true); !ok) {
    return ok.error();
  }
  if (auto ok = check_adjoint("final_d", inputs.final_d.size(), states, true); !ok) return ok.error();

  Gradients out;
  out.q.resize(forward.q.size());
  out.k.resize(forward.k.size());
  out.v.resize(forward.v.size());
  out.beta.resize(forward.beta.size());
  out.initial_state.resize(static_cast<std::size_t>(states * forward.problem.v));
  if (preconditioned) {
    const bool one = forward.problem.apf == Apf::constant;
    out.initial_d.resize(static_cast<std::size_t>(states));
    out.log_gamma.resize(one ? 1 : static_cast<std::size_t>(log_gamma_elements(forward.problem, forward.shape)));
  }
  for (const HeadPlace& place : head_places(forward)) {
    const Head head = gather_head(forward, place);
    scatter(inputs, place, head_backward(inputs, head, gather_adjoints(inputs, place)), out);
  }
  if (forward.problem.qk_l2norm) {
    const auto features = static_cast<std::size_t>(forward.problem.k);
    normalise_backward(forward.q, out.q, features);
    normalise_backward(forward.k, out.k, features);
  }
  return out;
}

}  // namespace osdn::reference
