#include "autotune/sweep/tryout.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "autotune/search/race.hpp"
#include "autotune/sweep/prospects.hpp"

namespace osdn::autotune {
namespace {

// A batch is timed in common rounds; a sample that never varies needs no company.
constexpr std::size_t batch_of_samples = 16;
constexpr std::size_t batch_of_models = 4;
// Rounds in which every default was disturbed are taken again, a few times.
constexpr int attempts = 4;

double waves_of(const SweepOptions& options, const Config& config, const Resources& resources) {
  const auto plan = generator::plan(options.key.problem, config, options.architecture);
  return plan ? waves(*plan, resources, options.shape) : 0;
}

}  // namespace

Tryout::Tryout(Laboratory& laboratory, Ledger& ledger, Search& search, const Space& space, const SweepOptions& options,
               const Clock& clock)
    : laboratory_(laboratory),
      ledger_(ledger),
      search_(search),
      space_(space),
      options_(options),
      clock_(clock),
      batch_(laboratory.deterministic() ? batch_of_models : batch_of_samples),
      compile_ahead_(laboratory) {}

expected<void> Tryout::run() {
  report("compiling");
  while (!spent()) {
    std::vector<Candidate> batch = next_batch();
    if (lost_) return *lost_;
    if (batch.empty()) break;
    if (auto done = time(std::move(batch)); !done) return done;
  }
  return {};
}

bool Tryout::spent_with(std::size_t batched) const {
  const auto tried = tried_anew_ + static_cast<std::int64_t>(batched);
  return options_.budget.trials > 0 && tried >= options_.budget.trials;
}

bool Tryout::spent() const {
  return clock_.trials_out_of_time() || spent_with(0);
}

/// Whoever won before runs again, whatever is asked: no sweep may forget what an earlier one found.
void Tryout::enter_incumbents() {
  const auto& before = ledger_.choice();
  if (!before) return;
  for (const Finalist& finalist : before->finalists) {
    if (finalist.config == space_.usual || finalist.sources != ledger_.sources(finalist.config)) continue;
    if (take_over(finalist.config)) continue;
    // The default comes first: all are measured by it.
    queue_.insert(queue_.begin() + (queue_.empty() ? 0 : 1), {finalist.config, compile_ahead_.submit(finalist.config)});
    incumbent_ = finalist.config;
    return;
  }
}

void Tryout::refill() {
  if (!entered_) {
    entered_ = true;
    for (const Config& config : search_.ask(1)) {
      if (!take_over(config)) queue_.push_back({config, compile_ahead_.submit(config)});
    }
    enter_incumbents();
  }
  const std::size_t ahead = 2 * batch_ + static_cast<std::size_t>(std::max(1, laboratory_.compilers()));
  while (queue_.size() < ahead) {
    const std::vector<Config> asked = search_.ask(ahead - queue_.size());
    if (asked.empty()) return;
    for (const Config& config : asked) {
      // The search is told of the incumbent when it is settled, whether it has asked or not.
      if (config != incumbent_ && !take_over(config)) queue_.push_back({config, compile_ahead_.submit(config)});
    }
  }
}

bool Tryout::take_over(const Config& config) {
  const Trial* known = ledger_.take_over(config);
  if (known == nullptr) return false;
  ++settled_;
  const bool passed = known->outcome == Outcome::passed;
  if (passed && (!baseline_ || config == space_.usual)) {
    baseline_ = config;
    baseline_seconds_ = known->median_seconds;
    waves_of_default_ = waves_of(options_, config, known->resources);
  }
  if (passed && (best_seconds_ == 0 || known->median_seconds < best_seconds_)) best_seconds_ = known->median_seconds;
  search_.tell(config, passed ? std::optional<double>(known->ratio) : std::nullopt);
  return true;
}

std::vector<Tryout::Candidate> Tryout::next_batch() {
  std::vector<Candidate> batch;
  refill();
  // What is put off is tried when nothing else is left: also when the search waits for its answer.
  const bool put_off = !queue_.empty();
  if (!put_off) std::move(later_.begin(), later_.end(), std::back_inserter(queue_));
  if (!put_off) later_.clear();
  while (batch.size() < batch_ && !clock_.trials_out_of_time() && !spent_with(batch.size()) && !lost_) {
    if (queue_.empty()) refill();
    if (queue_.empty() && batch.empty() && !later_.empty() && put_off) return next_batch();
    if (queue_.empty()) break;
    Candidate candidate = std::move(queue_.front());
    queue_.pop_front();
    if (ready(candidate, put_off)) batch.push_back(std::move(candidate));
  }
  return batch;
}

bool Tryout::ready(Candidate& candidate, bool put_off_hopeless) {
  if (candidate.compiling.valid()) {
    if (!await(candidate.compiling)) return false;
    Compiled compiled = candidate.compiling.get();
    candidate.resources = compiled.resources;
    if (compiled.verdict.outcome != Outcome::passed) {
      fail(candidate, compiled.verdict);
      return false;
    }
  }
  if (candidate.config == space_.usual) {
    waves_of_default_ = waves_of(options_, candidate.config, candidate.resources);
  } else if (put_off_hopeless && looks_hopeless(candidate)) {
    later_.push_back(std::move(candidate));
    return false;
  }
  report("checking");
  const Verdict verdict = laboratory_.gate(candidate.config);
  if (verdict.outcome != Outcome::passed) {
    fail(candidate, verdict);
    return false;
  }
  if (!baseline_ || candidate.config == space_.usual) {
    baseline_ = candidate.config;
    baseline_seconds_ = 0;  // those of another that stood in for it
  }
  return true;
}

bool Tryout::await(std::future<Compiled>& compiling) const {
  while (compiling.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
    if (clock_.trials_out_of_time()) return false;
  }
  return true;
}

bool Tryout::looks_hopeless(const Candidate& candidate) const {
  return hopeless(candidate.resources, waves_of(options_, candidate.config, candidate.resources), waves_of_default_);
}

expected<void> Tryout::time(std::vector<Candidate> batch) {
  report("timing");
  for (int attempt = 0; attempt < attempts && !batch.empty();) {
    const std::size_t before = batch.size();
    auto done = time_once(batch);
    if (!done) return done.error();
    if (lost_) return *lost_;
    if (*done) return {};
    // Each that broke is one less: the others lose no attempt by it.
    if (batch.size() == before) ++attempt;
  }
  // Never undisturbed: nothing is known of them, and nothing is written down.
  for (const Candidate& candidate : batch) search_.tell(candidate.config, std::nullopt);
  return {};
}

/// True when the batch is settled. A candidate that broke is settled and taken out.
expected<bool> Tryout::time_once(std::vector<Candidate>& batch) {
  const bool alone = laboratory_.deterministic() && baseline_seconds_ > 0;
  std::vector<Config> configs;
  if (!alone) configs.push_back(*baseline_);
  std::vector<std::size_t> column;  // of each candidate
  for (const Candidate& candidate : batch) {
    const bool is_baseline = !alone && candidate.config == *baseline_;
    column.push_back(is_baseline ? 0 : configs.size());
    if (!is_baseline) configs.push_back(candidate.config);
  }
  const RaceOptions usual;
  auto measured = laboratory_.measure(configs, laboratory_.deterministic() ? 1 : usual.first_rounds);
  if (!measured) return measured.error();
  if (measured->broken) {
    const Config guilty = configs[measured->broken->index];
    const auto at = std::find_if(batch.begin(), batch.end(), [&](const Candidate& c) { return c.config == guilty; });
    const Candidate unknown{guilty, {}};
    fail(at == batch.end() ? unknown : *at, measured->broken->verdict);
    if (at != batch.end()) batch.erase(at);
    // What broke is timed no more, as a measure neither: the next that passes takes its place.
    if (guilty == *baseline_) baseline_ = batch.empty() ? std::nullopt : std::optional(batch.front().config);
    return batch.empty();
  }
  if (alone) {
    for (auto& round : measured->rounds) round.insert(round.begin(), baseline_seconds_);
    for (std::size_t& at : column) ++at;
  }
  const std::vector<Sampled> samples = summarize(measured->rounds, usual.disturbed);
  if (samples.empty() || samples[0].samples == 0) return false;
  if (laboratory_.deterministic()) baseline_seconds_ = samples[0].median_seconds;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Sampled& sampled = samples[column[i]];
    Trial trial = blank(batch[i].config, batch[i].resources);
    trial.median_seconds = sampled.median_seconds;
    trial.spread = sampled.spread;
    trial.samples = sampled.samples;
    trial.discarded = sampled.discarded;
    trial.ratio = sampled.ratio;
    settle(batch[i], std::move(trial));
  }
  report("timing");
  return true;
}

