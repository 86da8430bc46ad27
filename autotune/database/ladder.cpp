#include "autotune/database/ladder.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace osdn::autotune {
namespace {

std::string date(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (::gmtime_r(&time, &parts) == nullptr) return "an unknown day";
  return fmt::format("{:%Y-%m-%d}", parts);
}

bool same_kind(const GpuKey& a, const GpuKey& b) {
  return a.arch == b.arch && a.emulated == b.emulated;
}

/// Whether a configuration may be used here and now: legal, its kernels as they were, and not known to be wrong.
class Fitness {
 public:
  Fitness(const Problem& problem, const generator::Architecture& architecture)
      : problem_(problem), architecture_(architecture) {}

  /// What went wrong with a configuration on this compute capability is wrong of it everywhere.
  void learn(const Entry& entry, const Bucket& bucket) {
    for (const Trial& trial : entry.trials) {
      if (!fails_at(trial, bucket)) continue;
      failures_.emplace(to_string(trial.config) + trial.sources,
                        fmt::format("a trial of {} says {}{}{}", date(trial.circumstances.when), name(trial.outcome),
                                    trial.reason.empty() ? "" : ": ", trial.reason));
    }
  }

  /// Why it may not; empty: it may. `sources`: of the kernels that were measured; empty: whichever they are now.
  [[nodiscard]] std::string refusal(const Config& config, const std::string& sources) {
    const Kernels& now = kernels(config);
    if (!now.illegal.empty()) return "not legal here: " + now.illegal;
    if (!sources.empty() && sources != now.hash) return "its kernels have changed since";
    const auto failure = failures_.find(to_string(config) + now.hash);
    return failure == failures_.end() ? std::string() : failure->second;
  }

 private:
  struct Kernels {
    std::string hash;
    std::string illegal;
  };
  const Kernels& kernels(const Config& config) {
    const auto [found, first] = known_.try_emplace(to_string(config));
    if (first) {
      const auto plan = generator::plan(problem_, config, architecture_);
      if (plan)
        found->second.hash = source_hash(*plan);
      else
        found->second.illegal = plan.error().message;
    }
    return found->second;
  }

  const Problem& problem_;
  const generator::Architecture& architecture_;
  std::map<std::string, Kernels> known_;
  std::map<std::string, std::string> failures_;
};

std::string seconds_text(double seconds) {
  if (seconds >= 1) return fmt::format("{:.3g} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.3g} ms", seconds * 1e3);
  return fmt::format("{:.3g} us", seconds * 1e6);
}

/// `1.37 times as fast as the default (12.3 us; modelled)`
std::string gain(const Finalist& winner, const Choice& choice) {
  const char* modelled = choice.circumstances.stopwatch == "modelled" ? ", modelled" : "";
  if (winner.config == choice.default_config) {
    return fmt::format("the default itself ({}{})", seconds_text(winner.median_seconds), modelled);
  }
  if (winner.ratio <= 0) return seconds_text(winner.median_seconds) + modelled;
  return fmt::format("{:.3g} times as fast as the default ({}{})", 1 / winner.ratio,
                     seconds_text(winner.median_seconds), modelled);
}

/// One look-up: what it looks for, what it has learned, what it passed by.
class Climb {
 public:
  Climb(const Database& database, const Problem& problem, const Shape& shape, const GpuKey& gpu,
        const generator::Architecture& architecture, bool deterministic)
      : database_(database),
        deterministic_(deterministic),
        here_{problem, bucket_of(shape), gpu},
        architecture_(architecture),
        fitness_(here_.problem, architecture) {
    for (const Key& key : database_.keys(&problem)) {
      if (same_kind(key.gpu, gpu)) entries_.push_back(database_.load(key));
    }
    for (Entry& entry : database_.shipped(&problem)) {
      if (same_kind(entry.key.gpu, gpu)) shipped_.push_back(std::move(entry));
    }
    // What is found on this machine while it runs must not change a deterministic answer.
    for (const Entry& entry : entries_) {
      if (!deterministic_) fitness_.learn(entry, here_.bucket);
    }
    for (const Entry& entry : shipped_) fitness_.learn(entry, here_.bucket);
    std::stable_sort(entries_.begin(), entries_.end(), [this](const Entry& a, const Entry& b) { return nearer(a, b); });
    std::stable_sort(shipped_.begin(), shipped_.end(), [this](const Entry& a, const Entry& b) { return nearer(a, b); });
  }

  expected<LookUp> run() {
    if (pinned()) return out_;
    if (!deterministic_ && (exact() || nearest_bucket() || arch_family())) return out_;
    if (shipped()) return out_;
    return heuristic();
  }

 private:
  /// This GPU first, then by sizes, then by how alike the GPUs are; the rest only makes the order total.
  bool nearer(const Entry& a, const Entry& b) const {
    const auto order = [this](const Key& key) {
      return std::tuple(key.gpu != here_.gpu, distance(key.bucket, here_.bucket), -key.bucket.tokens, -key.bucket.heads,
                        std::abs(key.gpu.multiprocessors - here_.gpu.multiprocessors), to_string(key.gpu));
    };
    return order(a.key) < order(b.key);
  }

  bool pass_by(TuningSource rung, std::string why) {
    out_.passed_by.push_back(fmt::format("{}: {}", name(rung), why));
    return false;
  }

  bool take_pin(TuningSource rung, const Entry& entry, std::string_view where) {
    if (const std::string why = fitness_.refusal(entry.pin->config, {}); !why.empty()) {
      return pass_by(rung, fmt::format("the pinned {} is passed by: {}", to_string(entry.pin->config), why));
    }
    out_.config = entry.pin->config;
    out_.source = rung;
    out_.entry = entry.key;
    out_.explanation = fmt::format("pinned{} on {} for {} on {}", where, date(entry.pin->when),
                                   to_string(entry.key.bucket), to_string(entry.key.gpu));
    return true;
  }

