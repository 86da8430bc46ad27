// osdn doctor: what was found, what is missing, what to do.
#include <fmt/format.h>

#include <memory>

#include "autotune/database/database.hpp"
#include "autotune/trial/crew.hpp"
#include "cli/doctor_packs.hpp"
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
  Json pack{};           ///< of a pack: what is in it
};

Finding find_gpu(std::optional<PackDevice>& packs_for) {
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
  packs_for = {fmt::format("sm_{}", device->arch), device->emulated ? 0 : device->driver_version};
  out.detail = fmt::format("{}, sm_{}, {} multiprocessors, driver {} ({})", device->name, device->arch,
                           device->multiprocessors, runtime::version_text((*driver)->version), (*driver)->library);
  if (device->emulated) out.detail += ": the driver that was named is the emulator";
  return out;
}

Finding find_emulator(std::optional<PackDevice>& packs_for) {
  Finding out{.what = "emulator",
              .advice = "build the target osdn_emulator; libosdn_emulator.so lies beside the program"};
  const auto version = emulator_version();
  out.found = version.has_value();
  out.detail = version ? fmt::format("{} ({})", *version, emulator_library()) : version.error().message;
  if (packs_for || !version) return out;
  const auto driver = runtime::load_driver(emulator_library());
  const auto device = driver ? runtime::describe_device(**driver, 0) : expected<DeviceDescription>(driver.error());
  if (device) packs_for = {fmt::format("sm_{}", device->arch), 0};
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
  out.detail = cache.usable()              ? fmt::format("{}, {} kernels", cache.directory(), cache.list().size())
               : cache.directory().empty() ? cache.refusal()
                                           : fmt::format("{}: {}", cache.directory(), cache.refusal());
  return out;
}

/// Nothing is missing where none are named, nor where one is for other devices: several may share the work.
std::vector<Finding> find_packs(const std::vector<PackLook>& packs, const std::optional<PackDevice>& device,
                                bool compiler) {
  std::vector<Finding> out;
  for (const PackLook& look : packs) {
    Finding one{.what = "pack",
                .advice = fmt::format("{}; correct --pack or OSDN_PACKS, or make it anew: osdn pack",
                                      compiler ? "its kernels are compiled" : "nothing here compiles its kernels")};
    one.found = look.refusal.empty() && look.damaged.empty();
    one.detail = look.refusal.empty() ? fmt::format("{}: {}", look.file, text_of(look, device)) : look.refusal;
    one.pack = to_json(look, device);
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

/// The whole way, small: generated, found or compiled, launched, judged.
expected<std::vector<reference::Verdict>> journey(const TargetOptions& options, const Problem& problem) {
  auto target = open_target(options);
  if (!target) return target.error();
  auto small = reference::random_case(problem, {.b = 1, .t = 20, .h = 1, .hv = 1}, {});
  if (!small) return small.error();
  auto answers = reference::solve(*small);
  if (!answers) return answers.error();
  auto execution = execute(*target, options, *small);
  if (!execution) return execution.error();
  return reference::judge(*small, *answers, execution->outputs);
}

/// A problem of its own, or one that the packs have where nothing can be compiled.
Finding try_device(const char* device, const std::vector<std::string>& packs, const std::optional<PackSample>& sample) {
  Finding out{.what = fmt::format("a case {}on the {}", sample ? "of the packs " : "", device),
              .advice = "see the message above; it names what failed"};
  TargetOptions options;
  options.device = device;
  options.packs = packs;
  Problem problem;
  problem.k = 16;
  problem.v = 16;
  if (sample) {
    problem = sample->problem;
    options.config = to_string(sample->config);
  }
  const auto verdicts = journey(options, problem);
  out.found = verdicts && reference::all_passed(*verdicts);
  if (!verdicts)
    out.detail = verdicts.error().message;
  else if (out.found)
    out.detail = fmt::format("generated, {}, launched, within tolerance of float64", sample ? "found" : "compiled");
  else
    out.detail = "runs, but its outputs are outside their tolerance";
  return out;
}

int doctor(const std::vector<std::string>& pack_option, bool json) {
  std::optional<PackDevice> device;
  std::vector<Finding> findings = {find_gpu(device), find_emulator(device), find_compiler(),
                                   find_cache(),     find_tuning(),         find_tuning_worker()};
  const bool gpu = findings[0].found;
  const bool emulator = findings[1].found;
  const bool compiler = findings[2].found;
  const std::vector<std::string> files = runtime::pack_files(pack_option);
  std::vector<PackLook> packs;
  for (const std::string& file : files) packs.push_back(look_at_pack(file, device));
  for (Finding& pack : find_packs(packs, device, compiler)) findings.push_back(std::move(pack));
  const auto sample = compiler || !device ? std::nullopt : sample_of(packs, *device);
  bool runs = false;
  if ((compiler || sample) && gpu) {
    findings.push_back(try_device("gpu", files, sample));
    runs = findings.back().found;
  }
  // A sample is for the device that the packs were looked at for.
  if (compiler ? emulator : sample && emulator && !gpu) {
    findings.push_back(try_device("emulator", files, sample));
    runs = runs || findings.back().found;
  }

  Json out = {{"runs", runs}, {"findings", Json::array()}};
  for (const Finding& finding : findings) {
    Json one = {{"what", finding.what}, {"found", finding.found}, {"detail", indented(finding.detail)}};
    if (!finding.found) one["advice"] = finding.advice;
    if (!finding.pack.is_null()) one["pack"] = finding.pack;
    out["findings"].push_back(one);
    if (json) continue;
    print(fmt::format("{}  {}: {}", finding.found ? "found  " : "missing", finding.what, indented(finding.detail)));
    if (!finding.found) print(fmt::format("         → {}", finding.advice));
  }
  if (json)
    print_json(out);
  else
    print(!runs ? "osdn cannot run here yet" : compiler ? "osdn runs here" : "osdn runs here what its packs hold");
  return runs ? success : environment;
}

}  // namespace

void add_doctor(CLI::App& app, int& exit_code) {
  auto packs = std::make_shared<std::vector<std::string>>();
  auto json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("doctor", "What was found, what is missing, what to do; runs one small case");
  verb->add_option("--pack", *packs, "packs to look at (those of OSDN_PACKS)");
  verb->add_flag("--json", *json, "print one JSON object");
  verb->callback([packs, json, &exit_code] { exit_code = doctor(*packs, *json); });
}

}  // namespace osdn::cli
