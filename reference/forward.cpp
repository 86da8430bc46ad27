#include "reference/forward.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "osdn/log_gamma.hpp"
#include "reference/head.hpp"

namespace osdn::reference {
namespace {

Error invalid(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), {}};
}

expected<void> check_float(const char* field, double value) {
  if (std::isfinite(value) && std::fabs(value) <= std::numeric_limits<float>::max()) return {};
  return invalid(fmt::format("{} is {}; allowed: a finite number that a float can hold", field, value));
}

expected<void> check_size(const char* field, std::size_t is, std::int64_t should, bool optional) {
  if (is == static_cast<std::size_t>(should) || (optional && is == 0)) return {};
  return invalid(fmt::format("{} has {} elements; allowed: {}{}", field, is, should, optional ? " or none" : ""));
}

expected<void> check_cu_seqlens(std::span<const std::int64_t> starts, const Shape& shape) {
  if (starts.front() != 0) return invalid(fmt::format("cu_seqlens[0] is {}; allowed: 0", starts.front()));
  for (std::size_t n = 1; n < starts.size(); ++n) {
    if (starts[n] < starts[n - 1]) {
      return invalid(fmt::format("cu_seqlens[{}] is {}, less than cu_seqlens[{}] = {}; allowed: never decreasing", n,
                                 starts[n], n - 1, starts[n - 1]));
    }
  }
  if (starts.back() != shape.t) {
    return invalid(fmt::format("cu_seqlens[{}] is {}; allowed: {}, the number of tokens", starts.size() - 1,
                               starts.back(), shape.t));
  }
  return {};
}

expected<void> check_shape(const Shape& shape, const Problem& problem) {
  if (problem.k < 1) return invalid(fmt::format("k is {}; allowed: 1 and more", problem.k));
  if (problem.v < 1) return invalid(fmt::format("v is {}; allowed: 1 and more", problem.v));
  if (shape.b < 1) return invalid(fmt::format("b is {}; allowed: 1 and more", shape.b));
  if (shape.t < 0) return invalid(fmt::format("t is {}; allowed: 0 and more", shape.t));
  if (shape.h < 1) return invalid(fmt::format("h is {}; allowed: 1 and more", shape.h));
  if (shape.hv < 1 || shape.hv % shape.h != 0) {
    return invalid(fmt::format("hv is {}; allowed: a multiple of h = {}", shape.hv, shape.h));
  }
  if (shape.n < 0) return invalid(fmt::format("n is {}; allowed: 0 and more", shape.n));
  if (shape.packed() && shape.b != 1) {
    return invalid(fmt::format("b is {} with cu_seqlens; allowed: 1", shape.b));
  }
  return {};
}

expected<void> check_member(const Problem& problem) {
  const bool ours = problem.decay == Decay::none && problem.erase == Erase::beta &&
                    problem.value == ValueCoefficient::beta && problem.micro_steps == 1;
  if (ours) return {};
  return Error{ErrorCode::unsupported,
               "the reference computes decay=none, erase=beta, value=beta, micro_steps=1 only (DeltaNet and OSDN)",
               {}};
}

}  // namespace

Hyperparameters to_float(const Numbers& numbers) {
  Hyperparameters out;
  out.eta = static_cast<float>(numbers.eta);
  out.d_min = static_cast<float>(numbers.d_min);
  out.d_max = static_cast<float>(numbers.d_max);
  out.norm_eps = static_cast<float>(numbers.norm_eps);
  out.anchor = static_cast<float>(numbers.anchor);
  out.log_gamma = static_cast<float>(numbers.log_gamma);
  if (numbers.scale) out.scale = static_cast<float>(*numbers.scale);
  return out;
}

Numbers to_double(const Hyperparameters& hyperparameters) {
  Numbers out;
  out.eta = hyperparameters.eta;
  out.d_min = hyperparameters.d_min;
  out.d_max = hyperparameters.d_max;
  out.norm_eps = hyperparameters.norm_eps;
  out.anchor = hyperparameters.anchor;
  out.log_gamma = hyperparameters.log_gamma;
  if (hyperparameters.scale) out.scale = static_cast<double>(*hyperparameters.scale);
  return out;
}

