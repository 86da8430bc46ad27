#include "osdn/problem.hpp"

#include <fmt/format.h>

#include "generator/fields.hpp"

namespace osdn {
namespace generator {
namespace {

constexpr Integers head_dimension{16, 256, Integers::Step::multiples_of_16};

constexpr bool is_preconditioned(const Problem& problem) {
  return problem.precondition != Precondition::none;
}

constexpr bool has_fp32_products(const Problem& problem) {
  return problem.type == ElementType::fp32 && !is_decode(problem);
}

// In the order of the canonical text and of Traits.
constexpr Field<Problem> fields[] = {
    field<&Problem::type>("type", both_phases | decode_phase),
    meaning_when<Problem>(field<&Problem::math>("math", delta_rule_phase), has_fp32_products),
    field<&Problem::k, head_dimension>("k", both_phases | decode_phase, "K"),
    field<&Problem::v, head_dimension>("v", delta_rule_phase | decode_phase, "V"),
    field<&Problem::precondition>("precondition", both_phases | decode_phase),
    meaning_when<Problem>(field<&Problem::apf>("apf", both_phases | decode_phase), is_preconditioned),
    meaning_when<Problem>(field<&Problem::norm>("norm", preconditioner_phase | decode_phase), is_preconditioned),
    meaning_when<Problem>(field<&Problem::beta_aware>("beta_aware", preconditioner_phase | decode_phase),
                          is_preconditioned),
    field<&Problem::qk_l2norm>("qk_l2norm", both_phases | decode_phase),
    field<&Problem::beta_type>("beta_type", both_phases | decode_phase),
    meaning_when<Problem>(field<&Problem::state_type>("state_type", decode_phase), is_decode),
    axis(field<&Problem::decay>("decay", delta_rule_phase)),
    axis(field<&Problem::erase>("erase", delta_rule_phase)),
    axis(field<&Problem::value>("value", delta_rule_phase)),
    axis(field<&Problem::micro_steps, Integers{1, 16}>("micro_steps", delta_rule_phase)),
};

// Fields without a meaning here go to their defaults.
Problem reduced(Problem problem) {
  const Problem defaults;
  if (!has_fp32_products(problem)) problem.math = defaults.math;
  if (!is_decode(problem)) problem.state_type = defaults.state_type;
  if (!is_preconditioned(problem)) {
    problem.apf = defaults.apf;
    problem.norm = defaults.norm;
    problem.beta_aware = defaults.beta_aware;
  }
  return problem;
}

expected<void> check_operation(Operation operation) {
  if (!name_of(operation).empty()) return {};
  using Codec = detail::Codec<Operation, Integers{}>;
  return bad_value("problem", "operation", Codec::print(operation), Codec::allowed());
}

}  // namespace

std::span<const Field<Problem>> problem_fields() {
  return fields;
}

}  // namespace generator

using namespace generator;

expected<Problem> canonical(const Problem& problem) {
  if (auto ok = check_operation(problem.operation); !ok) return ok.error();
  if (auto ok = check_fields("problem", problem_fields(), problem); !ok) return ok.error();
  for (const auto& row : problem_fields()) {
    if (!row.axis || row.print(problem) == row.print(Problem{})) continue;
    return Error{ErrorCode::unsupported,
                 fmt::format("problem field {} was '{}'; only '{}' has kernels in this version", row.name,
                             row.print(problem), row.print(Problem{})),
                 {}};
  }
  return reduced(problem);
}

std::string to_string(const Problem& problem) {
  std::string out = detail::Codec<Operation, Integers{}>::print(problem.operation) + ":";
  print_fields(out, problem_fields(), problem);
  return out;
}

expected<Problem> parse_problem(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view operation = text.substr(0, colon);
  Problem problem;
  using Codec = detail::Codec<Operation, Integers{}>;
  if (!Codec::read(problem.operation, operation)) {
    std::vector<std::string_view> known;
    for (const auto& row : Names<Operation>::rows) known.push_back(row.name);
    return Error{ErrorCode::invalid_argument,
                 fmt::format("problem text must begin with its operation and a colon, but began with {}{}; allowed: {}",
                             quoted(operation), suggestion(operation, known), one_of(known)),
                 {}};
  }
  const std::string_view rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (auto ok = parse_fields("problem", rest, problem_fields(), problem); !ok) return ok.error();
  return reduced(problem);
}

}  // namespace osdn
