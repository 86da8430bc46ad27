// What two databases have that the other has not.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "autotune/database/entries.hpp"
#include "autotune/database/exchange.hpp"

namespace osdn::autotune {
namespace {

template <class T>
bool contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

/// Takes out what the database has, or has a newer one of.
Merged keep_new(Entry& entry, const Entry& known) {
  Merged out;
  const auto count = [&out](bool have) {
    ++(have ? out.known : out.added);
    return have;
  };
  std::map<std::string, const Trial*> trials;
  for (const Trial& trial : known.trials) trials.emplace(trial_identity(trial), &trial);
  std::erase_if(entry.trials, [&](const Trial& trial) {
    const auto found = trials.find(trial_identity(trial));
    return count(found != trials.end() &&
                 (trial == *found->second || trial.circumstances.when < found->second->circumstances.when));
  });
  const auto chosen = [&](const Choice& choice) { return choice == known.choice || contains(known.earlier, choice); };
  std::erase_if(entry.earlier, [&](const Choice& choice) { return count(chosen(choice)); });
  if (entry.choice && count(chosen(*entry.choice))) entry.choice.reset();
  if (entry.pin && count(known.pin && known.pin->when >= entry.pin->when)) entry.pin.reset();
  return out;
}

/// An order in which every listing of keys is the same.
std::string order(const Key& key) {
  return fmt::format("{}\n{}\n{:04}-{:04}", to_string(key.problem), to_string(key.gpu), key.bucket.heads,
                     key.bucket.tokens);
}

std::map<std::string, const Entry*> by_key(const std::vector<Entry>& entries) {
  std::map<std::string, const Entry*> out;
  for (const Entry& entry : entries) out.emplace(order(entry.key), &entry);
  return out;
}

std::string brief(const Entry& entry) {
  return fmt::format("{} trials{}{}", entry.trials.size(), entry.choice ? ", a choice" : "",
                     entry.pin ? ", a pin" : "");
}

std::string winner_text(const Entry& entry) {
  if (!entry.choice) return "none";
  const Finalist& winner = entry.choice->finalists.front();
  if (winner.ratio <= 0) return to_string(winner.config);
  return fmt::format("{} ({:.3f} times as fast as the default)", to_string(winner.config), 1 / winner.ratio);
}

std::string pin_text(const Entry& entry) {
  return entry.pin ? to_string(entry.pin->config) : "none";
}

bool same_winner(const Entry& left, const Entry& right) {
  if (!left.choice || !right.choice) return left.choice.has_value() == right.choice.has_value();
  return left.choice->finalists.front().config == right.choice->finalists.front().config;
}

}  // namespace

expected<Merged> merge(const Database& into, const std::vector<Entry>& entries) {
  Merged out;
  for (Entry entry : entries) {
    const Merged one = keep_new(entry, into.load(entry.key));
    if (one.added > 0) {
      if (auto ok = into.append(entry); !ok) return ok.error();
    }
    out.added += one.added;
    out.known += one.known;
  }
  return out;
}

std::vector<Difference> diff(const std::vector<Entry>& left, const std::vector<Entry>& right) {
  std::vector<Difference> out;
  const auto lefts = by_key(left);
  const auto rights = by_key(right);
  auto keys = lefts;
  keys.insert(rights.begin(), rights.end());
  for (const auto& [name, any] : keys) {
    const auto a = lefts.find(name);
    const auto b = rights.find(name);
    if (b == rights.end()) {
      out.push_back({any->key, "only in A", brief(*any), ""});
    } else if (a == lefts.end()) {
      out.push_back({any->key, "only in B", "", brief(*any)});
    } else {
      const Entry& x = *a->second;
      const Entry& y = *b->second;
      if (!same_winner(x, y)) out.push_back({any->key, "winner", winner_text(x), winner_text(y)});
      if (pin_text(x) != pin_text(y)) out.push_back({any->key, "pin", pin_text(x), pin_text(y)});
    }
  }
  return out;
}

}  // namespace osdn::autotune
