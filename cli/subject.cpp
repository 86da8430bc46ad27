#include "cli/subject.hpp"

#include <fmt/format.h>

#include <charconv>
#include <set>
#include <vector>

#include "cli/report.hpp"
#include "generator/fields.hpp"
#include "generator/names.hpp"
#include "generator/text.hpp"
#include "osdn/hyperparameters.hpp"

namespace osdn::cli {
namespace {

/// Whether `name=` is among the fields of a problem's text.
bool names_field(std::string_view text, std::string_view name) {
  const std::size_t colon = text.find(':');
  std::string_view rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    if (rest.substr(0, rest.find('=')) == name) return true;
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return false;
}

/// A preset fixes what the text leaves open.
void apply_preset(const Preset& preset, const std::string& text, Problem& problem) {
  if (!names_field(text, "beta_aware")) problem.beta_aware = preset.beta_aware;
  if (!names_field(text, "norm")) problem.norm = preset.norm;
  if (!names_field(text, "apf")) problem.apf = preset.apf;
}

expected<void> apply_math(const std::string& math, Problem& problem) {
  if (math.empty()) return {};
  for (const auto& row : generator::Names<Fp32Math>::rows) {
    if (row.name != math) continue;
    if (problem.type == ElementType::fp32) problem.math = row.value;
    return {};
  }
  return generator::bad_value("option", "--math", math, "tf32 or tf32x3");
}

expected<void> make_canonical(reference::Case& problem, const SubjectOptions& options) {
  if (auto ok = apply_math(options.math, problem.problem); !ok) return ok;
  auto exact = canonical(problem.problem);
  if (!exact) return exact.error();
  problem.problem = *exact;
  if (auto ok = validate(problem.shape); !ok) return ok;
  return validate(reference::to_float(problem.numbers), problem.problem);
}

}  // namespace

void add_subject_options(CLI::App& verb, SubjectOptions& options) {
  verb.add_option("--problem", options.problem,
                  "problem as `osdn list` prints it: osdn_forward:type=bf16,k=128,v=128,…");
  verb.add_option("--preset", options.preset, "published setting for what --problem leaves open (see `osdn list`)");
  verb.add_option("--math", options.math, "products of fp32 problems: tf32 (default) or tf32x3");
}

expected<Subject> find_subject(const SubjectOptions& options) {
  Subject subject;
  if (!options.problem.empty()) {
    auto problem = parse_problem(options.problem);
    if (!problem) return problem.error();
    subject.problem = *problem;
  }
  if (!options.preset.empty()) {
    auto preset = find_preset(options.preset);
    if (!preset) return preset.error();
    apply_preset(*preset, options.problem, subject.problem);
    subject.numbers = reference::to_double(preset->hyperparameters);
  }
  if (auto ok = apply_math(options.math, subject.problem); !ok) return ok.error();
  auto problem = canonical(subject.problem);
  if (!problem) return problem.error();
  subject.problem = *problem;
  return subject;
}

expected<reference::Case> load_subject_case(const safetensors::Reader& file, const SubjectOptions& options) {
  auto problem = reference::load_case(file);
  if (!problem) return problem.error();
  for (const std::string& what : problem->unknown) {
    note(fmt::format("osdn: {}: {} is not part of a case, unused", file.path(), what));
  }
  if (auto ok = make_canonical(*problem, options); !ok) {
    Error error = ok.error();
    error.message = fmt::format("{}: {}", file.path(), error.message);
    return error;
  }
  return problem;
}

expected<reference::Case> load_subject_case(const std::string& path, const SubjectOptions& options) {
  auto file = safetensors::Reader::open(path);
  if (!file) return file.error();
  return load_subject_case(*file, options);
}

expected<Problem> find_problem(const std::string& input, const SubjectOptions& options) {
  if (!input.empty()) {
    if (!options.problem.empty() || !options.preset.empty()) {
      return Error{
          ErrorCode::invalid_argument, "--input is given with --problem or --preset; allowed: one of them", {}};
    }
    auto problem = load_subject_case(input, options);
    if (!problem) return problem.error();
    return problem->problem;
  }
  if (options.problem.empty() && options.preset.empty()) {
    return Error{
        ErrorCode::invalid_argument, "no problem is given; allowed: --problem TEXT, --preset NAME or --input CASE", {}};
  }
  auto subject = find_subject(options);
  if (!subject) return subject.error();
  return subject->problem;
}

expected<void> parse_numbers(const std::string& text, reference::Numbers& numbers) {
  struct Field {
    std::string_view name;
    double* value;
  };
  double scale = 0;
  const Field fields[] = {{"eta", &numbers.eta},
                          {"d_min", &numbers.d_min},
                          {"d_max", &numbers.d_max},
                          {"norm_eps", &numbers.norm_eps},
                          {"apf_anchor", &numbers.anchor},
                          {"log_gamma", &numbers.log_gamma},
                          {"scale", &scale}};
  if (text.ends_with(',')) return generator::bad_value("option", "--numbers", text, "no comma behind the last number");
  std::set<std::string_view> seen;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    const std::size_t equals = std::min(item.find('='), item.size());
    const std::string_view name = item.substr(0, equals);
    const Field* found = nullptr;
    for (const Field& field : fields) {
      if (field.name == name) found = &field;
    }
    if (found == nullptr) {
      return generator::bad_value("option", "--numbers", item,
                                  "eta, d_min, d_max, norm_eps, apf_anchor, log_gamma or scale, each name=number");
    }
    const char* end = item.data() + item.size();
    const char* begin = std::min(item.data() + equals + 1, end);
    const auto [stop, error] = std::from_chars(begin, end, *found->value);
    if (!seen.insert(name).second) {
      return Error{ErrorCode::invalid_argument, fmt::format("--numbers has {} twice; allowed: once", name), {}};
    }
    if (error != std::errc() || stop != end) {
      return generator::bad_value("number", name, std::string_view(begin, static_cast<std::size_t>(end - begin)),
                                  "a number such as 0.003 or 1e-06");
    }
    if (name == "scale") numbers.scale = scale;
  }
  return {};
}

std::string brief(const Problem& problem) {
  std::string out = fmt::format("{} {}×{}", generator::name_of(problem.type), problem.k, problem.v);
  if (problem.type == ElementType::fp32 && problem.math == Fp32Math::tf32x3) out += " tf32x3";
  if (problem.precondition == Precondition::none) return out + " DeltaNet";
  out += " OSDN";
  if (problem.apf != Apf::none) out += fmt::format(" apf={}", generator::name_of(problem.apf));
  if (problem.norm != Norm::max) out += fmt::format(" norm={}", generator::name_of(problem.norm));
  if (!problem.beta_aware) out += " b=1";
  if (problem.qk_l2norm) out += " l2norm";
  return out;
}

}  // namespace osdn::cli
