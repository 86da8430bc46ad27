// osdn report: the tuning database as a page to look at.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "autotune/database/database.hpp"
#include "autotune/database/exchange.hpp"
#include "autotune/report/report.hpp"
#include "cli/report.hpp"
#include "cli/verbs.hpp"
#include "reference/whole_file.hpp"

namespace osdn::cli {
namespace {

struct Options {
  std::string output;
  std::string directory;
  std::vector<std::string> from;
  std::string problem;
  bool json = false;
};

struct Found {
  std::vector<autotune::Entry> entries;
  std::string source;  ///< in words
};

/// Entries of the directory. One that is not there is empty, unless it was asked for by name.
expected<void> add_directory(const Options& options, const Problem* problem, Found& found) {
  const std::string directory = autotune::Database::directory(options.directory, {});
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored)) {
    if (options.directory.empty()) {
      found.source = directory;
      return {};
    }
    return Error{
        ErrorCode::invalid_argument,
        fmt::format("--directory was {}, which is no directory; allowed: one that osdn tune has written", directory),
        {}};
  }
  auto database =
      autotune::Database::open({.directory = directory, .read_only = {}, .library_entries = false, .log = {}});
  if (!database) return database.error();
  if (!database->refusal().empty()) {
    return Error{ErrorCode::io, fmt::format("the tuning database is not used: {}", database->refusal()), {}};
  }
  for (const autotune::Key& key : database->keys(problem)) found.entries.push_back(database->load(key));
  found.source = directory;
  return {};
}

expected<void> add_export(const std::string& path, const Problem* problem, Found& found) {
  auto text = autotune::read_export(path);
  if (!text) return text.error();
  auto imported = autotune::import_text(*text, path);
  if (!imported) return imported.error();
  if (imported->damaged + imported->foreign > 0) {
    note(fmt::format("{}: {} damaged lines and {} of a newer format are left out", path, imported->damaged,
                     imported->foreign));
  }
  for (autotune::Entry& entry : imported->entries) {
    if (problem == nullptr || entry.key.problem == *problem) found.entries.push_back(std::move(entry));
  }
  found.source += (found.source.empty() ? "" : ", ") + path;
  return {};
}

expected<Found> find_entries(const Options& options) {
  Problem problem;
  if (!options.problem.empty()) {
    auto parsed = parse_problem(options.problem);
    if (!parsed) return parsed.error();
    auto exact = canonical(*parsed);
    if (!exact) return exact.error();
    problem = *exact;
  }
  const Problem* only = options.problem.empty() ? nullptr : &problem;
  Found found;
  if (options.from.empty() || !options.directory.empty()) {
    if (auto ok = add_directory(options, only, found); !ok) return ok.error();
  }
  for (const std::string& path : options.from) {
    if (auto ok = add_export(path, only, found); !ok) return ok.error();
  }
  return found;
}

expected<int> write_report(const Options& options) {
  if (auto ok = reference::check_writable(options.output); !ok) return ok.error();
  auto found = find_entries(options);
  if (!found) return found.error();
  const std::string page = render_report(
      found->entries,
      {.library_version = OSDN_VERSION, .source = found->source, .current_sources = autotune::generated_sources()});
  if (auto ok = reference::write_whole_file(options.output, page); !ok) return ok.error();
  std::size_t trials = 0;
  for (const autotune::Entry& entry : found->entries) trials += entry.trials.size();
  if (options.json) {
    print_json(Json{{"path", options.output},
                    {"source", found->source},
                    {"entries", found->entries.size()},
                    {"trials", trials},
                    {"bytes", page.size()}});
  } else {
    print(fmt::format("{}: {} entries, {} trials, {}", options.output, found->entries.size(), trials,
                      bytes_text(page.size())));
    if (found->entries.empty()) note("there is nothing in it yet: osdn tune fills the database");
  }
  return success;
}

}  // namespace

void add_report(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("report", "Writes the tuning database as one HTML page, to look at");
  verb->add_option("OUT", options->output, "the page; appears whole or not at all")->required();
  verb->add_option("--directory", options->directory, "of the tuning database ($OSDN_TUNING_DIR, else in the cache)");
  verb->add_option("--from", options->from, "exports (osdn db export) instead of the database");
  verb->add_option("--problem", options->problem, "only entries of this problem");
  verb->add_flag("--json", options->json, "print one JSON object");
  verb->callback([options, &exit_code] {
    const auto code = write_report(*options);
    exit_code = code ? *code : fail(code.error(), options->json);
  });
}

}  // namespace osdn::cli
