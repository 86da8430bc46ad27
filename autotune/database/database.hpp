// The tuning database: one append-only JSON Lines file per key, `DIRECTORY/v1/GPU/PROBLEM-HASH/BUCKET.jsonl`. Every
// line carries a checksum over itself and is written whole under a lock; whatever a reader cannot trust it skips and
// counts. docs/tuning-database.md
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "autotune/key.hpp"
#include "autotune/trial.hpp"
#include "osdn/error.hpp"
#include "runtime/log.hpp"

namespace osdn::autotune {

/// What is known under one key.
struct Entry {
  Key key;
  std::vector<Trial> trials;     ///< the newest of each (config, sources, shape's bucket), in the order written
  std::optional<Choice> choice;  ///< the newest
  std::vector<Choice> earlier;   ///< older ones, oldest first
  std::optional<Pin> pin;
  std::int64_t lines = 0;    ///< good ones, those that name the key among them
  std::int64_t damaged = 0;  ///< lines with a wrong checksum, torn, or not what the format allows
  std::int64_t foreign = 0;  ///< lines of a newer format, or of another key
  std::string origin;        ///< the file it was read from
};

struct DatabaseOptions {
  std::string directory{};               ///< empty: nothing is remembered
  std::vector<std::string> read_only{};  ///< exports
  struct Shipped {
    std::string text;
    std::string origin;
  };
  std::vector<Shipped> packs{};  ///< exports out of packs, behind `read_only`; one that is none is a warning
  bool library_entries = true;   ///< those that the library carries
  runtime::Log log{};
};

/// Thread-safe; several processes may use one directory.
class Database {
 public:
  /// Knows nothing and remembers nothing.
  Database();

  /// `option`, else $OSDN_TUNING_DIR, else `tuning` in the compile cache's directory; empty when there is none.
  static std::string directory(const std::string& option, const std::string& cache_directory);

  /// Errors: io, corrupt (a read-only file). A directory that cannot be used is a warning.
  static expected<Database> open(DatabaseOptions options);

  [[nodiscard]] const std::string& directory() const;
  [[nodiscard]] const std::string& refusal() const;  ///< why nothing is remembered; empty: it is

  /// What the directory holds under this key; an empty Entry when there is nothing.
  [[nodiscard]] Entry load(const Key& key) const;
  /// Keys that the directory holds; of one problem, or of all.
  [[nodiscard]] std::vector<Key> keys(const Problem* problem = nullptr) const;
  /// Entries of the read-only files and of the library; of one problem, or of all.
  [[nodiscard]] std::vector<Entry> shipped(const Problem* problem = nullptr) const;

  /// Appends one line, on disk when this returns. Errors: io.
  expected<void> append(const Key& key, const Trial& trial) const;
  expected<void> append(const Key& key, const Choice& choice) const;
  expected<void> append(const Key& key, const Pin& pin) const;
  expected<void> remove_pin(const Key& key) const;
  /// The trials, choices and pin of an entry, in one write.
  expected<void> append(const Entry& entry) const;

  /// Rewrites a key's file without damaged and superseded lines, in its place at once; under the lock, or not at all.
  expected<void> compact(const Key& key) const;

 private:
  struct State;
  explicit Database(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace osdn::autotune
