#include "made_up.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>

#include "generator/plan.hpp"

namespace osdn::test {

using namespace autotune;

namespace {

constexpr std::int64_t first_day = 1'763'700'000;

/// Even in [0, 1) on every library, unlike std::uniform_real_distribution.
double even(std::mt19937_64& random) {
  return static_cast<double>(random() >> 11) * 0x1p-53;
}

double noise(std::mt19937_64& random, double size) {
  double sum = 0;
  for (int i = 0; i < 6; ++i) sum += even(random);
  return 1 + size * (sum - 3);
}

/// Seconds; the shape of it is made up: a valley in every parameter, and steps where parameters meet.
double formula(const Problem& problem, const Config& config, double token_heads) {
  double out = 1.1e-9 * token_heads;
  out *= 1 + 0.35 * std::pow(std::log2(config.chunk / 48.0), 2);
  out *= 1 + 0.16 * std::pow(std::log2(config.warps * config.value_split / 9.0), 2);
  out *= config.stages == 2 ? 0.88 : config.stages == 3 && config.chunk > 32 ? 1.35 : 1.0;
  out *= 1 + 0.22 * std::pow(std::log2(config.value_split / 2.2), 2);
  if (config.inverse == InverseAlgorithm::substitution) out *= 1 + config.chunk / 90.0;
  if (problem.precondition == Precondition::osdn) {
    out *= config.preconditioner == PreconditionerAlgorithm::serial ? 1.3 : 1.0;
    out *= 1 + 0.05 * std::pow(std::log2(config.preconditioner_warps / 4.0), 2);
  }
  return out;
}

Resources resources_of(const Config& config) {
  Resources out;
  out.registers = 40 + config.chunk + 8 * config.stages;
  out.spill_bytes = out.registers > 180 ? 16 : 0;
  out.shared_bytes = static_cast<std::size_t>(config.chunk) * 512 * static_cast<std::size_t>(config.stages + 1);
  out.threads = 32 * (config.warps + config.preconditioner_warps);
  out.workspace_bytes = 4'325'376;
  out.compile_ms = 180 + 4.0 * config.chunk + 11.5 * config.warps;
  return out;
}

void refuse_some(Trial& trial, std::mt19937_64& random) {
  const double fate = even(random);
  if (fate > 0.06) return;
  if (fate < 0.02) {
    trial.outcome = Outcome::refused;
    trial.reason = "the delta rule kernel needs 96 bytes of local memory per thread; 64 are allowed";
  } else if (fate < 0.035) {
    trial.outcome = Outcome::wrong;
    trial.reason = fmt::format("o: error {:.2g} of at most 1.6e-2 (equal keys, beta = 1)", 0.02 + even(random));
  } else if (fate < 0.045) {
    trial.outcome = Outcome::not_repeatable;
    trial.reason = "o differed in 3 of 65,536 elements between two runs (ragged tail)";
  } else if (fate < 0.055) {
    trial.outcome = Outcome::out_of_bounds;
    trial.reason = "wrote 64 bytes behind final_state (ragged tail)";
  } else {
    trial.outcome = Outcome::hung;
    trial.reason = "was not done after 60 s";
  }
}

Finalist finalist_of(const Trial& trial, double usual, std::mt19937_64& random, int samples) {
  Finalist out;
  out.config = trial.config;
  out.sources = trial.sources;
  out.resources = trial.resources;
  for (int i = 0; i < samples; ++i) {
    out.samples.push_back(trial.median_seconds * (samples == 1 ? 1 : noise(random, 0.008)));
  }
  auto sorted = out.samples;
  std::sort(sorted.begin(), sorted.end());
  out.median_seconds = sorted[sorted.size() / 2];
  out.spread = (sorted[sorted.size() * 3 / 4] - sorted[sorted.size() / 4]) / 2 / out.median_seconds;
  out.ratio = out.median_seconds / usual;
  const double half = samples == 1 ? 0 : 1.6 * out.spread / std::sqrt(static_cast<double>(samples));
  out.ratio_low = out.ratio * (1 - half);
  out.ratio_high = out.ratio * (1 + half);
  return out;
}

void choose(Entry& entry, const Config& usual, const MadeUp& how, std::mt19937_64& random) {
  std::vector<Trial> passed;
  for (const Trial& trial : entry.trials) {
    if (trial.outcome == Outcome::passed) passed.push_back(trial);
  }
  std::stable_sort(passed.begin(), passed.end(), [](const Trial& a, const Trial& b) { return a.ratio < b.ratio; });
  Choice choice;
  choice.shape = entry.trials.front().shape;
  choice.default_config = usual;
  choice.seed = how.seed;
  choice.strategy = entry.trials.size() > 500 ? "random+descent" : "exhaustive";
  const int samples = how.emulated ? 1 : how.samples;
  const auto is_default = [&](const Trial& trial) { return trial.config == usual; };
  const auto standard = std::find_if(passed.begin(), passed.end(), is_default);
  const double base = standard->median_seconds;
  for (std::size_t i = 0; i < std::min<std::size_t>(4, passed.size()); ++i) {
    choice.finalists.push_back(finalist_of(passed[i], base, random, samples));
  }
  if (standard - passed.begin() >= 4) choice.finalists.push_back(finalist_of(*standard, base, random, samples));
  choice.tried = static_cast<std::int64_t>(entry.trials.size());
  choice.candidates = choice.tried + choice.tried / 7;
  choice.gated_out = choice.tried - static_cast<std::int64_t>(passed.size());
  choice.discarded = how.emulated ? 0 : 7;
  choice.ended = how.emulated ? "separated" : "within noise";
  choice.circumstances = entry.trials.front().circumstances;
  entry.choice = choice;
}

}  // namespace

GpuKey h200() {
  return {"NVIDIA H200", 132, 90, 3200, false};
}

GpuKey emulated_gpu(int arch, int multiprocessors) {
  return {fmt::format("osdn emulator (sm_{})", arch), multiprocessors, arch, 1600, true};
}

Entry made_up_entry(const Problem& problem, const Shape& shape, const GpuKey& gpu, const MadeUp& how) {
  Entry entry;
  entry.key = {canonical(problem).value_or_throw(), bucket_of(shape), gpu};
  entry.origin = "tuning/v1/made-up.jsonl";
  const auto architecture = generator::find_architecture(fmt::format("sm_{}", gpu.arch)).value_or_throw();
  const Config usual = generator::default_config(problem, architecture).value_or_throw();
  std::vector<Config> legal{usual};
  for (const auto& candidate : generator::configuration_space(problem, architecture).value_or_throw()) {
    if (candidate.refusal.empty() && candidate.config != usual) legal.push_back(candidate.config);
  }
  std::mt19937_64 random(how.seed);
  for (std::size_t i = legal.size() - 1; i > 1; --i) std::swap(legal[i], legal[1 + random() % i]);
  if (how.most != 0) legal.resize(std::min(how.most, legal.size()));
  const double token_heads = static_cast<double>(shape.b * shape.t * shape.hv);
  for (const Config& config : legal) {
    Trial trial;
    trial.config = config;
    trial.sources = "0123456789abcdef0123456789abcdef";
    trial.shape = shape;
    trial.resources = resources_of(config);
    trial.circumstances = {first_day + static_cast<std::int64_t>(how.seed) * 86'400, 12080, 12080, "0.1.0",
                           how.emulated ? "modelled" : "events"};
    if (config != usual) refuse_some(trial, random);
    if (trial.outcome == Outcome::passed) {
      trial.median_seconds = formula(problem, config, token_heads) * (how.emulated ? 6 : noise(random, 0.02));
      trial.ratio =
          trial.median_seconds / (entry.trials.empty() ? trial.median_seconds : entry.trials[0].median_seconds);
      trial.spread = how.emulated ? 0 : 0.004;
      trial.samples = how.emulated ? 1 : 8;
      trial.discarded = random() % 30 == 0 ? 1 : 0;
    }
    entry.trials.push_back(trial);
  }
  entry.lines = static_cast<std::int64_t>(entry.trials.size()) + 1;
  choose(entry, usual, how, random);
  return entry;
}

std::vector<Entry> many_entries() {
  std::vector<Entry> out;
  for (const GpuKey& gpu : {h200(), emulated_gpu(), GpuKey{"NVIDIA RTX 6000 Ada Generation", 142, 89, 10000, false}}) {
    for (const int k : {64, 128}) {
      for (const Apf apf : {Apf::none, Apf::per_token, Apf::per_channel}) {
        for (const std::int64_t t : {std::int64_t{512}, std::int64_t{8192}}) {
          const MadeUp how{.most = 40, .emulated = gpu.emulated, .seed = out.size() + 1};
          const Problem problem{.k = k, .v = k, .apf = apf};
          out.push_back(made_up_entry(problem, {.b = 1, .t = t, .h = 16, .hv = 32}, gpu, how));
        }
      }
    }
  }
  out[1].pin = Pin{out[1].choice->finalists[0].config, first_day};
  out[2].earlier = {*out[0].choice, *out[1].choice};
  out[3].choice.reset();
  out[4].choice->finalists = {out[4].choice->finalists.back()};
  out[5].damaged = 2;
  return out;
}

std::vector<Entry> odd_entries() {
  const Entry usual = made_up_entry({.k = 64, .v = 64}, {.b = 1, .t = 512, .h = 2, .hv = 2}, h200(), {.most = 20});
  std::vector<Entry> out(8, usual);
  out[0].choice.reset();
  out[0].trials.clear();
  out[0].pin = Pin{usual.trials[0].config, 0};
  out[1].choice->finalists.clear();
  out[2].trials.clear();
  std::erase_if(out[3].choice->finalists, [&](const Finalist& one) { return one.config == usual.trials[0].config; });
  for (Finalist& finalist : out[4].choice->finalists) {
    finalist.median_seconds = finalist.ratio_low = finalist.ratio_high = 0;
    finalist.ratio = std::nan("");
    finalist.samples.clear();
  }
  for (Trial& trial : out[5].trials) trial.outcome = Outcome::wrong;
  out[6].trials.resize(1);
  out[7].choice->shape.t = 0;
  for (std::size_t i = 0; i < out.size(); ++i) out[i].origin = fmt::format("odd-{}.jsonl", i);
  return out;
}

Entry hostile_entry() {
  Entry entry = made_up_entry(
      {.k = 64, .v = 64}, {.b = 1, .t = 512, .h = 2, .hv = 2},
      {"</script><script>document.title='owned'</script><!--<img src=x onerror=alert(1)>", 1, 90, 100, false},
      {.most = 30});
  entry.origin = "\"><svg onload=alert(2)>\xe2\x80\xa8&amp;{{data}}.jsonl";
  entry.trials[3].outcome = Outcome::wrong;
  entry.trials[3].reason =
      "</td><b onmouseover=\"alert(3)\">]]> \\u003c \xff not UTF-8 \x01 \xe2\x80\xa9 " + std::string(300, 'x');
  entry.choice->circumstances.library_version = "<i>0.1</i>";
  entry.choice->ended = "__proto__";
  entry.choice->strategy = "<!--";
  entry.trials[5].ratio = std::nan("");
  entry.trials[6].median_seconds = INFINITY;
  return entry;
}

}  // namespace osdn::test