  /// The first finalist of an entry's choice that may be used.
  bool take_choice(TuningSource rung, const Entry& entry, const std::string& where) {
    if (!entry.choice) {
      return pass_by(rung, fmt::format("{}: {} trials but no choice: its sweep has not come to its end", where,
                                       entry.trials.size()));
    }
    const auto& finalists = entry.choice->finalists;
    auto found = finalists.end();
    for (auto at = finalists.begin(); at != finalists.end(); ++at) {
      std::string why = fitness_.refusal(at->config, at->sources);
      // Behind a winner that has fallen out: what was slower than the default has no claim.
      if (why.empty() && at != finalists.begin() && at->ratio > 1 && found == finalists.end()) {
        why = "it was slower than the default";
      }
      if (why.empty() && found != finalists.end()) {
        out_.runner_up = *at;
        break;
      }
      if (why.empty()) found = at;
      if (found == finalists.end()) pass_by(rung, fmt::format("{}: {}: {}", where, to_string(at->config), why));
    }
    if (found == finalists.end()) return false;
    out_.config = found->config;
    out_.source = rung;
    out_.entry = entry.key;
    out_.winner = *found;
    const auto usual = std::find_if(finalists.begin(), finalists.end(), [&entry](const Finalist& finalist) {
      return finalist.config == entry.choice->default_config;
    });
    if (usual != finalists.end()) out_.usual = *usual;
    out_.explanation =
        fmt::format("{} on {}: {}", where, date(entry.choice->circumstances.when), gain(*found, *entry.choice));
    return true;
  }

  bool pinned() {
    for (const Entry& entry : entries_) {
      if (entry.key == here_ && entry.pin) return take_pin(TuningSource::pinned, entry, "");
    }
    return pass_by(TuningSource::pinned,
                   fmt::format("nothing is pinned for {} on {}", to_string(here_.bucket), to_string(here_.gpu)));
  }

  bool exact() {
    for (const Entry& entry : entries_) {
      if (!(entry.key == here_)) continue;
      if (entry.lines == 0 || (!entry.choice && entry.trials.empty())) break;  // nothing but a pin
      return take_choice(TuningSource::exact, entry, "tuned for these sizes on this GPU");
    }
    return pass_by(TuningSource::exact, fmt::format("{} is not tuned on this GPU", to_string(here_.bucket)));
  }

  template <class Of, class Where>
  bool first_of(TuningSource rung, const std::vector<Entry>& entries, Of of, Where where, const char* none) {
    bool any = false;
    for (const Entry& entry : entries) {
      if (!of(entry.key) || (!entry.choice && entry.trials.empty())) continue;
      any = true;
      if (take_choice(rung, entry, where(entry.key))) return true;
    }
    return any ? false : pass_by(rung, none);
  }

  bool nearest_bucket() {
    return first_of(
        TuningSource::nearest_bucket, entries_,
        [this](const Key& key) { return key.gpu == here_.gpu && key.bucket != here_.bucket; },
        [](const Key& key) { return fmt::format("tuned for {} on this GPU", to_string(key.bucket)); },
        "no other sizes of this problem are tuned on this GPU");
  }

  bool arch_family() {
    return first_of(
        TuningSource::arch_family, entries_, [this](const Key& key) { return key.gpu != here_.gpu; },
        [](const Key& key) { return fmt::format("tuned for {} on {}", to_string(key.bucket), to_string(key.gpu)); },
        here_.gpu.emulated ? "no other emulated GPU of this compute capability has tuned this problem"
                           : "no other GPU of this compute capability has tuned this problem");
  }

  bool shipped() {
    for (const Entry& entry : shipped_) {
      if (entry.key == here_ && entry.pin && take_pin(TuningSource::shipped, entry, " in " + entry.origin)) return true;
    }
    bool any = false;
    for (const Entry& entry : shipped_) {
      if (!entry.choice) continue;  // trials alone are no advice
      any = true;
      const std::string where = fmt::format("{} says: tuned for {} on {}", entry.origin, to_string(entry.key.bucket),
                                            to_string(entry.key.gpu));
      if (take_choice(TuningSource::shipped, entry, where)) return true;
    }
    return any ? false
               : pass_by(TuningSource::shipped,
                         "no read-only file and none of the library's own entries has this problem for this compute "
                         "capability");
  }

  expected<LookUp> heuristic() {
    auto config = generator::default_config(here_.problem, architecture_, typical_shape(here_.bucket));
    if (!config) return config.error();
    out_.config = *config;
    out_.source = TuningSource::heuristic;
    out_.explanation = "the default configuration: nothing that may be used is known of this problem here";
    if (const std::string why = fitness_.refusal(*config, {}); !why.empty()) {
      out_.explanation += fmt::format("; beware, {}: tune it, or pin another", why);
    }
    return out_;
  }

  const Database& database_;
  const bool deterministic_;
  const Key here_;
  const generator::Architecture& architecture_;
  Fitness fitness_;
  std::vector<Entry> entries_;
  std::vector<Entry> shipped_;
  LookUp out_;
};

}  // namespace

expected<LookUp> look_up(const Database& database, const Problem& given, const Shape& shape, const GpuKey& gpu,
                         const generator::Architecture& architecture, bool deterministic) {
  const auto problem = canonical(given);
  if (!problem) return problem.error();
  return Climb(database, *problem, shape, gpu, architecture, deterministic).run();
}

std::string current_hash(const Problem& problem, const Config& config, const generator::Architecture& architecture) {
  const auto plan = generator::plan(problem, config, architecture);
  return plan ? source_hash(*plan) : std::string();
}

}  // namespace osdn::autotune
