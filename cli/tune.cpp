// osdn tune: the fastest correct configuration of problems on this device, found and remembered.
#include "autotune/sweep/tune.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "autotune/search/search.hpp"
#include "cli/interruption.hpp"
#include "cli/report.hpp"
#include "cli/subject.hpp"
#include "cli/target.hpp"
#include "cli/tune_report.hpp"
#include "cli/tune_work.hpp"
#include "cli/verbs.hpp"
#include "generator/text.hpp"
#include "runtime/cache_directory.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::cli {
namespace {

struct Options {
  SubjectOptions subject;
  std::vector<std::string> shapes;
  std::string from_trace;
  TargetOptions target;
  std::string directory;
  std::string budget;
  std::string only;
  std::string stopwatch = "auto";
  std::string worker;
  std::optional<std::uint64_t> seed;
  int jobs = 0;
  bool trials = false;
  bool resume = false;
  bool fresh = false;
  bool dry_run = false;
  bool json = false;
};

expected<autotune::Database> open_database(const Options& options) {
  autotune::DatabaseOptions where;
  where.directory = autotune::Database::directory(options.directory, runtime::cache_directory({}));
  return autotune::Database::open(std::move(where));
}

expected<Json> dry_run(const Target& target, const Options& options, const TuneWork& work, const TuningBudget& budget) {
  Json out = Json::array();
  for (const auto& line : work) {
    auto space = autotune::make_space(line.problem, target.architecture, options.only,
                                      autotune::typical_shape(autotune::bucket_of(line.shape)));
    if (!space) return space.error();
    const auto search = autotune::make_search(space->candidates, space->usual, options.seed.value_or(1),
                                              static_cast<std::size_t>(budget.trials));
    Json row = to_json(*space);
    row["problem"] = to_string(line.problem);
    row["shape"] = to_string(line.shape);
    row["arch"] = generator::to_string(target.architecture);
    row["strategy"] = search->name();
    row["at_most"] = search->expected_total();
    out.push_back(std::move(row));
  }
  return out;
}

std::string dry_run_text(const Json& rows) {
  std::string text;
  for (const Json& row : rows) {
    text +=
        fmt::format("{}{} at {} on {}: {}\n  {}: at most {} trials", text.empty() ? "" : "\n\n",
                    row["problem"].get<std::string>(), row["shape"].get<std::string>(), row["arch"].get<std::string>(),
                    space_text(row), row["strategy"].get<std::string>(), row["at_most"].dump());
  }
  return text;
}

autotune::TuneOptions tune_options(const Options& options, const TuningBudget& budget,
                                   autotune::StopwatchKind stopwatch) {
  autotune::TuneOptions out;
  out.budget = budget;
  out.seed = options.seed.value_or(1);
  out.only = options.only;
  out.fresh = options.fresh;
  out.worker = options.worker;
  out.stopwatch = stopwatch;
  out.compilers = options.jobs;
  out.cancelled = interrupted;
  out.progress = [](const TuningProgress& now) { progress(progress_text(now)); };
  if (options.trials) {
    out.settled = [](const autotune::Trial& trial) {
      progress({});
      note(trial_text(trial));
    };
  }
  return out;
}

/// The seed of a sweep that was interrupted, so that the same candidates come in the same order.
void take_up(const autotune::Database& database, const autotune::Key& key, autotune::TuneOptions& options,
             bool seed_given) {
  const autotune::Entry entry = database.load(key);
  if (entry.trials.empty()) note(fmt::format("osdn: nothing to resume for {}", to_string(key.problem)));
  if (entry.choice && !seed_given) options.seed = entry.choice->seed;
}

/// What is wrong with one problem, and not with the machine that the others need, too.
bool concerns_one_problem(ErrorCode code) {
  return code == ErrorCode::invalid_argument || code == ErrorCode::unsupported || code == ErrorCode::constraint ||
         code == ErrorCode::compile_failed || code == ErrorCode::out_of_memory || code == ErrorCode::internal;
}

/// Errors: nothing could be tuned, or nothing more. `failed`: what could not, beside others that were.
expected<Json> tune_all(const Target& target, const autotune::Database& database, const TuneWork& work,
                        const Options& options, const autotune::TuneOptions& how, std::vector<Error>& failed) {
  Json sweeps = Json::array();
  for (const auto& line : work) {
    if (interrupted()) break;
    autotune::TuneOptions exact = how;
    if (options.resume) {
      auto key = autotune::key_of(line.problem, line.shape, target.engine->device());
      if (!key) return key.error();
      take_up(database, *key, exact, options.seed.has_value());
    }
    auto result = autotune::tune(*target.engine, database, line.problem, line.shape, exact);
    progress({});
    if (!result) {
      Error error = result.error();
      error.message = fmt::format("{} at {}: {}", to_string(line.problem), to_string(line.shape), error.message);
      if (interrupted() && !sweeps.empty()) break;
      if (!concerns_one_problem(error.code)) return error;
      failed.push_back(std::move(error));
      continue;
    }
    if (result->unrecorded) note(fmt::format("osdn: warning: {}", result->unrecorded->message));
    sweeps.push_back(to_json(*result, line.problem));
  }
  if (sweeps.empty() && !failed.empty()) return failed.front();
  return sweeps;
}

expected<int> tune(const Options& options) {
  if (options.resume && options.fresh) {
    return Error{ErrorCode::invalid_argument, "--resume is given with --fresh; allowed: one of them", {}};
  }
  auto budget = parse_budget(options.budget);
  if (!budget) return budget.error();
  auto stopwatch = parse_stopwatch(options.stopwatch);
  if (!stopwatch) return stopwatch.error();
  auto listed = read_work(options.subject, options.shapes, options.from_trace);
  if (!listed) return listed.error();
  if (options.target.device == "reference") {
    return generator::bad_value("option", "--device", "reference", "auto, gpu or emulator");
  }
  auto target = open_target(options.target);
  if (!target) return target.error();
  if (options.json)
    note(target->first_line);
  else
    print(target->first_line);
  const TuneWork work = without_repeats(*listed);
  if (options.dry_run) {
    auto rows = dry_run(*target, options, work, *budget);
    if (!rows) return rows.error();
    if (options.json)
      print_json(Json{{"dry_run", *rows}});
    else
      print(dry_run_text(*rows));
    return success;
  }
  auto database = open_database(options);
  if (!database) return database.error();
  finish_on_interruption();
  std::vector<Error> failed;
  auto sweeps = tune_all(*target, *database, work, options, tune_options(options, *budget, *stopwatch), failed);
  if (!sweeps) return sweeps.error();
  Json failures = Json::array();
  for (const Error& error : failed) {
    note(fmt::format("osdn: {}", error.message));
    failures.push_back({{"code", name(error.code)}, {"message", error.message}});
  }
  if (options.json) {
    print_json(Json{{"device", to_json(target->engine->device())},
                    {"database", database->directory()},
                    {"interrupted", interrupted()},
                    {"sweeps", *sweeps},
                    {"failures", std::move(failures)}});
  } else {
    print(sweeps_text(*sweeps, target->emulated()));
    if (!database->refusal().empty()) print(fmt::format("not remembered: {}", database->refusal()));
  }
  return failed.empty() ? success : exit_code_of(failed.front().code);
}

/// The parser of options would take -1 for the largest number there is, and the largest for any that is larger.
std::string seed_check(const std::string& text) {
  std::uint64_t seed = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seed);
  return error == std::errc() && stop == end ? "" : fmt::format("was '{}'; allowed: 0 to {}", text, UINT64_MAX);
}

}  // namespace

