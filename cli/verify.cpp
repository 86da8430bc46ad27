// osdn verify: runs cases and holds what comes out against float64.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "cli/execute.hpp"
#include "cli/kernel_table.hpp"
#include "cli/report.hpp"
#include "cli/statistics.hpp"
#include "cli/subject.hpp"
#include "cli/verbs.hpp"
#include "reference/judge.hpp"
#include "reference/random_case.hpp"

namespace osdn::cli {
namespace {

struct Options {
  std::vector<std::string> inputs;
  SubjectOptions subject;
  std::string shape = "b=1,t=100,h=2,hv=2";
  std::string numbers;
  std::uint64_t seed = 1;
  std::string keys = "unit";
  TargetOptions target;
  bool json = false;
};

/// A case with its answers and what to call it.
struct Exam {
  std::string name;
  reference::Case problem;
  reference::Expected answers;
  const char* answers_from = "file";
};

expected<reference::Keys> parse_keys(const std::string& text) {
  using reference::Keys;
  constexpr std::pair<std::string_view, Keys> kinds[] = {
      {"unit", Keys::unit}, {"scaled", Keys::scaled}, {"nearly_equal", Keys::nearly_equal}, {"zero", Keys::zero}};
  for (const auto& [name, kind] : kinds) {
    if (name == text) return kind;
  }
  return Error{
      ErrorCode::invalid_argument, fmt::format("--keys is {}; allowed: unit, scaled, nearly_equal or zero", text), {}};
}

expected<Exam> random_exam(const Options& options) {
  auto subject = find_subject(options.subject);
  if (!subject) return subject.error();
  if (auto ok = parse_numbers(options.numbers, subject->numbers); !ok) return ok.error();
  auto shape = parse_shape(options.shape);
  if (!shape) return shape.error();
  auto keys = parse_keys(options.keys);
  if (!keys) return keys.error();
  reference::RandomOptions random;
  random.seed = options.seed;
  random.keys = *keys;
  auto problem = reference::random_case(subject->problem, *shape, subject->numbers, random);
  if (!problem) return problem.error();
  auto answers = reference::solve(*problem);
  if (!answers) return answers.error();
  return Exam{fmt::format("random, seed {}", options.seed), *std::move(problem), *std::move(answers), "reference"};
}

expected<Exam> file_exam(const std::string& path, const Options& options) {
  auto file = safetensors::Reader::open(path);
  if (!file) return file.error();
  auto problem = load_subject_case(*file, options.subject);
  if (!problem) return problem.error();
  Exam exam;
  exam.name = std::filesystem::path(path).stem().string();
  auto answers = reference::load_expected(*file, *problem);
  if (!answers) return answers.error();
  if (*answers) {
    exam.answers = **std::move(answers);
  } else {
    auto solved = reference::solve(*problem);
    if (!solved) return solved.error();
    exam.answers = *std::move(solved);
    exam.answers_from = "reference";
  }
  exam.problem = *std::move(problem);
  return exam;
}

std::string cell(const std::vector<reference::Verdict>& verdicts, std::string_view tensor) {
  for (const auto& verdict : verdicts) {
    if (verdict.tensor != tensor) continue;
    if (!verdict.reason.empty()) return verdict.reason;
    return fmt::format("{:.1e} of {:.1e} ({:3.0f} %)", verdict.error, verdict.tolerance, 100 * verdict.ratio);
  }
  return "–";
}

/// Collects what was found, for one report at the end.
class Report {
 public:
  void add(const Exam& exam, const Execution& execution) {
    const auto verdicts = reference::judge(exam.problem, exam.answers, execution.outputs);
    const bool passed = all_passed(verdicts);
    ++cases_;
    failed_ += passed ? 0 : 1;
    table_.add({exam.name, brief(exam.problem.problem), cell(verdicts, "o"), cell(verdicts, "final_state"),
                cell(verdicts, "final_d"), passed ? "ok" : "WRONG"});
    if (!execution.kernels.empty()) kernels_.add(exam.problem.problem, execution.config, execution.kernels);

    Json tensors = Json::object();
    for (const auto& verdict : verdicts) {
      if (!(verdict.ratio <= worst_)) {
        worst_ = verdict.ratio;
        worst_where_ = fmt::format("{} of {}", verdict.tensor, exam.name);
      }
      tensors[verdict.tensor] = {{"measure", verdict.measure},
                                 {"error", verdict.error},
                                 {"tolerance", verdict.tolerance},
                                 {"ratio", verdict.ratio},
                                 {"passed", verdict.passed}};
      if (!verdict.reason.empty()) tensors[verdict.tensor]["reason"] = verdict.reason;
    }
    Json one = {{"case", exam.name},
                {"problem", to_string(exam.problem.problem)},
                {"shape", to_string(exam.problem.shape)},
                {"answers", exam.answers_from},
                {"passed", passed},
                {"tensors", tensors},
                {"host_seconds", execution.seconds}};
    if (!execution.kernels.empty()) {
      one["config"] = to_string(execution.config);
      one["workspace_bytes"] = execution.workspace_bytes;
      one["device_bytes"] = execution.device_bytes;
      for (const KernelReport& kernel : execution.kernels) one["kernels"].push_back(to_json(kernel));
    }
    json_.push_back(std::move(one));
  }

