// What the verbs of `osdn db` share: their options, and which entries of the database they speak of.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "autotune/database/database.hpp"
#include "autotune/key.hpp"
#include "cli/report.hpp"
#include "cli/subject.hpp"
#include "generator/architecture.hpp"
#include "osdn/error.hpp"
#include "osdn/shape.hpp"

namespace osdn::cli {

struct DbOptions {
  std::string directory;
  SubjectOptions subject;
  std::string shape;
  std::string gpu;
  std::string device = "auto";
  std::string arch;
  std::string config;
  std::vector<std::string> files;
  std::vector<std::string> read_only;
  bool deterministic = false;
  bool trials = false;
  bool json = false;
};

/// The database of --directory with the exports of --read-only and of the packs of OSDN_PACKS, as a Tuner has it.
/// Errors: io where the directory cannot be used.
expected<autotune::Database> open_database(const DbOptions& options);

/// The problem of the options when they name one. Errors: those of find_subject.
expected<std::optional<Problem>> chosen_problem(const DbOptions& options);

/// Entries of the directory that --problem, --shape and --gpu leave; all without them. Errors: those of the texts.
expected<std::vector<autotune::Entry>> chosen_entries(const autotune::Database& database, const DbOptions& options);

/// The problem, sizes and GPU of a call: --problem, --shape, and --gpu or the device.
struct Situation {
  Problem problem;
  Shape shape;
  autotune::GpuKey gpu;
  generator::Architecture architecture;

  [[nodiscard]] autotune::Key key() const { return {problem, autotune::bucket_of(shape), gpu}; }
};
/// Errors: invalid_argument where one of them is missing or --gpu names none or several, and those of open_target.
expected<Situation> find_situation(const autotune::Database& database, const DbOptions& options);

[[nodiscard]] Json to_json(const autotune::Key& key);
[[nodiscard]] Json to_json(const autotune::Trial& trial);
[[nodiscard]] Json to_json(const autotune::Finalist& finalist);
[[nodiscard]] Json to_json(const autotune::Choice& choice);

/// `2026-11-21`
[[nodiscard]] std::string day_text(std::int64_t seconds);
/// Fields of a configuration that are not the default's: `chunk=32,warps=2`; `default`.
[[nodiscard]] std::string brief(const Config& config, const Config& usual);

expected<int> db_show(const DbOptions& options);
expected<int> db_explain(const DbOptions& options);
expected<int> db_export(const DbOptions& options);
expected<int> db_import(const DbOptions& options);
expected<int> db_merge(const DbOptions& options);
expected<int> db_diff(const DbOptions& options);
expected<int> db_verify(const DbOptions& options);
expected<int> db_compact(const DbOptions& options);
expected<int> db_pin(const DbOptions& options);
expected<int> db_unpin(const DbOptions& options);

}  // namespace osdn::cli
