// osdn db: what the tuning database knows.
#include "cli/db.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "autotune/database/exchange.hpp"
#include "cli/target.hpp"
#include "cli/verbs.hpp"

namespace osdn::cli {
namespace {

Error invalid(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), {}};
}

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// By a part of how it is printed, in any case; a whole name before a part of one.
bool named(const autotune::GpuKey& gpu, const std::string& text) {
  return lower(to_string(gpu)).find(lower(text)) != std::string::npos;
}

/// The one GPU of the database and of the read-only files that --gpu names.
expected<autotune::GpuKey> find_gpu(const autotune::Database& database, const std::string& text) {
  std::vector<autotune::GpuKey> all;
  for (const autotune::Key& key : database.keys()) all.push_back(key.gpu);
  for (const autotune::Entry& entry : database.shipped()) all.push_back(entry.key.gpu);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  std::string known;
  std::vector<autotune::GpuKey> matches;
  for (const autotune::GpuKey& gpu : all) {
    known += (known.empty() ? "'" : ", '") + to_string(gpu) + "'";
    if (to_string(gpu) == text) return gpu;
    if (named(gpu, text)) matches.push_back(gpu);
  }
  if (matches.size() == 1) return matches[0];
  return invalid(fmt::format("--gpu is {}, which {}; allowed: what names one of {}", text,
                             matches.empty() ? "no entry has" : "is more than one",
                             known.empty() ? "the database's, and it has none" : known));
}

/// What plans are made for on a GPU that is not here.
expected<generator::Architecture> architecture_of(const autotune::GpuKey& gpu) {
  auto architecture = generator::find_architecture(fmt::format("sm_{}", gpu.arch));
  if (architecture) architecture->multiprocessors = gpu.multiprocessors;
  return architecture;
}

expected<void> find_device(const DbOptions& options, Situation& situation) {
  if (options.device == "reference") return invalid("--device is reference; allowed: auto, gpu or emulator");
  TargetOptions where;
  where.device = options.device;
  where.arch = options.arch;
  auto target = open_target(where);
  if (!target) return target.error();
  if (options.json)
    note(target->first_line);
  else
    print(target->first_line);
  situation.gpu = autotune::gpu_of(target->engine->device());
  situation.architecture = target->architecture;
  return {};
}

}  // namespace

expected<autotune::Database> open_database(const DbOptions& options) {
  autotune::DatabaseOptions how;
  how.directory = autotune::Database::directory(options.directory, {});
  how.read_only = options.read_only;
  const runtime::Log log([](LogLevel level, std::string_view text) {
    // What keeps the directory from being used is the result below.
    if (level == LogLevel::warning && !text.starts_with("the tuning database is not used")) {
      note(fmt::format("osdn: warning: {}", text));
    }
  });
  how.log = log;
  how.packs = autotune::exports_in(runtime::Shelf(runtime::pack_files({}), 0, log), log);
  auto database = autotune::Database::open(std::move(how));
  if (!database) return database.error();
  if (!database->refusal().empty()) {
    return Error{ErrorCode::io,
                 fmt::format("the tuning database is not used: {}; name another with --directory", database->refusal()),
                 {}};
  }
  return database;
}

expected<std::optional<Problem>> chosen_problem(const DbOptions& options) {
  if (options.subject.problem.empty() && options.subject.preset.empty()) return std::optional<Problem>();
  auto subject = find_subject(options.subject);
  if (!subject) return subject.error();
  return std::optional(subject->problem);
}

expected<std::vector<autotune::Entry>> chosen_entries(const autotune::Database& database, const DbOptions& options) {
  auto problem = chosen_problem(options);
  if (!problem) return problem.error();
  std::optional<autotune::Bucket> bucket;
  if (!options.shape.empty()) {
    auto shape = parse_shape(options.shape);
    if (!shape) return shape.error();
    bucket = autotune::bucket_of(*shape);
  }
  std::vector<autotune::Entry> out;
  for (const autotune::Key& key : database.keys(*problem ? &**problem : nullptr)) {
    if (bucket && key.bucket != *bucket) continue;
    if (!options.gpu.empty() && !named(key.gpu, options.gpu)) continue;
    out.push_back(database.load(key));
  }
  return out;
}

