// Databases as files: one JSON Lines file holds any number of keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "autotune/database/database.hpp"
#include "runtime/shelf.hpp"

namespace osdn::autotune {

/// The file's text: for every entry a line that names the key, then its lines; checksummed as in the directory.
[[nodiscard]] std::string export_text(const std::vector<Entry>& entries);

struct Imported {
  std::vector<Entry> entries;
  std::int64_t damaged = 0;
  std::int64_t foreign = 0;
};
/// Reads an export. Never fails on damaged lines, which it counts. Errors: corrupt when no line of it is one of ours.
expected<Imported> import_text(std::string_view text, const std::string& origin);

/// The bytes of an export. Errors: io, corrupt: larger than any of ours.
expected<std::string> read_export(const std::string& path);

/// The tuning entries of packs. One whose entries are damaged is a warning: its code may still be sound.
[[nodiscard]] std::vector<DatabaseOptions::Shipped> exports_in(const runtime::Shelf& shelf, const runtime::Log& log);

struct Merged {
  std::int64_t added = 0;  ///< lines
  std::int64_t known = 0;  ///< that were there already
};
/// Adds what the database does not have yet. Errors: io.
expected<Merged> merge(const Database& into, const std::vector<Entry>& entries);

/// One line per difference: keys that only one has, winners that differ (both, with their gain), pins.
struct Difference {
  Key key;
  std::string what;  ///< "only in A", "only in B", "winner", "pin"
  std::string left;
  std::string right;
};
[[nodiscard]] std::vector<Difference> diff(const std::vector<Entry>& left, const std::vector<Entry>& right);

struct Verification {
  std::string file;
  std::int64_t lines = 0;
  std::int64_t damaged = 0;
  std::int64_t foreign = 0;
  std::int64_t stale = 0;  ///< trials whose kernels this library writes differently now
  std::string problem;     ///< empty: sound
};
/// Looks at an export.
[[nodiscard]] Verification verify_text(std::string_view text, const std::string& origin);
/// Looks at every file of the directory.
[[nodiscard]] std::vector<Verification> verify(const Database& database);

}  // namespace osdn::autotune