expected<void> validate(const Numbers& numbers, const Problem& problem) {
  if (numbers.scale) {
    if (auto ok = check_float("scale", *numbers.scale); !ok) return ok;
  }
  if (problem.precondition == Precondition::none) return {};
  const std::pair<const char*, double> fields[] = {{"eta", numbers.eta},           {"d_min", numbers.d_min},
                                                   {"d_max", numbers.d_max},       {"norm_eps", numbers.norm_eps},
                                                   {"apf_anchor", numbers.anchor}, {"log_gamma", numbers.log_gamma}};
  for (const auto& [field, value] : fields) {
    if (auto ok = check_float(field, value); !ok) return ok;
  }
  if (numbers.eta < 0) return invalid(fmt::format("eta is {}; allowed: 0 and more", numbers.eta));
  if (numbers.d_min < 0) return invalid(fmt::format("d_min is {}; allowed: 0 and more", numbers.d_min));
  if (numbers.d_max < numbers.d_min) {
    return invalid(fmt::format("d_max is {}; allowed: d_min = {} and more", numbers.d_max, numbers.d_min));
  }
  if (problem.norm != Norm::one && !(static_cast<float>(numbers.norm_eps) > 0)) {
    return invalid(
        fmt::format("norm_eps is {}; allowed: above 0, as a float too, with norm=max and norm=add", numbers.norm_eps));
  }
  if (problem.apf == Apf::constant && numbers.log_gamma > 0) {
    return invalid(fmt::format("log_gamma is {}; allowed: 0 and less", numbers.log_gamma));
  }
  return {};
}

std::vector<std::int64_t> log_gamma_shape(const Problem& problem, const Shape& shape) {
  std::vector<std::int64_t> out;
  if (problem.precondition == Precondition::none) return out;
  const LogGammaAxes has = log_gamma_axes(problem.apf);
  if (has.tokens) out = {shape.b, shape.t};
  if (has.heads) out.push_back(shape.hv);
  if (has.features) out.push_back(problem.k);
  return out;
}

std::int64_t log_gamma_elements(const Problem& problem, const Shape& shape) {
  const std::vector<std::int64_t> sizes = log_gamma_shape(problem, shape);
  return sizes.empty() ? 0 : std::accumulate(sizes.begin(), sizes.end(), std::int64_t{1}, std::multiplies<>());
}

expected<void> validate(const ForwardInputs& inputs) {
  const Problem& problem = inputs.problem;
  const Shape& shape = inputs.shape;
  if (auto ok = check_member(problem); !ok) return ok;
  if (auto ok = check_shape(shape, problem); !ok) return ok;
  if (auto ok = validate(inputs.numbers, problem); !ok) return ok;

  const std::int64_t tokens = shape.b * shape.t;
  const std::int64_t states = shape.sequences() * shape.hv;
  const bool preconditioned = problem.precondition != Precondition::none;
  if (!preconditioned && !inputs.initial_d.empty()) {
    return invalid("initial_d is given; allowed: only with precondition=osdn");
  }
  const struct {
    const char* field;
    std::size_t is;
    std::int64_t should;
    bool optional;
  } sizes[] = {{"q", inputs.q.size(), tokens * shape.h * problem.k, false},
               {"k", inputs.k.size(), tokens * shape.h * problem.k, false},
               {"v", inputs.v.size(), tokens * shape.hv * problem.v, false},
               {"beta", inputs.beta.size(), tokens * shape.hv, false},
               {"log_gamma", inputs.log_gamma.size(), log_gamma_elements(problem, shape), false},
               {"initial_state", inputs.initial_state.size(), states * problem.k * problem.v, true},
               {"initial_d", inputs.initial_d.size(), states * problem.k, true},
               {"cu_seqlens", inputs.cu_seqlens.size(), shape.packed() ? shape.n + 1 : 0, false}};
  for (const auto& size : sizes) {
    if (auto ok = check_size(size.field, size.is, size.should, size.optional); !ok) return ok;
  }
  return shape.packed() ? check_cu_seqlens(inputs.cu_seqlens, shape) : expected<void>{};
}

expected<ForwardOutputs> forward(const ForwardInputs& inputs) {
  if (auto ok = validate(inputs); !ok) return ok.error();
  const auto features = static_cast<std::size_t>(inputs.problem.k);
  const auto values = static_cast<std::size_t>(inputs.problem.v);
  const auto heads = static_cast<std::size_t>(inputs.shape.hv);
  const auto states = static_cast<std::size_t>(inputs.shape.sequences()) * heads;

  ForwardOutputs outputs;
  outputs.o.resize(inputs.v.size());
  outputs.final_state.resize(states * features * values);
  outputs.final_d.resize(states * features);
  for (const HeadPlace& place : head_places(inputs)) {
    const Head head = gather_head(inputs, place);
    const std::vector<double> d = write_scale(inputs, head);
    const DeltaRuleOutputs out = delta_rule(delta_rule_rows(inputs, head, d), head.initial_state.data());
    for (std::size_t t = 0; t < place.tokens; ++t) {
      std::copy_n(&out.o[t * values], values, &outputs.o[((place.first_token + t) * heads + place.head) * values]);
    }
    const std::size_t block = place.sequence * heads + place.head;
    std::copy(out.final_state.begin(), out.final_state.end(), &outputs.final_state[block * features * values]);
    std::copy_n(&d[place.tokens * features], features, &outputs.final_d[block * features]);
  }
  return outputs;
}

}  // namespace osdn::reference