void add_tune(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("tune", "Find the fastest correct configuration on this device, and remember it");
  add_subject_options(*verb, options->subject);
  verb->add_option("--shapes", options->shapes, "shapes to tune for: b=4,t=8192,h=32,hv=32 …");
  verb->add_option("--from-trace,--problems", options->from_trace,
                   "file of problems and shapes, as a host application logs them");
  verb->add_option("--device", options->target.device, "auto (a GPU, else the emulator), gpu or emulator");
  verb->add_option("--arch", options->target.arch, "architecture that the emulator plays: sm_80, sm_90, …");
  verb->add_option("--budget", options->budget, "of each shape: trials (200), time (90s, 5m) or both (200,90s)");
  verb->add_option("--seed", options->seed, "orders what is tried (1)")->check(seed_check);
  verb->add_option("--only", options->only,
                   "narrows the space: chunk=32|64,warps=4 (the default and the winner so far stay in it)");
  verb->add_flag("--trials", options->trials, "say every trial, on stderr, when it is in the database");
  verb->add_flag("--resume", options->resume, "go on with a sweep that was interrupted, with its seed");
  verb->add_flag("--fresh", options->fresh, "measure everything again, whatever the database knows");
  verb->add_flag("--dry-run", options->dry_run, "only say what would be tried, what not, and why");
  verb->add_option("--directory", options->directory, "tuning database ($OSDN_TUNING_DIR, else in the cache's folder)");
  verb->add_option("--stopwatch", options->stopwatch, "auto, events (device events) or modelled (emulator)");
  verb->add_option("--worker", options->worker, "the program that runs candidates (osdn-tune-worker)");
  verb->add_option("--jobs", options->jobs, "processes that compile at the same time (as cores and memory allow)")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "print one JSON object");
  verb->callback([options, &exit_code] {
    const auto code = tune(*options);
    exit_code = code ? *code : fail(code.error(), options->json);
  });
}

}  // namespace osdn::cli
