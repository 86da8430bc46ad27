// osdn pack: kernels compiled ahead of time, in one file, with what is known of their tuning.
#include "cli/pack.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "autotune/trace.hpp"
#include "cli/exports.hpp"
#include "cli/pack_list.hpp"
#include "cli/pack_work.hpp"
#include "cli/report.hpp"
#include "reference/whole_file.hpp"
#include "runtime/cache_directory.hpp"

namespace osdn::cli {
namespace {

constexpr std::size_t most_problem_bytes = std::size_t{64} << 20;

struct Options {
  std::vector<std::string> problems;
  std::string file_of_problems;
  std::vector<std::string> archs;
  std::vector<std::string> configs;
  std::vector<std::string> tuning;
  bool no_tuning = false;
  std::string output;
  std::string list;
  int jobs = 0;
  bool json = false;
};

Error invalid(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), {}};
}

expected<std::vector<Problem>> read_problems(const Options& options) {
  std::vector<Problem> out;
  for (const std::string& text : options.problems) {
    auto problem = parse_problem(text);
    auto exact = problem ? canonical(*problem) : problem;
    if (!exact) return exact.error();
    out.push_back(*exact);
  }
  if (!options.file_of_problems.empty()) {
    auto text = reference::read_whole_file(options.file_of_problems, most_problem_bytes);
    if (!text) return text.error();
    auto lines = autotune::parse_trace(*text);
    if (!lines) {
      Error error = lines.error();
      error.message = fmt::format("{}: {}", options.file_of_problems, error.message);
      return error;
    }
    for (const autotune::TraceLine& line : *lines) out.push_back(line.problem);
  }
  if (out.empty()) return invalid("no problem is given; allowed: --problem TEXT (several), --problems FILE, or both");
  return out;
}

/// What of the tuning database these problems and architectures use: pins, choices, and what is known to be wrong.
expected<std::vector<autotune::Entry>> read_tuning(const Options& options, const std::vector<Problem>& problems) {
  std::vector<autotune::Entry> all;
  std::vector<std::string> sources = options.tuning;
  if (sources.empty()) {
    const std::string usual = autotune::Database::directory({}, {});
    std::error_code failed;
    if (!usual.empty() && std::filesystem::is_directory(usual, failed)) sources.push_back(usual);
  }
  for (const std::string& source : sources) {
    auto some = entries_of(source);
    if (!some) return some.error();
    all.insert(all.end(), some->begin(), some->end());
  }
  std::vector<int> numbers;
  for (const std::string& arch : options.archs) {
    auto architecture = generator::find_architecture(arch);
    if (!architecture) return architecture.error();
    numbers.push_back(architecture->number);
  }
  std::vector<autotune::Entry> out;
  for (autotune::Entry& entry : all) {
    const bool wanted = std::find(problems.begin(), problems.end(), entry.key.problem) != problems.end() &&
                        std::find(numbers.begin(), numbers.end(), entry.key.gpu.arch) != numbers.end();
    if (!wanted || (!entry.choice && !entry.pin)) continue;
    std::erase_if(entry.trials, [&](const autotune::Trial& trial) { return !fails_at(trial, entry.key.bucket); });
    entry.earlier.clear();
    out.push_back(std::move(entry));
  }
  const auto order = [](const autotune::Entry& entry) {
    return to_string(entry.key.problem) + to_string(entry.key.bucket) + to_string(entry.key.gpu);
  };
  std::stable_sort(out.begin(), out.end(), [&](const auto& a, const auto& b) { return order(a) < order(b); });
  return out;
}

expected<int> pack(const Options& options) {
  if (!options.list.empty()) return list_pack(options.list, options.json);
  if (options.output.empty()) return invalid("no file is given; allowed: --output FILE, or --list FILE");
  if (options.archs.empty()) return invalid("no architecture is given; allowed: --arch sm_80 sm_90 …, compute_80: PTX");
  if (options.no_tuning && !options.tuning.empty()) {
    return invalid("--no-tuning is given with --tuning; allowed: one of them");
  }
  if (auto ok = reference::check_writable(options.output); !ok) return ok.error();
  auto problems = read_problems(options);
  if (!problems) return problems.error();
  std::vector<autotune::Entry> tuned;
  if (!options.no_tuning) {
    auto some = read_tuning(options, *problems);
    if (!some) return some.error();
    tuned = *std::move(some);
  }
  auto items = pack_items(*problems, options.archs, options.configs, tuned);
  if (!items) return items.error();

  runtime::CompilerOptions how;
  how.threads = options.jobs;
  runtime::Compiler compiler(std::move(how));
  PackProgress done;
  auto contents = compile_pack(compiler, *items, tuned, done);
  if (!contents) return contents.error();
  auto bytes = runtime::encode_pack(*contents);
  if (!bytes) return bytes.error();
  // A pack that others may write is not loaded, and a umask of 002 would make each one such.
  const mode_t mask = ::umask(S_IWGRP | S_IWOTH);
  ::umask(mask | S_IWGRP | S_IWOTH);
  const auto written = reference::write_whole_file(options.output, *bytes);
  ::umask(mask);
  if (!written) return written.error();
  if (options.json) {
    print_json(Json{{"file", options.output},
                    {"bytes", bytes->size()},
                    {"configurations", items->size()},
                    {"kernels", done.all},
                    {"compiled", done.compiled},
                    {"tuning_entries", tuned.size()}});
  } else {
    print(fmt::format("{}: {} kernels of {} configurations ({} compiled now), {} tuning entries, {}", options.output,
                      done.all, items->size(), done.compiled, tuned.size(), bytes_text(bytes->size())));
  }
  return success;
}

}  // namespace

void add_pack(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("pack", "Compile kernels ahead of time into one file that needs no NVRTC");
  verb->add_option("--problem", options->problems, "problems as `osdn list` prints them (several)");
  verb->add_option("--problems", options->file_of_problems,
                   "file of problems and shapes, as a host application logs them");
  verb->add_option("--arch", options->archs, "architectures: sm_80 sm_90 …; compute_80: PTX for what is newer");
  verb->add_option("--config", options->configs, "configurations beside the default and the tuned ones: chunk=64,…");
  verb->add_option("--tuning", options->tuning, "tuning databases and exports (the user's database)");
  verb->add_flag("--no-tuning", options->no_tuning, "defaults only, whatever is tuned");
  verb->add_option("--output", options->output, "file to write");
  verb->add_option("--list", options->list,
                   "list a pack instead; exit code 1 when it is damaged or of another version of osdn");
  verb->add_option("--jobs", options->jobs, "kernels compiled at the same time (as many as cores)")
      ->check(CLI::Range(0, 1024));
  verb->add_flag("--json", options->json, "print one JSON object");
  verb->callback([options, &exit_code] {
    const auto code = pack(*options);
    exit_code = code ? *code : fail(code.error(), options->json);
  });
}

}  // namespace osdn::cli