  [[nodiscard]] std::string text() const {
    std::string out = fmt::format("\nerror against float64, of what is allowed\n{}\n", table_.text());
    if (!kernels_.empty()) out += fmt::format("\nkernels\n{}\n", kernels_.text());
    out += fmt::format("\n{} of {} within tolerance; nearest to its limit: {}, at {:.0f} % of it", cases_ - failed_,
                       cases_, worst_where_, 100 * worst_);
    return out;
  }
  [[nodiscard]] const Json& json() const { return json_; }
  [[nodiscard]] bool passed() const { return failed_ == 0; }

 private:
  Table table_{{{"case"}, {"problem"}, {"o"}, {"final_state"}, {"final_d"}, {""}}};
  KernelTable kernels_;
  Json json_ = Json::array();
  int cases_ = 0;
  int failed_ = 0;
  double worst_ = -1;
  std::string worst_where_;
};

expected<void> check(const Options& options) {
  const bool described = !options.subject.problem.empty() || !options.subject.preset.empty();
  if (options.inputs.empty() == described) return {};
  return Error{ErrorCode::invalid_argument,
               described ? "--input is given with --problem or --preset; allowed: one of them"
                         : "nothing to verify is given; allowed: --input CASE…, --problem TEXT or --preset NAME",
               {}};
}

expected<int> verify(const Options& options) {
  if (auto ok = check(options); !ok) return ok.error();
  // Every input is read before the first is run: a bad one is said at once.
  std::vector<Exam> exams;
  if (options.inputs.empty()) {
    auto exam = random_exam(options);
    if (!exam) return exam.error();
    exams.push_back(*std::move(exam));
  }
  for (const std::string& path : options.inputs) {
    auto exam = file_exam(path, options);
    if (!exam) return exam.error();
    exams.push_back(*std::move(exam));
  }
  auto target = open_target(options.target);
  if (!target) return target.error();
  if (options.json)
    note(target->first_line);
  else
    print(target->first_line);

  Report report;
  for (std::size_t i = 0; i < exams.size(); ++i) {
    progress(fmt::format("[{}/{}] {}", i + 1, exams.size(), exams[i].name));
    auto execution = execute(*target, options.target, exams[i].problem);
    if (!execution) {
      Error error = std::move(execution).error();
      error.message = fmt::format("{}: {}", exams[i].name, error.message);
      return error;
    }
    report.add(exams[i], *execution);
  }
  progress({});
  std::optional<Json> statistics;
  if (options.target.stats) {
    auto read = read_statistics(*target);
    if (!read) return read.error();
    statistics = *std::move(read);
  }
  if (options.json) {
    Json out = {{"device", target->engine ? to_json(target->engine->device()) : Json("reference")},
                {"passed", report.passed()},
                {"cases", report.json()}};
    if (target->engine) out["cache"] = to_json(target->engine->cache_statistics());
    if (statistics) out["statistics"] = *statistics;
    print_json(out);
  } else {
    if (statistics) print("\n" + statistics_text(*statistics));
    print(report.text());
  }
  return report.passed() ? success : not_passed;
}

}  // namespace

void add_verify(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("verify", "Run cases and judge them against float64");
  CLI::Option* input = verb->add_option("--input", options->inputs,
                                        "case files; their answers, or the reference's where they have none");
  add_subject_options(*verb, options->subject);
  verb->add_option("--shape", options->shape, "sizes of a random case of --problem: b=1,t=100,h=2,hv=4[,n=3]")
      ->excludes(input);
  verb->add_option("--numbers", options->numbers,
                   "its numbers: eta=1,d_min=0.5,d_max=2,norm_eps=…,apf_anchor=…,log_gamma=…,scale=…")
      ->excludes(input);
  verb->add_option("--seed", options->seed, "its seed")->excludes(input);
  verb->add_option("--keys", options->keys, "its keys: unit, scaled, nearly_equal or zero")->excludes(input);
  add_target_options(*verb, options->target);
  verb->add_flag("--json", options->json, "print one JSON object");
  verb->callback([options, &exit_code] {
    const auto code = verify(*options);
    exit_code = code ? *code : fail(code.error(), options->json);
  });
}

}  // namespace osdn::cli
