// osdn list: what can be asked for, in the words that every verb takes.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "cli/config_choice.hpp"
#include "cli/plan_report.hpp"
#include "cli/report.hpp"
#include "cli/subject.hpp"
#include "cli/table.hpp"
#include "cli/verbs.hpp"
#include "generator/fields.hpp"
#include "generator/names.hpp"
#include "generator/plan.hpp"
#include "osdn/hyperparameters.hpp"

namespace osdn::cli {
namespace {

struct Options {
  std::string input;
  SubjectOptions subject;
  std::string arch = "sm_80";
  std::string plan_shape;
  std::string config;
  bool configurations = false;
  bool json = false;
};

/// One problem per kind: DeltaNet, and OSDN with each way to forget.
std::vector<std::string> example_problems() {
  std::vector<std::string> out;
  Problem deltanet;
  deltanet.precondition = Precondition::none;
  if (auto problem = canonical(deltanet)) out.push_back(to_string(*problem));
  for (const auto& row : generator::Names<Apf>::rows) {
    Problem osdn;
    osdn.apf = row.value;
    if (auto problem = canonical(osdn)) out.push_back(to_string(*problem));
  }
  return out;
}

/// `usual` is what a field is when nobody names it.
template <class Object>
Json describe_fields(std::span<const generator::Field<Object>> fields, const Object& usual) {
  Json out = Json::array();
  for (const auto& row : fields) {
    if (row.axis) continue;
    out.push_back({{"name", row.name}, {"default", row.print(usual)}, {"allowed", row.allowed()}});
  }
  return out;
}

Json describe_presets() {
  Json out = Json::array();
  for (const Preset& preset : presets()) {
    Problem problem;
    problem.beta_aware = preset.beta_aware;
    problem.norm = preset.norm;
    problem.apf = preset.apf;
    const auto exact = canonical(problem);
    const Hyperparameters& numbers = preset.hyperparameters;
    out.push_back({{"name", preset.name},
                   {"source", preset.source},
                   {"problem", exact ? to_string(*exact) : std::string()},
                   {"numbers", fmt::format("eta={},d_min={},d_max={},norm_eps={}", numbers.eta, numbers.d_min,
                                           numbers.d_max, numbers.norm_eps)}});
  }
  return out;
}

Json architectures() {
  Json out = Json::array();
  for (int number = 80; number < 200; ++number) {
    if (auto found = generator::find_architecture(fmt::format("sm_{}", number))) {
      out.push_back(generator::to_string(*found));
    }
  }
  return out;
}

/// The problem that is asked for, else the usual one.
expected<Subject> subject_of(const Options& options) {
  Subject subject;
  if (options.input.empty() && options.subject.problem.empty() && options.subject.preset.empty()) return subject;
  auto problem = find_problem(options.input, options.subject);
  if (!problem) return problem.error();
  subject.problem = *problem;
  return subject;
}

expected<int> list_plan(const Options& options) {
  auto subject = subject_of(options);
  if (!subject) return subject.error();
  auto shape = parse_shape(options.plan_shape);
  if (!shape) return shape.error();
  auto architecture = generator::find_architecture(options.arch);
  if (!architecture) return architecture.error();
  auto config = choose_config(subject->problem, *architecture, options.config, {}, *shape);
  if (!config) return config.error();
  auto plan = generator::plan(subject->problem, *config, *architecture);
  if (!plan) return plan.error();
  const Json json = plan_json(*plan, *shape);
  if (options.json)
    print_json(json);
  else
    print(plan_text(json));
  return success;
}

expected<Json> describe_configurations(const Options& options) {
  auto asked = subject_of(options);
  if (!asked) return asked.error();
  const Subject subject = *asked;
  auto architecture = generator::find_architecture(options.arch);
  if (!architecture) return architecture.error();
  auto usual = generator::default_config(subject.problem, *architecture);
  if (!usual) return usual.error();
  auto space = generator::configuration_space(subject.problem, *architecture);
  if (!space) return space.error();
  Json legal = Json::array();
  Json refused = Json::array();
  for (const auto& candidate : *space) {
    if (candidate.refusal.empty())
      legal.push_back(to_string(candidate.config));
    else
      refused.push_back({{"config", to_string(candidate.config)}, {"refusal", candidate.refusal}});
  }
  Json out = {{"problem", to_string(subject.problem)},
              {"arch", generator::to_string(*architecture)},
              {"default", to_string(*usual)},
              {"legal", legal.size()},
              {"refused", refused.size()}};
  if (options.configurations) {
    out["configurations"] = std::move(legal);
    out["refusals"] = std::move(refused);
  }
  return out;
}

std::string fields_text(const Json& fields) {
  Table table({{"  field"}, {"default"}, {"allowed"}});
  for (const Json& field : fields) {
    table.add({"  " + field["name"].get<std::string>(), field["default"], field["allowed"]});
  }
  return table.text();
}

std::string text(const Json& all) {
  std::string out =
      fmt::format("problem fields, as in osdn_forward:type=bf16,k=128\n{}\n", fields_text(all["problem_fields"]));
  out += "\nproblems\n";
  for (const Json& problem : all["problems"]) out += fmt::format("  {}\n", problem.get<std::string>());
  out += "\npresets\n";
  for (const Json& preset : all["presets"]) {
    out += fmt::format("  {:14}{}\n{:16}{}\n{:16}{}\n", preset["name"].get<std::string>(),
                       preset["source"].get<std::string>(), "", preset["problem"].get<std::string>(), "",
                       preset["numbers"].get<std::string>());
  }
  out += fmt::format("\nshape\n  {}    b sequences of t tokens, h key heads, hv value heads; n: packed sequences\n",
                     all["shape"].get<std::string>());
  out += fmt::format("\nconfiguration fields, as in chunk=64,warps=4\n{}\n", fields_text(all["config_fields"]));
  const Json& space = all["configuration_space"];
  out += fmt::format("\nconfigurations of {} on {}\n  {} legal, {} refused; the default is\n  {}\n",
                     space["problem"].get<std::string>(), space["arch"].get<std::string>(), space["legal"].dump(),
                     space["refused"].dump(), space["default"].get<std::string>());
  if (space.contains("configurations")) {
    for (const Json& config : space["configurations"]) out += fmt::format("  {}\n", config.get<std::string>());
    for (const Json& refusal : space["refusals"]) {
      out += fmt::format("  refused: {}: {}\n", refusal["config"].get<std::string>(),
                         refusal["refusal"].get<std::string>());
    }
  }
  out += "\narchitectures\n ";
  for (const Json& arch : all["architectures"]) out += " " + arch.get<std::string>();
  return out;
}

expected<int> list(const Options& options) {
  if (!options.plan_shape.empty()) return list_plan(options);
  auto space = describe_configurations(options);
  if (!space) return space.error();
  auto usual = parse_config((*space)["default"].get<std::string>());
  if (!usual) return usual.error();
  const Json all = {{"problem_fields", describe_fields(generator::problem_fields(), Problem{})},
                    {"problems", example_problems()},
                    {"presets", describe_presets()},
                    {"shape", to_string(Shape{.b = 4, .t = 8192, .h = 32, .hv = 32})},
                    {"config_fields", describe_fields(generator::config_fields(), *usual)},
                    {"configuration_space", *space},
                    {"architectures", architectures()}};
  if (options.json)
    print_json(all);
  else
    print(text(all));
  return success;
}

}  // namespace

void add_list(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("list", "Problems, presets and configurations, in the words every verb takes");
  verb->add_option("--input", options->input, "case file whose configurations are listed");
  add_subject_options(*verb, options->subject);
  verb->add_option("--arch", options->arch, "architecture whose configurations are listed (sm_80)");
  CLI::Option* plan = verb->add_option("--plan", options->plan_shape,
                                       "only what a pass at this shape launches and the device memory that it takes");
  verb->add_option("--config", options->config, "its configuration, as far as it is named")->needs(plan);
  verb->add_flag("--configurations", options->configurations, "every configuration, the refused ones with the reason");
  verb->add_flag("--json", options->json, "print one JSON object");
  verb->callback([options, &exit_code] {
    const auto code = list(*options);
    exit_code = code ? *code : fail(code.error(), options->json);
  });
}

}  // namespace osdn::cli
