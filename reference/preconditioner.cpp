#include "reference/preconditioner.hpp"

#include <algorithm>
#include <cmath>

namespace osdn::reference {
namespace {

/// What one token contributes besides d: s = k ⊙ k, |k|², the b mode, the norm.
struct Token {
  std::vector<double> s;
  double b = 1;
  double norm = 1;
  bool norm_depends_on_k = false;
};

Token token_at(const PreconditionerInputs& inputs, std::size_t t) {
  Token token;
  token.s.resize(inputs.features);
  double squares = 0;
  for (std::size_t c = 0; c < inputs.features; ++c) {
    const double k = inputs.k[t * inputs.features + c];
    token.s[c] = k * k;
    squares += token.s[c];
  }
  token.b = inputs.beta_aware ? inputs.beta[t] : 1.0;
  switch (inputs.norm) {
    case Norm::max:
      token.norm_depends_on_k = !(squares <= inputs.numbers.norm_eps);  // written so that a NaN stays one
      token.norm = token.norm_depends_on_k ? squares : inputs.numbers.norm_eps;
      break;
    case Norm::add:
      token.norm_depends_on_k = true;
      token.norm = squares + inputs.numbers.norm_eps;
      break;
    case Norm::one:
      break;
  }
  return token;
}

double dot(const double* a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t c = 0; c < b.size(); ++c) sum += a[c] * b[c];
  return sum;
}

/// Not std::clamp: a NaN must come out as a NaN.
double clip(double value, double low, double high) {
  if (value < low) return low;
  return value > high ? high : value;
}

/// d_{t+1} before the clip.
double unclipped(const Numbers& numbers, double d, double log_gamma, double gain, double s) {
  return numbers.anchor + std::exp(log_gamma) * (d - numbers.anchor) + gain * s;
}

}  // namespace

std::vector<double> precondition(const PreconditionerInputs& inputs, const double* initial) {
  const std::size_t features = inputs.features;
  std::vector<double> d((inputs.tokens + 1) * features);
  std::copy_n(initial, features, d.begin());
  for (std::size_t t = 0; t < inputs.tokens; ++t) {
    const Token token = token_at(inputs, t);
    const double* now = &d[t * features];
    double* next = &d[(t + 1) * features];
    const double z = 1.0 - token.b * dot(now, token.s);
    const double gain = inputs.numbers.eta * token.b * z / token.norm;
    for (std::size_t c = 0; c < features; ++c) {
      const double value = unclipped(inputs.numbers, now[c], inputs.log_gamma[t * features + c], gain, token.s[c]);
      next[c] = clip(value, inputs.numbers.d_min, inputs.numbers.d_max);
    }
  }
  return d;
}

PreconditionerAdjoint precondition_backward(const PreconditionerInputs& inputs, const std::vector<double>& d,
                                            const std::vector<double>& d_adjoint) {
  const std::size_t features = inputs.features;
  const Numbers& numbers = inputs.numbers;
  PreconditionerAdjoint adjoint;
  adjoint.k.resize(inputs.tokens * features);
  adjoint.beta.resize(inputs.tokens);
  adjoint.log_gamma.resize(inputs.tokens * features);
  // The adjoint of d_{t+1}, all of it: from final_d, the write keys and the tokens after t.
  std::vector<double> lambda(d_adjoint.end() - static_cast<std::ptrdiff_t>(features), d_adjoint.end());

  for (std::size_t t = inputs.tokens; t-- > 0;) {
    const Token token = token_at(inputs, t);
    const double* now = &d[t * features];
    const double* log_gamma = &inputs.log_gamma[t * features];
    const double overlap = dot(now, token.s);
    const double z = 1.0 - token.b * overlap;
    const double mu = numbers.eta * token.b / token.norm;

    for (std::size_t c = 0; c < features; ++c) {
      const double value = unclipped(numbers, now[c], log_gamma[c], mu * z, token.s[c]);
      const bool inside = value >= numbers.d_min && value <= numbers.d_max;
      if (!inside) lambda[c] = 0;  // the clip lets nothing back through
    }
    const double p = dot(lambda.data(), token.s);

    adjoint.eta += token.b / token.norm * z * p;
    if (inputs.beta_aware) adjoint.beta[t] = numbers.eta / token.norm * p * (1.0 - 2.0 * token.b * overlap);
    const double through_norm = token.norm_depends_on_k ? mu * z * p / token.norm : 0.0;
    for (std::size_t c = 0; c < features; ++c) {
      const double gamma = std::exp(log_gamma[c]);
      adjoint.log_gamma[t * features + c] = gamma * lambda[c] * (now[c] - numbers.anchor);
      adjoint.anchor += (1.0 - gamma) * lambda[c];
      const double ds = mu * z * lambda[c] - mu * token.b * p * now[c] - through_norm;
      adjoint.k[t * features + c] = 2.0 * inputs.k[t * features + c] * ds;
      lambda[c] = gamma * lambda[c] - mu * token.b * p * token.s[c] + d_adjoint[t * features + c];
    }
  }
  adjoint.initial = std::move(lambda);
  return adjoint;
}

}  // namespace osdn::reference
