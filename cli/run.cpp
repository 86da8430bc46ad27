// osdn run: a case in, its outputs out.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "cli/emulator.hpp"
#include "cli/execute.hpp"
#include "cli/kernel_table.hpp"
#include "cli/profile.hpp"
#include "cli/report.hpp"
#include "cli/statistics.hpp"
#include "cli/subject.hpp"
#include "cli/verbs.hpp"
#include "reference/whole_file.hpp"

namespace osdn::cli {
namespace {

struct Options {
  std::string input;
  std::string output;
  SubjectOptions subject;  // of which only --math has a meaning
  TargetOptions target;
  ProfileOptions profile;
  bool json = false;
};

/// The trace is written last and would replace the answers, or the case.
expected<void> check_apart(const Options& options) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path trace = fs::weakly_canonical(options.profile.trace, ignored);
  for (const auto& [option, file] : {std::pair{"--input", options.input}, std::pair{"--output", options.output}}) {
    if (fs::weakly_canonical(file, ignored) != trace) continue;
    return Error{
        ErrorCode::invalid_argument,
        fmt::format("--trace: {} is the file of {}; allowed: a file of its own", options.profile.trace, option),
        {}};
  }
  return {};
}

expected<int> run(const Options& options) {
  auto problem = load_subject_case(options.input, options.subject);
  if (!problem) return problem.error();
  if (auto ok = reference::check_writable(options.output); !ok) return ok.error();
  if (!options.profile.trace.empty()) {
    if (auto ok = reference::check_writable(options.profile.trace); !ok) return ok.error();
    if (auto ok = check_apart(options); !ok) return ok.error();
  }
  auto target = open_target(options.target);
  if (!target) return target.error();
  if (auto ok = begin_profile(*target, options.profile); !ok) return ok.error();
  if (options.json)
    note(target->first_line);
  else
    print(target->first_line);

  auto execution = execute(*target, options.target, *problem);
  if (!execution) return execution.error();
  if (auto ok = reference::store_outputs(options.output, *problem, execution->outputs); !ok) return ok.error();
  std::optional<Json> statistics;
  if (options.target.stats) {
    auto read = read_statistics(*target);
    if (!read) return read.error();
    statistics = *std::move(read);
  }

  std::optional<Json> profile;
  if (options.profile.profile) {
    auto read = read_profile(execution->sources);
    if (!read) return read.error();
    profile = *std::move(read);
  }
  if (!options.profile.trace.empty()) {
    if (auto ok = write_trace(options.profile.trace); !ok) return ok.error();
  }

  if (options.json) {
    Json out = {{"device", target->engine ? to_json(target->engine->device()) : Json("reference")},
                {"problem", to_string(problem->problem)},
                {"shape", to_string(problem->shape)},
                {"output", options.output},
                {"host_seconds", execution->seconds}};
    if (target->engine) {
      out["config"] = to_string(execution->config);
      out["workspace_bytes"] = execution->workspace_bytes;
      out["device_bytes"] = execution->device_bytes;
      for (const KernelReport& kernel : execution->kernels) out["kernels"].push_back(to_json(kernel));
      out["cache"] = to_json(target->engine->cache_statistics());
    }
    if (statistics) out["statistics"] = *statistics;
    if (profile) out["profile"] = *profile;
    if (!options.profile.trace.empty()) out["trace"] = options.profile.trace;
    print_json(out);
    return success;
  }
  print(fmt::format("problem  {}\nshape    {}", to_string(problem->problem), to_string(problem->shape)));
  if (target->engine) {
    KernelTable kernels;
    kernels.add(problem->problem, execution->config, execution->kernels);
    print(fmt::format("config   {}\nmemory   {} of workspace, {} on the device\n\n{}\n", to_string(execution->config),
                      bytes_text(execution->workspace_bytes), bytes_text(execution->device_bytes), kernels.text()));
  }
  if (statistics) print(statistics_text(*statistics) + "\n");
  if (profile) print(profile_text(*profile) + "\n");
  print(fmt::format("wrote    {}", options.output));
  if (!options.profile.trace.empty()) {
    print(fmt::format("wrote    {}: modelled time, for ui.perfetto.dev or chrome://tracing", options.profile.trace));
  }
  return success;
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("run", "Run a case file and write its outputs; reads no expected answers");
  verb->add_option("--input", options->input, "case file (docs/case-files.md)")->required();
  verb->add_option("--output", options->output, "file for o, final_state and final_d")->required();
  verb->add_option("--math", options->subject.math, "products of fp32 problems: tf32 (default) or tf32x3");
  add_target_options(*verb, options->target);
  verb->add_flag("--profile", options->profile.profile,
                 "print what the emulator counted and the hottest template lines by modelled time");
  verb->add_option("--trace", options->profile.trace,
                   "file for what the emulator's warps did over modelled time, for ui.perfetto.dev");
  verb->add_flag("--json", options->json, "print one JSON object");
  verb->callback([options, &exit_code] {
    const auto code = run(*options);
    exit_code = code ? *code : fail(code.error(), options->json);
  });
}

}  // namespace osdn::cli
