// osdn db export, import, merge, diff, verify, compact: databases as files.
#include <fmt/format.h>

#include <filesystem>

#include "autotune/database/exchange.hpp"
#include "cli/db.hpp"
#include "cli/exports.hpp"
#include "reference/whole_file.hpp"

namespace osdn::cli {

expected<std::vector<autotune::Entry>> entries_of(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::is_directory(path, failed)) {
    auto text = autotune::read_export(path);
    if (!text) return text.error();
    auto imported = autotune::import_text(*text, path);
    if (!imported) return imported.error();
    if (imported->damaged + imported->foreign > 0) {
      note(fmt::format("osdn: warning: {}: {} damaged and {} foreign lines are not used", path, imported->damaged,
                       imported->foreign));
    }
    return std::move(imported->entries);
  }
  DbOptions other;
  other.directory = path;
  auto database = open_database(other);
  if (!database) return database.error();
  return chosen_entries(*database, other);
}

namespace {

using autotune::Entry;

int say_merged(const autotune::Merged& merged, const autotune::Database& into, bool json) {
  if (json)
    print_json(Json{{"directory", into.directory()}, {"added", merged.added}, {"known", merged.known}});
  else
    print(fmt::format("{}: {} records are new, {} were known", into.directory(), merged.added, merged.known));
  return success;
}

expected<int> take_over(const DbOptions& options) {
  // All are read before anything is written.
  std::vector<Entry> entries;
  for (const std::string& file : options.files) {
    auto some = entries_of(file);
    if (!some) return some.error();
    entries.insert(entries.end(), some->begin(), some->end());
  }
  auto database = open_database(options);
  if (!database) return database.error();
  auto merged = autotune::merge(*database, entries);
  if (!merged) return merged.error();
  return say_merged(*merged, *database, options.json);
}

Error wrong_kind(const std::string& path, const char* verb, const char* what) {
  return {ErrorCode::invalid_argument,
          fmt::format("{} is no {}; allowed after osdn db {}: a {}", path, what, verb, what),
          {}};
}

expected<std::vector<autotune::Verification>> verifications(const DbOptions& options) {
  if (options.files.empty()) {
    auto database = open_database(options);
    if (!database) return database.error();
    return verify(*database);
  }
  std::vector<autotune::Verification> all;
  for (const std::string& file : options.files) {
    auto text = autotune::read_export(file);
    if (!text) return text.error();
    all.push_back(autotune::verify_text(*text, file));
  }
  return all;
}

}  // namespace

expected<int> db_export(const DbOptions& options) {
  if (auto ok = reference::check_writable(options.files[0]); !ok) return ok.error();
  auto database = open_database(options);
  if (!database) return database.error();
  auto entries = chosen_entries(*database, options);
  if (!entries) return entries.error();
  if (entries->empty()) {
    return Error{ErrorCode::invalid_argument,
                 fmt::format("{} has no entry to export; allowed: what `osdn db show` lists", database->directory()),
                 {}};
  }
  if (auto ok = reference::write_whole_file(options.files[0], autotune::export_text(*entries)); !ok) return ok.error();
  std::size_t trials = 0;
  for (const Entry& entry : *entries) trials += entry.trials.size();
  if (options.json)
    print_json(Json{{"file", options.files[0]}, {"entries", entries->size()}, {"trials", trials}});
  else
    print(fmt::format("{}: {} entries, {} trials", options.files[0], entries->size(), trials));
  return success;
}

expected<int> db_import(const DbOptions& options) {
  std::error_code failed;
  for (const std::string& file : options.files) {
    if (std::filesystem::is_directory(file, failed)) return wrong_kind(file, "import", "file");
  }
  return take_over(options);
}

expected<int> db_merge(const DbOptions& options) {
  std::error_code failed;
  if (!std::filesystem::is_directory(options.files[0], failed))
    return wrong_kind(options.files[0], "merge", "directory");
  return take_over(options);
}

expected<int> db_diff(const DbOptions& options) {
  auto left = entries_of(options.files[0]);
  if (!left) return left.error();
  auto right = entries_of(options.files[1]);
  if (!right) return right.error();
  const auto differences = diff(*left, *right);
  Json all = Json::array();
  for (const autotune::Difference& one : differences) {
    if (options.json) {
      Json row = to_json(one.key);
      row["what"] = one.what;
      row["left"] = one.left;
      row["right"] = one.right;
      all.push_back(std::move(row));
      continue;
    }
    print(fmt::format("{} | {} | {}: {}", to_string(one.key.problem), to_string(one.key.bucket), to_string(one.key.gpu),
                      one.what));
    if (!one.left.empty()) print("  A: " + one.left);
    if (!one.right.empty()) print("  B: " + one.right);
  }
  if (options.json) print_json(Json{{"a", options.files[0]}, {"b", options.files[1]}, {"differences", all}});
  return differences.empty() ? success : not_passed;
}

expected<int> db_verify(const DbOptions& options) {
  auto all = verifications(options);
  if (!all) return all.error();
  std::int64_t lines = 0;
  std::int64_t foreign = 0;
  std::int64_t stale = 0;
  std::size_t problems = 0;
  Json out = Json::array();
  for (const autotune::Verification& one : *all) {
    lines += one.lines;
    foreign += one.foreign;
    stale += one.stale;
    if (!one.problem.empty()) ++problems;
    out.push_back({{"file", one.file},
                   {"lines", one.lines},
                   {"damaged", one.damaged},
                   {"foreign", one.foreign},
                   {"stale", one.stale},
                   {"problem", one.problem}});
    if (!options.json && !one.problem.empty()) print(fmt::format("{}: {}", one.file, one.problem));
  }
  if (options.json)
    print_json(Json{{"files", out}, {"lines", lines}, {"foreign", foreign}, {"stale", stale}, {"unsound", problems}});
  else
    print(
        fmt::format("{} of {} files are sound: {} lines; {} of a newer format; {} trials of kernels that have changed",
                    all->size() - problems, all->size(), lines, foreign, stale));
  return problems == 0 ? success : not_passed;
}

expected<int> db_compact(const DbOptions& options) {
  auto database = open_database(options);
  if (!database) return database.error();
  auto entries = chosen_entries(*database, options);
  if (!entries) return entries.error();
  std::int64_t before = 0;
  std::int64_t after = 0;
  for (const Entry& entry : *entries) {
    if (auto ok = database->compact(entry.key); !ok) return ok.error();
    const Entry now = database->load(entry.key);
    before += entry.lines + entry.damaged + entry.foreign;
    after += now.lines + now.damaged + now.foreign;
  }
  if (options.json)
    print_json(Json{{"files", entries->size()}, {"lines_before", before}, {"lines_after", after}});
  else
    print(fmt::format("{} files: {} lines, before {}", entries->size(), after, before));
  return success;
}

}  // namespace osdn::cli
