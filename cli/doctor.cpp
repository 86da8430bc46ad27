// osdn doctor: what was found, what is missing, what to do.
#include <fmt/format.h>

#include <memory>

#include "autotune/database/database.hpp"
#include "autotune/trial/crew.hpp"
#include "cli/emulator.hpp"
#include "cli/execute.hpp"
#include "cli/report.hpp"
#include "cli/verbs.hpp"
#include "reference/judge.hpp"
#include "reference/random_case.hpp"
#include "runtime/cache_directory.hpp"
#include "runtime/device.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/driver.hpp"
#include "runtime/nvrtc.hpp"
#include "runtime/shelf.hpp"

namespace osdn::cli {
namespace {

/// One thing that was looked for.
struct Finding {
  std::string what;
  bool found = false;
  std::string detail{};
  std::string advice{};  ///< what to do when it is missing
};

Finding find_gpu() {
  Finding out{.what = "GPU",
              .advice = "on a machine with an NVIDIA GPU, install its driver; elsewhere use the emulator"};
  const auto driver = runtime::load_driver({});
  if (!driver) {
    out.detail = driver.error().message + (driver.error().context.empty() ? "" : "\n" + driver.error().context);
    return out;
  }
  const auto device = runtime::describe_device(**driver, 0);
  if (!device) {
    out.detail = device.error().message;
    return out;
  }
  out.found = !device->emulated;
  out.detail = fmt::format("{}, sm_{}, {} multiprocessors, driver {} ({})", device->name, device->arch,
                           device->multiprocessors, runtime::version_text((*driver)->version), (*driver)->library);
  if (device->emulated) out.detail += ": the driver that was named is the emulator";
  return out;
}

Finding find_emulator() {
  Finding out{.what = "emulator",
              .advice = "build the target osdn_emulator; libosdn_emulator.so lies beside the program"};
  const auto version = emulator_version();
  out.found = version.has_value();
  out.detail = version ? fmt::format("{} ({})", *version, emulator_library()) : version.error().message;
  return out;
}

Finding find_compiler() {
  Finding out{.what = "NVRTC",
              .advice =
                  "python3 -m pip install nvidia-cuda-nvrtc (or scripts/demo, which fetches it), or a CUDA toolkit; "
                  "or name libnvrtc.so in OSDN_NVRTC_LIBRARY"};
  const auto result = runtime::find_nvrtc(runtime::default_nvrtc_search({}), 0);
  for (const auto& found : result.found) {
    out.found = out.found || found.problem.empty();
    out.detail += fmt::format("{}{} {} ({}){}", out.detail.empty() ? "" : "\n", runtime::version_text(found.version),
                              found.path, found.origin, found.problem.empty() ? "" : ": " + found.problem);
  }
  if (!out.found) {
    const Error missing = runtime::nvrtc_missing(result, 0);
    out.detail += (out.detail.empty() ? "" : "\n") + missing.message + "\n" + missing.context;
  }
  return out;
}

Finding find_cache() {
  Finding out{.what = "compile cache",
              .advice = "every start compiles anew; name a directory of your own in OSDN_CACHE_DIR"};
  runtime::DiskCacheOptions options;
  options.log = runtime::Log([](LogLevel, std::string_view) {});
  const runtime::DiskCache cache(options);
  out.found = cache.usable();
  out.detail = cache.usable() ? fmt::format("{}, {} kernels", cache.directory(), cache.list().size())
                              : fmt::format("{}: {}", cache.directory(), cache.refusal());
  return out;
}

/// Nothing is missing where none are named.
std::vector<Finding> find_packs() {
  std::vector<Finding> out;
  for (const std::string& file : runtime::pack_files({})) {
    Finding one{.what = "pack", .advice = "its kernels are compiled; correct OSDN_PACKS, or make it anew: osdn pack"};
    const auto pack = runtime::Pack::open(file);
    one.found = pack.has_value();
    one.detail = pack ? fmt::format("{}, {} kernels", file, (*pack)->size()) : pack.error().message;
    out.push_back(std::move(one));
  }
  return out;
}

Finding find_tuning() {
  Finding out{.what = "tuning database",
              .advice =
                  "defaults are used and nothing tuned is remembered; name a directory of your own in "
                  "OSDN_TUNING_DIR"};
  autotune::DatabaseOptions options;
  options.directory = autotune::Database::directory({}, runtime::cache_directory({}));
  options.log = runtime::Log([](LogLevel, std::string_view) {});
  const auto database = autotune::Database::open(std::move(options));
  out.found = database && database->refusal().empty();
  if (!database)
    out.detail = database.error().message;
  else if (out.found)
    out.detail = fmt::format("{}, {} entries", database->directory(), database->keys().size());
  else
    out.detail = database->refusal();
  return out;
}

Finding find_tuning_worker() {
  Finding out{.what = "tuning worker",
              .advice =
                  "build the target osdn_tune_worker, or name the program in OSDN_TUNE_WORKER; without it "
                  "nothing can be tuned"};
  const auto worker = autotune::find_worker({});
  out.found = worker.has_value();
  out.detail = worker ? *worker : worker.error().message;
  return out;
}

/// The whole way, small: generated, compiled, launched, judged.
expected<std::vector<reference::Verdict>> journey(const TargetOptions& options) {
  auto target = open_target(options);
  if (!target) return target.error();
  Problem problem;
  problem.k = 16;
  problem.v = 16;
  auto small = reference::random_case(problem, {.b = 1, .t = 20, .h = 1, .hv = 1}, {});
  if (!small) return small.error();
  auto answers = reference::solve(*small);
  if (!answers) return answers.error();
  auto execution = execute(*target, options, *small);
  if (!execution) return execution.error();
  return reference::judge(*small, *answers, execution->outputs);
}

Finding try_device(const char* device) {
  Finding out{.what = fmt::format("a case on the {}", device), .advice = "see the message above; it names what failed"};
  TargetOptions options;
  options.device = device;
  const auto verdicts = journey(options);
  out.found = verdicts && reference::all_passed(*verdicts);
  if (!verdicts)
    out.detail = verdicts.error().message;
  else if (out.found)
    out.detail = "generated, compiled, launched, within tolerance of float64";
  else
    out.detail = "runs, but its outputs are outside their tolerance";
  return out;
}

int doctor(bool json) {
  std::vector<Finding> findings = {find_gpu(),   find_emulator(), find_compiler(),
                                   find_cache(), find_tuning(),   find_tuning_worker()};
  for (Finding& pack : find_packs()) findings.push_back(std::move(pack));
  const bool gpu = findings[0].found;
  const bool emulator = findings[1].found;
  const bool compiler = findings[2].found;
  bool runs = false;
  if (compiler && gpu) {
    findings.push_back(try_device("gpu"));
    runs = findings.back().found;
  }
  if (compiler && emulator) {
    findings.push_back(try_device("emulator"));
    runs = runs || findings.back().found;
  }

  Json out = {{"runs", runs}, {"findings", Json::array()}};
  for (const Finding& finding : findings) {
    Json one = {{"what", finding.what}, {"found", finding.found}, {"detail", indented(finding.detail)}};
    if (!finding.found) one["advice"] = finding.advice;
    out["findings"].push_back(one);
    if (json) continue;
    print(fmt::format("{}  {}: {}", finding.found ? "found  " : "missing", finding.what, indented(finding.detail)));
    if (!finding.found) print(fmt::format("         → {}", finding.advice));
  }
  if (json)
    print_json(out);
  else
    print(runs ? "osdn runs here" : "osdn cannot run here yet");
  return runs ? success : environment;
}

}  // namespace

void add_doctor(CLI::App& app, int& exit_code) {
  auto json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("doctor", "What was found, what is missing, what to do; runs one small case");
  verb->add_flag("--json", *json, "print one JSON object");
  verb->callback([json, &exit_code] { exit_code = doctor(*json); });
}

}  // namespace osdn::cli
