#include "reference/case_fields.hpp"

#include <fmt/format.h>

#include <charconv>
#include <set>
#include <span>
#include <utility>

namespace osdn::reference {
namespace {

template <class Value>
using Choice = std::pair<std::string_view, Value>;

constexpr Choice<Precondition> preconditions[] = {{"osdn", Precondition::osdn}, {"none", Precondition::none}};
constexpr Choice<Apf> apfs[] = {{"none", Apf::none},
                                {"constant", Apf::constant},
                                {"per_head", Apf::per_head},
                                {"per_token", Apf::per_token},
                                {"per_channel", Apf::per_channel}};
constexpr Choice<Norm> norms[] = {{"max", Norm::max}, {"add", Norm::add}, {"one", Norm::one}};
constexpr Choice<Operation> operations[] = {{"osdn_forward", Operation::osdn_forward},
                                            {"osdn_decode", Operation::osdn_decode}};
constexpr Choice<StateType> state_types[] = {{"fp32", StateType::fp32}, {"bf16", StateType::bf16}};
constexpr Choice<bool> booleans[] = {{"true", true}, {"false", false}};

template <class Value>
std::string text_of(std::span<const Choice<Value>> choices, Value value) {
  for (const auto& [text, choice] : choices) {
    if (choice == value) return std::string(text);
  }
  return {};
}

std::string shortened(const std::string& text) {
  return text.size() > 80 ? text.substr(0, 80) + "…" : text;
}

/// Takes fields out of the metadata one by one; keeps the first error.
class Fields {
 public:
  explicit Fields(const std::map<std::string, std::string>& metadata) : metadata_(metadata) {}

  template <class Value>
  void choose(const char* field, std::span<const Choice<Value>> choices, bool required, Value& to) {
    const std::string* text = take(field, required);
    if (text == nullptr) return;
    std::string allowed;
    for (const auto& [name, value] : choices) {
      if (name == *text) {
        to = value;
        return;
      }
      allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", name);
    }
    refuse(field, *text, allowed);
  }

  bool number(const char* field, bool required, double& to) {
    const std::string* text = take(field, required);
    if (text == nullptr) return false;
    const char* end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, to);
    if (error == std::errc() && stop == end && !text->empty()) return true;
    refuse(field, *text, "a number such as 0.003 or 1e-06");
    return false;
  }

  [[nodiscard]] const expected<void>& result() const { return result_; }

  [[nodiscard]] std::vector<std::string> unknown() const {
    std::vector<std::string> names;
    for (const auto& [field, text] : metadata_) {
      if (known_.count(field) == 0 && field != "format") names.push_back("metadata " + shortened(field));
    }
    return names;
  }

 private:
  const std::string* take(const char* field, bool required) {
    known_.insert(field);
    const auto found = metadata_.find(field);
    if (found != metadata_.end()) return &found->second;
    if (required) fail(fmt::format("__metadata__.{} is missing; a case of this kind has it", field));
    return nullptr;
  }
  void refuse(const char* field, const std::string& text, std::string_view allowed) {
    fail(fmt::format("__metadata__.{} is \"{}\"; allowed: {}", field, shortened(text), allowed));
  }
  void fail(std::string message) {
    if (result_) result_ = Error{ErrorCode::invalid_argument, std::move(message), {}};
  }

  const std::map<std::string, std::string>& metadata_;
  std::set<std::string> known_;
  expected<void> result_;
};

/// Shortest text that reads back as the same number.
std::string number_text(double value) {
  return fmt::format("{}", value);
}

}  // namespace

expected<void> read_metadata(const std::map<std::string, std::string>& metadata, Case& out) {
  Problem& problem = out.problem;
  Numbers& numbers = out.numbers;
  Fields fields(metadata);
  fields.choose("op", std::span<const Choice<Operation>>(operations), true, problem.operation);
  if (problem.operation == Operation::osdn_decode) {
    fields.choose("state_type", std::span<const Choice<StateType>>(state_types), true, problem.state_type);
  }
  fields.choose("precondition", std::span<const Choice<Precondition>>(preconditions), true, problem.precondition);
  const bool osdn = problem.precondition == Precondition::osdn;
  fields.choose("apf", std::span<const Choice<Apf>>(apfs), osdn, problem.apf);
  fields.choose("norm", std::span<const Choice<Norm>>(norms), osdn, problem.norm);
  fields.choose("beta_aware", std::span<const Choice<bool>>(booleans), osdn, problem.beta_aware);
  fields.choose("qk_l2norm", std::span<const Choice<bool>>(booleans), false, problem.qk_l2norm);
  fields.number("eta", osdn, numbers.eta);
  fields.number("d_min", osdn, numbers.d_min);
  fields.number("d_max", osdn, numbers.d_max);
  fields.number("norm_eps", osdn && problem.norm != Norm::one, numbers.norm_eps);
  fields.number("apf_anchor", osdn && problem.apf != Apf::none, numbers.anchor);
  fields.number("log_gamma", osdn && problem.apf == Apf::constant, numbers.log_gamma);
  double scale = 0;
  if (fields.number("scale", false, scale)) numbers.scale = scale;
  out.unknown = fields.unknown();
  return fields.result();
}

std::map<std::string, std::string> metadata_of(const Case& problem) {
  const Problem& p = problem.problem;
  const Numbers& n = problem.numbers;
  std::map<std::string, std::string> out = {
      {"op", text_of(std::span<const Choice<Operation>>(operations), p.operation)},
      {"precondition", text_of(std::span<const Choice<Precondition>>(preconditions), p.precondition)},
      {"apf", text_of(std::span<const Choice<Apf>>(apfs), p.apf)},
      {"norm", text_of(std::span<const Choice<Norm>>(norms), p.norm)},
      {"beta_aware", text_of(std::span<const Choice<bool>>(booleans), p.beta_aware)},
      {"qk_l2norm", text_of(std::span<const Choice<bool>>(booleans), p.qk_l2norm)},
      {"eta", number_text(n.eta)},
      {"d_min", number_text(n.d_min)},
      {"d_max", number_text(n.d_max)},
      {"norm_eps", number_text(n.norm_eps)},
      {"apf_anchor", number_text(n.anchor)}};
  if (p.operation == Operation::osdn_decode) {
    out["state_type"] = text_of(std::span<const Choice<StateType>>(state_types), p.state_type);
  }
  if (p.apf == Apf::constant) out["log_gamma"] = number_text(n.log_gamma);
  if (n.scale) out["scale"] = number_text(*n.scale);
  return out;
}

}  // namespace osdn::reference
