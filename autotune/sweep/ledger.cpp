#include "autotune/sweep/ledger.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "autotune/database/ladder.hpp"

namespace osdn::autotune {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Clock::Clock(const SweepOptions& options)
    : seconds_(options.budget.seconds), cancelled_(options.cancelled), began_(now()) {}

double Clock::elapsed() const {
  return now() - began_;
}

bool Clock::cancelled() const {
  return cancelled_ && cancelled_();
}

bool Clock::used(double share) const {
  return seconds_ > 0 && elapsed() > share * seconds_;
}

Ledger::Ledger(const Database& database, const SweepOptions& options) : database_(database), options_(options) {
  Entry entry = database.load(options.key);
  choice_ = std::move(entry.choice);
  if (choice_) newest_ = choice_->circumstances.when;
  for (const Trial& trial : entry.trials) newest_ = std::max(newest_, trial.circumstances.when);
  if (options.fresh) return;
  for (const Key& key : database.keys(&options.key.problem)) {
    if (key.gpu.arch != options.key.gpu.arch || key.gpu.emulated != options.key.gpu.emulated) continue;
    if (key == options.key) continue;
    // Times belong to a key; that a kernel is wrong on this architecture is true under every key.
    for (const Trial& trial : database.load(key).trials) {
      if (fails_at(trial, options.key.bucket)) know(trial);
    }
  }
  for (const Trial& trial : entry.trials) {
    const bool same_stopwatch = trial.circumstances.stopwatch == options.circumstances.stopwatch;
    if (trial.outcome != Outcome::passed || same_stopwatch) know(trial);
  }
}

std::int64_t Ledger::now() const {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::max<std::int64_t>(newest_, std::chrono::duration_cast<std::chrono::seconds>(since_1970).count());
}

void Ledger::know(const Trial& trial) {
  if (trial.sources != sources(trial.config)) return;
  known_.insert_or_assign(to_string(trial.config), trial);
}

const std::string& Ledger::sources(const Config& config) {
  auto [at, inserted] = sources_.try_emplace(to_string(config));
  if (inserted) at->second = current_hash(options_.key.problem, config, options_.architecture);
  return at->second;
}

const Trial* Ledger::take_over(const Config& config) {
  if (const Trial* found = find(config)) return found;
  const auto known = known_.find(to_string(config));
  if (known == known_.end()) return nullptr;
  ++taken_over_;
  at_.emplace(known->first, trials_.size());
  trials_.push_back(known->second);
  return &trials_.back();
}

const Trial* Ledger::find(const Config& config) const {
  const auto found = at_.find(to_string(config));
  return found == at_.end() ? nullptr : &trials_[found->second];
}

const Trial* Ledger::record(Trial trial) {
  bool written = database_.refusal().empty();
  if (written) {
    auto result = database_.append(options_.key, trial);
    written = result.has_value();
    if (!written && !unrecorded_) unrecorded_ = result.error();
  }
  const auto [at, inserted] = at_.try_emplace(to_string(trial.config), trials_.size());
  if (inserted)
    trials_.push_back(std::move(trial));
  else
    trials_[at->second] = std::move(trial);
  return written ? &trials_[at->second] : nullptr;
}

void Ledger::record(const Choice& choice) {
  if (!database_.refusal().empty()) return;
  if (auto written = database_.append(options_.key, choice); !written && !unrecorded_) unrecorded_ = written.error();
}

}  // namespace osdn::autotune