void Tryout::fail(const Candidate& candidate, const Verdict& verdict) {
  if (verdict.laboratory_lost) {
    lost_ = Error{ErrorCode::io, "candidates can no longer be tried: " + verdict.reason, {}};
    return;
  }
  Trial trial = blank(candidate.config, candidate.resources);
  trial.outcome = verdict.outcome;
  trial.reason = verdict.reason;
  settle(candidate, std::move(trial));
}

void Tryout::settle(const Candidate& candidate, Trial trial) {
  const bool passed = trial.outcome == Outcome::passed;
  if (passed && (best_seconds_ == 0 || trial.median_seconds < best_seconds_)) best_seconds_ = trial.median_seconds;
  const std::optional<double> time = passed ? std::optional<double>(trial.ratio) : std::nullopt;
  const Trial* recorded = ledger_.record(std::move(trial));
  if (recorded != nullptr && options_.settled) options_.settled(*recorded);
  ++settled_;
  ++tried_anew_;
  search_.tell(candidate.config, time);
  if (!passed) report("checking");
}

Trial Tryout::blank(const Config& config, const Resources& resources) {
  Trial trial;
  trial.config = config;
  trial.sources = ledger_.sources(config);
  trial.shape = options_.shape;
  trial.resources = resources;
  if (const auto plan = generator::plan(options_.key.problem, config, options_.architecture)) {
    trial.resources.workspace_bytes = plan->workspace(options_.shape).bytes;
  }
  trial.circumstances = options_.circumstances;
  trial.circumstances.when = ledger_.now();
  return trial;
}

void Tryout::report(const char* phase) const {
  if (!options_.progress) return;
  TuningProgress progress;
  progress.problem = options_.key.problem;
  progress.shape = options_.shape;
  progress.done = settled_;
  progress.total = static_cast<std::int64_t>(search_.expected_total());
  const Trial* usual = ledger_.find(space_.usual);
  progress.default_seconds = usual != nullptr ? usual->median_seconds : 0;
  progress.best_seconds = best_seconds_;
  progress.phase = phase;
  progress.seconds_left = -1;
  if (tried_anew_ > 0) {
    const double each = clock_.elapsed() / static_cast<double>(tried_anew_);
    progress.seconds_left = each * static_cast<double>(std::max<std::int64_t>(0, progress.total - settled_));
    if (options_.budget.seconds > 0) {
      progress.seconds_left = std::min(progress.seconds_left, options_.budget.seconds - clock_.elapsed());
    }
  }
  options_.progress(progress);
}

}  // namespace osdn::autotune
