#include "autotune/database/database.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <ctime>

#include "autotune/database/entries.hpp"
#include "autotune/database/exchange.hpp"
#include "autotune/database/key_file.hpp"
#include "autotune/database/library_entries.hpp"
#include "autotune/database/listing.hpp"
#include "autotune/database/record.hpp"
#include "runtime/cache_directory.hpp"

namespace osdn::autotune {

struct Database::State {
  std::string directory;
  std::string refusal;
  std::vector<Entry> shipped;
  runtime::Log log;
  mutable std::atomic_flag warned_of_damage;

  expected<void> append(const Key& key, const std::vector<Record>& records) const;

  void warn_of_damage(std::string_view what) const {
    if (!warned_of_damage.test_and_set()) log.warning(what);
  }
};

namespace {

/// Nothing is written that would not be read back.
expected<void> add(std::string& lines, const std::string& id, const Record& record) {
  const std::string line = write_line(id, record);
  const ReadLine read = read_line(std::string_view(line).substr(0, line.size() - 1));
  if (read.state != ReadLine::State::good) {
    return Error{ErrorCode::internal, fmt::format("a record is not fit for the tuning database: {}", read.why), {}};
  }
  lines += line;
  return {};
}

}  // namespace

std::string Database::directory(const std::string& option, const std::string& cache_directory) {
  if (!option.empty()) return option;
  if (const char* own = std::getenv("OSDN_TUNING_DIR"); own != nullptr && *own != '\0') return own;
  const std::string cache = runtime::cache_directory(cache_directory);
  return cache.empty() ? std::string() : cache + "/tuning";
}

Database::Database()
    : state_([] {
        auto state = std::make_shared<State>();
        state->refusal = "no directory is given";
        return state;
      }()) {}

expected<Database> Database::open(DatabaseOptions options) {
  auto state = std::make_shared<State>();
  state->log = std::move(options.log);
  state->directory = std::move(options.directory);
  if (state->directory.empty()) {
    state->refusal = "no directory is given";
  } else {
    while (state->directory.size() > 1 && state->directory.back() == '/') state->directory.pop_back();
    state->refusal = runtime::prepare_cache_directory(state->directory);
    if (!state->refusal.empty()) {
      state->log.warning(fmt::format("the tuning database is not used: {}", state->refusal));
    }
  }
  const auto take = [&state](std::string_view text, const std::string& origin) -> expected<void> {
    auto imported = import_text(text, origin);
    if (!imported) return imported.error();
    if (imported->damaged > 0) {
      state->warn_of_damage(fmt::format("{}: {} damaged lines are not used", origin, imported->damaged));
    }
    for (Entry& entry : imported->entries) state->shipped.push_back(std::move(entry));
    return {};
  };
  for (const std::string& file : options.read_only) {
    auto text = read_export(file);
    if (!text) return text.error();
    if (auto ok = take(*text, file); !ok) return ok.error();
  }
  for (const DatabaseOptions::Shipped& pack : options.packs) {
    if (auto ok = take(pack.text, pack.origin); !ok) state->log.warning(ok.error().message);
  }
  for (const library_entries::Text& file : library_entries::all()) {
    if (!options.library_entries || file.text.empty()) continue;
    if (auto ok = take(file.text, "the library's own entries"); !ok) return ok.error();
  }
  return Database(std::move(state));
}

const std::string& Database::directory() const {
  return state_->directory;
}

const std::string& Database::refusal() const {
  return state_->refusal;
}

Entry Database::load(const Key& key) const {
  Entry none;
  none.key = key;
  if (!state_->refusal.empty()) return none;
  none.origin = key_path(state_->directory, key);
  auto text = read_file(none.origin);
  if (!text) {
    state_->warn_of_damage(text.error().message);
    return none;
  }
  Contents contents = read_contents(*text, none.origin, &key);
  Entry out = none;
  for (Entry& entry : contents.entries) {
    if (entry.key == key)
      out = std::move(entry);
    else
      contents.foreign += entry.lines;
  }
  out.damaged = contents.damaged;
  out.foreign = contents.foreign;
  if (out.damaged > 0) {
    state_->warn_of_damage(
        fmt::format("{}: {} damaged lines are not used; `osdn db compact` removes them", none.origin, out.damaged));
  }
  return out;
}

std::vector<Key> Database::keys(const Problem* problem) const {
  std::vector<Key> out;
  if (!state_->refusal.empty()) return out;
  for (const std::string& file : key_files(state_->directory, problem)) {
    const auto key = key_of_file(state_->directory, file);
    if (key && (problem == nullptr || key->problem == *problem)) out.push_back(*key);
  }
  return out;
}

std::vector<Entry> Database::shipped(const Problem* problem) const {
  std::vector<Entry> out;
  for (const Entry& entry : state_->shipped) {
    if (problem == nullptr || entry.key.problem == *problem) out.push_back(entry);
  }
  return out;
}

expected<void> Database::State::append(const Key& key, const std::vector<Record>& records) const {
  if (!refusal.empty()) return Error{ErrorCode::io, "the tuning database is not used: " + refusal, {}};
  const std::string id = key_id(key);
  std::string lines;
  std::string naming;
  if (auto ok = add(naming, id, key); !ok) return ok;
  for (const Record& record : records) {
    if (auto ok = add(lines, id, record); !ok) return ok;
  }
  return lines.empty() ? expected<void>() : append_lines(directory, key, lines);
}

expected<void> Database::append(const Key& key, const Trial& trial) const {
  return state_->append(key, {trial});
}

expected<void> Database::append(const Key& key, const Choice& choice) const {
  return state_->append(key, {choice});
}

expected<void> Database::append(const Key& key, const Pin& pin) const {
  return state_->append(key, {pin});
}

expected<void> Database::remove_pin(const Key& key) const {
  return state_->append(key, {Unpin{std::time(nullptr)}});
}

expected<void> Database::append(const Entry& entry) const {
  std::vector<Record> records(entry.trials.begin(), entry.trials.end());
  records.insert(records.end(), entry.earlier.begin(), entry.earlier.end());
  if (entry.choice) records.emplace_back(*entry.choice);
  if (entry.pin) records.emplace_back(*entry.pin);
  return state_->append(entry.key, records);
}

expected<void> Database::compact(const Key& key) const {
  if (!state_->refusal.empty()) return Error{ErrorCode::io, "the tuning database is not used: " + state_->refusal, {}};
  return rewrite_file(key_path(state_->directory, key),
                      [&key](const std::string& text) { return compacted(text, key); });
}

}  // namespace osdn::autotune