expected<Situation> find_situation(const autotune::Database& database, const DbOptions& options) {
  auto problem = chosen_problem(options);
  if (!problem) return problem.error();
  if (!*problem) return invalid("no problem is given; allowed: --problem TEXT or --preset NAME");
  if (options.shape.empty()) return invalid("no sizes are given; allowed: --shape b=4,t=8192,h=32,hv=32");
  auto shape = parse_shape(options.shape);
  if (!shape) return shape.error();
  Situation out{**problem, *shape, {}, {}};
  if (options.gpu.empty()) {
    if (auto ok = find_device(options, out); !ok) return ok.error();
    return out;
  }
  auto gpu = find_gpu(database, options.gpu);
  if (!gpu) return gpu.error();
  auto architecture = architecture_of(*gpu);
  if (!architecture) return architecture.error();
  out.gpu = *gpu;
  out.architecture = *architecture;
  return out;
}

std::string day_text(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (::localtime_r(&time, &parts) == nullptr) return "?";
  return fmt::format("{:%Y-%m-%d}", parts);
}

std::string brief(const Config& config, const Config& usual) {
  if (config == usual) return "default";
  const std::string whole = to_string(config);
  const std::string other = to_string(usual);
  std::string out;
  std::string_view rest = whole;
  while (!rest.empty()) {
    const std::string_view field = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(field.size() + 1, rest.size()));
    if (("," + other + ",").find("," + std::string(field) + ",") != std::string::npos) continue;
    out += (out.empty() ? "" : ",") + std::string(field);
  }
  return out;
}

namespace {

using Options = std::shared_ptr<DbOptions>;

void add_choosing(CLI::App& verb, const Options& options) {
  add_subject_options(verb, options->subject);
  verb.add_option("--shape", options->shape, "sizes: b=4,t=8192,h=32,hv=32; n=3 when packed");
  verb.add_option("--gpu", options->gpu, "a GPU of the database, by a part of its name");
}

void add_device(CLI::App& verb, const Options& options) {
  verb.add_option("--device", options->device, "auto (a GPU, else the emulator), gpu or emulator, when not --gpu");
  verb.add_option("--arch", options->arch, "architecture that the emulator plays: sm_80, sm_90, …");
}

void add_files(CLI::App& verb, const Options& options, const char* name, const char* what, int least, int most) {
  verb.add_option(name, options->files, what)->required(least > 0)->expected(std::max(least, 1), most);
}

}  // namespace

void add_db(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<DbOptions>();
  CLI::App* db = app.add_subcommand("db", "Look into the tuning database");
  db->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, expected<int> (*verb)(const DbOptions&)) {
    CLI::App* action = db->add_subcommand(name, what);
    action->add_option("--directory", options->directory,
                       "database ($OSDN_TUNING_DIR, else `tuning` in the compile cache's directory)");
    action->add_flag("--json", options->json, "print one JSON object");
    action->callback([options, verb, &exit_code] {
      const auto code = verb(*options);
      exit_code = code ? *code : fail(code.error(), options->json);
    });
    return action;
  };
  constexpr int any = 1 << 20;
  CLI::App* show = add("show", "List what is tuned, and what came of it", db_show);
  add_choosing(*show, options);
  show->add_flag("--trials", options->trials, "every candidate that was tried");
  CLI::App* explain = add("explain", "Which configuration a problem and sizes get, and why", db_explain);
  add_choosing(*explain, options);
  add_device(*explain, options);
  explain->add_option("--read-only", options->read_only, "exports that are looked at, too");
  explain->add_flag("--deterministic", options->deterministic, "pinned entries and read-only files alone");
  CLI::App* out = add("export", "Write entries into one file", db_export);
  add_files(*out, options, "file", "file to write", 1, 1);
  add_choosing(*out, options);
  add_files(*add("import", "Add the entries of exports", db_import), options, "files", "exports", 1, any);
  add_files(*add("merge", "Add the entries of another database", db_merge), options, "from", "its directory", 1, 1);
  add_files(*add("diff", "Compare two databases or exports; exit code 1 when they differ", db_diff), options, "files",
            "two directories or exports", 2, 2);
  add_files(*add("verify", "Check every line; exit code 1 when one is damaged", db_verify), options, "files",
            "exports to check instead of the database", 0, any);
  add_choosing(*add("compact", "Drop damaged and superseded lines", db_compact), options);
  CLI::App* pin = add("pin", "Fix a configuration for a problem and sizes by hand", db_pin);
  add_choosing(*pin, options);
  add_device(*pin, options);
  pin->add_option("--config", options->config, "configuration fields as `osdn list` prints them: chunk=64,warps=4,…")
      ->required();
  CLI::App* unpin = add("unpin", "Take the pin away", db_unpin);
  add_choosing(*unpin, options);
  add_device(*unpin, options);
}

}  // namespace osdn::cli
