#include "autotune/database/entries.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "autotune/database/line.hpp"
#include "autotune/database/record.hpp"

namespace osdn::autotune {
namespace {

std::int64_t when(const Record& record) {
  if (const auto* trial = std::get_if<Trial>(&record)) return trial->circumstances.when;
  if (const auto* choice = std::get_if<Choice>(&record)) return choice->circumstances.when;
  if (const auto* pin = std::get_if<Pin>(&record)) return pin->when;
  if (const auto* unpin = std::get_if<Unpin>(&record)) return unpin->when;
  return 0;
}

struct Read {
  std::string_view text;
  ReadLine line;
  [[nodiscard]] bool good() const { return line.state == ReadLine::State::good; }
};

std::vector<Read> read_all(std::string_view text) {
  std::vector<Read> all;
  each_line(text, [&](std::string_view line, bool) { all.push_back({line, read_line(line)}); });
  return all;
}

/// Of the records of one key, by their place in the file, those that count: the newest by date, of one date the last.
/// What was imported later may be older.
class Ledger {
 public:
  void add(std::size_t place, const Record& record) {
    if (const auto* trial = std::get_if<Trial>(&record)) {
      keep(trials_[trial_identity(*trial)], place, record);
    } else if (const auto* choice = std::get_if<Choice>(&record)) {
      const bool known = std::any_of(choices_.begin(), choices_.end(),
                                     [&](const Kept& kept) { return std::get<Choice>(*kept.record) == *choice; });
      if (!known) choices_.push_back({place, &record});
    } else if (!std::holds_alternative<Key>(record)) {
      keep(pin_, place, record);
    }
  }

  /// The places, in the order of the file.
  [[nodiscard]] std::vector<std::size_t> places() const {
    std::vector<std::size_t> out;
    for (const auto& [name, kept] : trials_) out.push_back(kept.place);
    for (const Kept& kept : choices_) out.push_back(kept.place);
    if (pin_.record != nullptr) out.push_back(pin_.place);
    std::sort(out.begin(), out.end());
    return out;
  }

  void fill(Entry& entry) const {
    std::vector<Kept> trials;
    for (const auto& [name, kept] : trials_) trials.push_back(kept);
    std::sort(trials.begin(), trials.end(), [](const Kept& a, const Kept& b) { return a.place < b.place; });
    for (const Kept& kept : trials) entry.trials.push_back(std::get<Trial>(*kept.record));
    std::vector<Kept> choices = choices_;
    std::stable_sort(choices.begin(), choices.end(),
                     [](const Kept& a, const Kept& b) { return when(*a.record) < when(*b.record); });
    for (const Kept& kept : choices) entry.earlier.push_back(std::get<Choice>(*kept.record));
    if (!entry.earlier.empty()) {
      entry.choice = std::move(entry.earlier.back());
      entry.earlier.pop_back();
    }
    if (pin_.record != nullptr && std::holds_alternative<Pin>(*pin_.record)) entry.pin = std::get<Pin>(*pin_.record);
  }

 private:
  struct Kept {
    std::size_t place = 0;
    const Record* record = nullptr;
  };
  static void keep(Kept& kept, std::size_t place, const Record& record) {
    if (kept.record == nullptr || when(record) >= when(*kept.record)) kept = {place, &record};
  }

  std::map<std::string, Kept> trials_;
  std::vector<Kept> choices_;
  Kept pin_;
};

/// Which key an id stands for. Of two lines that give one id to different keys the first counts.
std::map<std::string, Key> keys_by_id(const std::vector<Read>& lines) {
  std::map<std::string, Key> out;
  for (const Read& read : lines) {
    if (!read.good()) continue;
    if (const auto* key = std::get_if<Key>(&read.line.record)) out.emplace(read.line.id, *key);
  }
  return out;
}

/// Whether a line is sound and some line says whose it is.
bool belongs(const Read& read, const std::map<std::string, Key>& keys) {
  if (!read.good()) return false;
  const auto key = keys.find(read.line.id);
  const auto* named = std::get_if<Key>(&read.line.record);
  return key != keys.end() && (named == nullptr || *named == key->second);
}

}  // namespace

std::string trial_identity(const Trial& trial) {
  return to_string(trial.config) + '/' + trial.sources + '/' + to_string(bucket_of(trial.shape));
}

Contents read_contents(std::string_view text, const std::string& origin, const Key* owner) {
  const std::vector<Read> lines = read_all(text);
  std::map<std::string, Key> keys = keys_by_id(lines);
  if (owner != nullptr) keys.insert_or_assign(key_id(*owner), *owner);
  struct Gathered {
    std::size_t index = 0;
    Ledger ledger;
  };
  std::map<std::string, Gathered> gathered;
  Contents out;
  for (std::size_t place = 0; place < lines.size(); ++place) {
    const ReadLine& line = lines[place].line;
    if (line.state == ReadLine::State::foreign) {
      ++out.foreign;
    } else if (!belongs(lines[place], keys)) {
      ++out.damaged;
    } else {
      const auto [found, first] = gathered.try_emplace(line.id);
      if (first) {
        found->second.index = out.entries.size();
        Entry& entry = out.entries.emplace_back();
        entry.key = keys.at(line.id);
        entry.origin = origin;
      }
      ++out.entries[found->second.index].lines;
      found->second.ledger.add(place, line.record);
    }
  }
  for (const auto& [id, group] : gathered) group.ledger.fill(out.entries[group.index]);
  return out;
}

std::string compacted(std::string_view text, const Key& key) {
  const std::string id = key_id(key);
  const std::vector<Read> lines = read_all(text);
  std::map<std::string, Key> keys = keys_by_id(lines);
  keys.insert_or_assign(id, key);
  Ledger ledger;
  std::vector<std::size_t> places;
  for (std::size_t place = 0; place < lines.size(); ++place) {
    const ReadLine& line = lines[place].line;
    if (line.state == ReadLine::State::foreign)
      places.push_back(place);
    else if (!belongs(lines[place], keys))
      continue;
    else if (line.id != id)
      places.push_back(place);
    else
      ledger.add(place, line.record);
  }
  const std::vector<std::size_t> own = ledger.places();
  places.insert(places.end(), own.begin(), own.end());
  std::sort(places.begin(), places.end());
  std::string out = write_line(id, key);
  for (const std::size_t place : places) out.append(lines[place].text).append("\n");
  return out;
}

std::vector<Key> named_keys(std::string_view text) {
  std::vector<Key> out;
  // Most lines name no key, and a record costs a hundred times what looking for these words does.
  constexpr std::string_view words = R"("kind":"key")";
  each_line(text, [&](std::string_view line, bool) {
    if (line.find(words) == std::string_view::npos) return;
    const ReadLine read = read_line(line);
    if (read.state != ReadLine::State::good) return;
    if (const auto* key = std::get_if<Key>(&read.record)) out.push_back(*key);
  });
  return out;
}

}  // namespace osdn::autotune
