#include "reference/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/tensor.hpp"

namespace osdn::reference {
namespace {

double root_mean_square(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return values.empty() ? 0.0 : std::sqrt(sum / static_cast<double>(values.size()));
}

Verdict finish(Verdict verdict) {
  if (!verdict.reason.empty()) verdict.error = std::numeric_limits<double>::infinity();
  verdict.ratio = verdict.error == 0 ? 0 : verdict.error / verdict.tolerance;
  verdict.passed = verdict.error <= verdict.tolerance;
  return verdict;
}

/// Sets the reason where the values cannot be compared at all.
bool comparable(Verdict& verdict, const std::vector<double>& values, const std::vector<double>& answer) {
  if (values.size() != answer.size()) {
    verdict.reason = fmt::format("has {} elements, not {}", values.size(), answer.size());
  } else if (!std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); })) {
    verdict.reason = "not finite";
  }
  return verdict.reason.empty();
}

Verdict judge_rms(const char* tensor, const safetensors::Tensor& values, const std::vector<double>& answer,
                  double tolerance) {
  const std::vector<double> is = to_doubles(values);
  Verdict verdict{tensor, "relative RMS", 0, tolerance, 0, false, {}};
  if (!comparable(verdict, is, answer)) return finish(verdict);
  std::vector<double> difference(is.size());
  for (std::size_t i = 0; i < is.size(); ++i) difference[i] = is[i] - answer[i];
  const double norm = root_mean_square(answer);
  verdict.error = root_mean_square(difference);
  if (norm > 0)
    verdict.error /= norm;
  else
    verdict.measure = "RMS";
  return finish(verdict);
}

Verdict judge_absolute(const char* tensor, const safetensors::Tensor& values, const std::vector<double>& answer,
                       double tolerance) {
  const std::vector<double> is = to_doubles(values);
  Verdict verdict{tensor, "max abs", 0, tolerance, 0, false, {}};
  if (!comparable(verdict, is, answer)) return finish(verdict);
  for (std::size_t i = 0; i < is.size(); ++i) verdict.error = std::max(verdict.error, std::fabs(is[i] - answer[i]));
  return finish(verdict);
}

}  // namespace

bool keys_nearly_equal(const Case& problem) {
  const std::vector<double> k = to_doubles(problem.k);
  const auto width = static_cast<std::size_t>(problem.shape.h * problem.problem.k);  // all heads' features of a token
  if (k.empty()) return false;
  const auto tokens = static_cast<double>(k.size() / width);
  std::vector<double> mean(width);
  for (std::size_t i = 0; i < k.size(); ++i) mean[i % width] += k[i] / tokens;
  double distance = 0;
  double size = 0;
  for (std::size_t i = 0; i < k.size(); ++i) {
    distance += std::fabs(k[i] - mean[i % width]);
    size += std::fabs(k[i]);
  }
  return distance < 0.05 * size;
}

double rms_tolerance(const Case& problem) {
  double tolerance = 8e-3;
  if (problem.problem.type == ElementType::fp16) tolerance = 2e-3;
  if (problem.problem.type == ElementType::fp32) {
    tolerance = problem.problem.math == Fp32Math::tf32x3 ? 2e-5 : 1.5e-3;
  }
  // A step has no tensor products: fp32 is fp32.
  if (problem.problem.operation == Operation::osdn_decode && problem.problem.type == ElementType::fp32) {
    tolerance = 2e-5;
  }
  return keys_nearly_equal(problem) ? 2.5 * tolerance : tolerance;
}

double state_tolerance(const Case& problem) {
  constexpr double rounding = 2e-3;  // of bf16, to nearest: half of 2^-8 at most
  const bool narrow = state_dtype_of(problem.problem) == safetensors::DType::bf16;
  return rms_tolerance(problem) + (narrow ? rounding : 0.0);
}

double d_tolerance(const Case& problem) {
  return problem.numbers.eta < 0.1 ? 1e-4 : 1e-3;
}

std::vector<Verdict> judge(const Case& problem, const Expected& answers, const Outputs& outputs) {
  const double tolerance = rms_tolerance(problem);
  std::vector<Verdict> verdicts = {
      judge_rms("o", outputs.o, answers.o, tolerance),
      judge_rms("final_state", outputs.final_state, answers.final_state, state_tolerance(problem))};
  const bool preconditioned = problem.problem.precondition != Precondition::none;
  if (outputs.final_d) {
    // Without a preconditioner d ≡ 1, and what is written is exactly that.
    const std::vector<double> ones(static_cast<std::size_t>(outputs.final_d->elements()), 1.0);
    verdicts.push_back(judge_absolute("final_d", *outputs.final_d, preconditioned ? answers.final_d : ones,
                                      preconditioned ? d_tolerance(problem) : 0.0));
  } else if (preconditioned) {
    verdicts.push_back(finish({"final_d", "max abs", 0, d_tolerance(problem), 0, false, "is missing"}));
  }
  return verdicts;
}

bool all_passed(const std::vector<Verdict>& verdicts) {
  return std::all_of(verdicts.begin(), verdicts.end(), [](const Verdict& verdict) { return verdict.passed; });
}

}  // namespace osdn::reference
