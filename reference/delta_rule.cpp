#include "reference/delta_rule.hpp"

namespace osdn::reference {
namespace {

/// out[j] = Σ_c x[c] state[c,j]
void read(const std::vector<double>& state, const double* x, std::size_t features, std::size_t values, double* out) {
  for (std::size_t j = 0; j < values; ++j) out[j] = 0;
  for (std::size_t c = 0; c < features; ++c) {
    for (std::size_t j = 0; j < values; ++j) out[j] += x[c] * state[c * values + j];
  }
}

/// out[c] = Σ_j state[c,j] x[j]
void read_transposed(const double* state, const double* x, std::size_t features, std::size_t values, double* out) {
  for (std::size_t c = 0; c < features; ++c) {
    double sum = 0;
    for (std::size_t j = 0; j < values; ++j) sum += state[c * values + j] * x[j];
    out[c] = sum;
  }
}

/// state += factor · a bᵀ
void add_outer(std::vector<double>& state, double factor, const double* a, const double* b, std::size_t features,
               std::size_t values) {
  for (std::size_t c = 0; c < features; ++c) {
    for (std::size_t j = 0; j < values; ++j) state[c * values + j] += factor * a[c] * b[j];
  }
}

/// u = ν − hᵀe, then h += w uᵀ; returns u.
std::vector<double> advance(const DeltaRuleRows& rows, std::size_t t, std::vector<double>& state) {
  const std::size_t features = rows.features;
  const std::size_t values = rows.values;
  std::vector<double> u(values);
  read(state, &rows.erase[t * features], features, values, u.data());
  for (std::size_t j = 0; j < values; ++j) u[j] = rows.value[t * values + j] - u[j];
  add_outer(state, 1.0, &rows.write[t * features], u.data(), features, values);
  return u;
}

}  // namespace

DeltaRuleOutputs delta_rule(const DeltaRuleRows& rows, const double* initial) {
  DeltaRuleOutputs outputs;
  outputs.o.resize(rows.tokens * rows.values);
  outputs.final_state.assign(initial, initial + rows.features * rows.values);
  for (std::size_t t = 0; t < rows.tokens; ++t) {
    advance(rows, t, outputs.final_state);
    read(outputs.final_state, &rows.query[t * rows.features], rows.features, rows.values, &outputs.o[t * rows.values]);
  }
  return outputs;
}

DeltaRuleAdjoint delta_rule_backward(const DeltaRuleRows& rows, const double* initial, const double* o_adjoint,
                                     const double* state_adjoint) {
  const std::size_t features = rows.features;
  const std::size_t values = rows.values;
  const std::size_t area = features * values;

  std::vector<double> state(initial, initial + area);
  std::vector<double> states(state);  // h_0 … h_T
  std::vector<double> u;              // u_1 … u_T
  for (std::size_t t = 0; t < rows.tokens; ++t) {
    const std::vector<double> row = advance(rows, t, state);
    u.insert(u.end(), row.begin(), row.end());
    states.insert(states.end(), state.begin(), state.end());
  }

  DeltaRuleAdjoint adjoint;
  DeltaRuleRows& out = adjoint.rows;
  out = {rows.tokens, features, values, {}, {}, {}, {}};
  out.erase.resize(rows.tokens * features);
  out.write.resize(rows.tokens * features);
  out.value.resize(rows.tokens * values);
  out.query.resize(rows.tokens * features);
  std::vector<double> h_adjoint(state_adjoint, state_adjoint + area);

  for (std::size_t t = rows.tokens; t-- > 0;) {
    const double* before = &states[t * area];
    const double* after = &states[(t + 1) * area];
    const double* o_row = &o_adjoint[t * values];
    add_outer(h_adjoint, 1.0, &rows.query[t * features], o_row, features, values);
    read_transposed(after, o_row, features, values, &out.query[t * features]);
    read_transposed(h_adjoint.data(), &u[t * values], features, values, &out.write[t * features]);
    double* du = &out.value[t * values];  // ν enters u as it is
    read(h_adjoint, &rows.write[t * features], features, values, du);
    read_transposed(before, du, features, values, &out.erase[t * features]);
    for (std::size_t c = 0; c < features; ++c) out.erase[t * features + c] *= -1.0;
    add_outer(h_adjoint, -1.0, &rows.erase[t * features], du, features, values);
  }
  adjoint.initial_state = std::move(h_adjoint);
  return adjoint;
}

}  // namespace osdn::reference
