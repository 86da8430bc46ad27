// The configuration space: the default, and every candidate with its refusal.
#include <algorithm>
#include <bit>
#include <span>
#include <vector>

#include "generator/constraints.hpp"
#include "generator/plan.hpp"

namespace osdn::generator {
namespace {

constexpr int chunks[] = {16, 32, 64, 128};
constexpr int warps[] = {1, 2, 4, 8, 16};
constexpr int stages[] = {1, 2, 3};
constexpr int preconditioner_warps[] = {1, 2, 4, 8};
constexpr int segments[] = {512, 1024, 2048, 4096};
constexpr PreconditionerAlgorithm preconditioners[] = {
    PreconditionerAlgorithm::serial, PreconditionerAlgorithm::parallel, PreconditionerAlgorithm::chunked};
constexpr int hopper_warps[] = {4, 8};
constexpr InverseAlgorithm inverses[] = {InverseAlgorithm::substitution, InverseAlgorithm::blocked};

struct PreconditionerChoice {
  PreconditionerAlgorithm algorithm;
  int warps;
};
// The best first.
constexpr PreconditionerChoice default_preconditioners[] = {{PreconditionerAlgorithm::chunked, 8},
                                                            {PreconditionerAlgorithm::chunked, 4},
                                                            {PreconditionerAlgorithm::parallel, 4},
                                                            {PreconditionerAlgorithm::parallel, 2},
                                                            {PreconditionerAlgorithm::parallel, 1}};

// Where there is no preconditioner, its fields stay as they are.
std::span<const PreconditionerChoice> usual_preconditioners(const Problem& problem) {
  static constexpr PreconditionerChoice none[] = {{Config{}.preconditioner, Config{}.preconditioner_warps}};
  if (problem.precondition == Precondition::none) return none;
  return default_preconditioners;
}

// The powers of two, so that a refused one shows why, and what else divides V/16.
std::vector<int> value_splits(const Problem& problem) {
  std::vector<int> out;
  const int tiles = problem.v / 16;
  for (int split = 1; split <= 16; ++split) {
    if (std::has_single_bit(static_cast<unsigned>(split)) || tiles % split == 0) out.push_back(split);
  }
  return out;
}

// What the preconditioner phase is configured with; one arbitrary entry when there is none.
std::vector<Config> preconditioner_choices(const Problem& problem) {
  if (problem.precondition == Precondition::none) return {Config{}};
  std::vector<Config> out;
  for (const auto algorithm : preconditioners) {
    for (const int count : preconditioner_warps) {
      Config config;
      config.preconditioner = algorithm;
      config.preconditioner_warps = count;
      out.push_back(config);
    }
  }
  return out;
}

Candidate candidate(const Problem& problem, const Config& config, const Architecture& architecture) {
  const auto ok = check(problem, config, architecture);
  return ok ? Candidate{config, {}, {}} : Candidate{config, ok.error().message, ok.error().context};
}

// Those of the Hopper schedules, with what they do not choose at its only value.
void add_hopper(std::vector<Candidate>& out, const Problem& problem, const Architecture& architecture) {
  for (const int count : hopper_warps)
    for (const int depth : stages)
      for (const int split : value_splits(problem))
        for (Config config : preconditioner_choices(problem))
          for (const auto schedule : {Schedule::hopper, Schedule::hopper_fused}) {
            config.schedule = schedule;
            config.warps = count;
            config.stages = depth;
            config.value_split = split;
            out.push_back(candidate(problem, config, architecture));
          }
}

// The Hopper schedule cut, with the default's preconditioner.
void add_hopper_cuts(std::vector<Candidate>& out, const Problem& problem, const Architecture& architecture,
                     const Shape& shape, const Config& usual) {
  std::vector<Candidate> whole;
  add_hopper(whole, problem, architecture);
  for (const int tokens : segments)
    for (const Candidate& found : whole) {
      Config config = found.config;
      if (config.preconditioner != usual.preconditioner) continue;
      config.cut = Cut::automatic;
      config.segment = tokens;
      if (cutting(problem, config, architecture, shape).cut) out.push_back(candidate(problem, config, architecture));
    }
}

// A warp for every tile of 16 value columns, up to as many as let two CTAs stand on a multiprocessor: one's loads hide
// the other's arithmetic.
expected<Config> default_decode_config(const Problem& problem, const Architecture& architecture) {
  Config config;
  config.warps =
      std::min(problem.k > 128 ? 4 : 8, static_cast<int>(std::bit_ceil(static_cast<unsigned>(problem.v / 16))));
  if (auto ok = check(problem, config, architecture); !ok) return ok.error();
  return config;
}

std::vector<Candidate> decode_space(const Problem& problem, const Architecture& architecture) {
  std::vector<Candidate> out;
  for (const int count : warps)
    for (const int split : value_splits(problem)) {
      Config config;
      config.warps = count;
      config.value_split = split;
      out.push_back(candidate(problem, config, architecture));
    }
  return out;
}

}  // namespace

expected<Config> default_config(const Problem& given, const Architecture& architecture) {
  const auto problem = canonical(given);
  if (!problem) return problem.error();
  if (is_decode(*problem)) return default_decode_config(*problem, architecture);
  const int tiles = problem->v / 16;
  expected<void> last = Error{};
  // Splitting a head further than into blocks of 64 columns repeats the chunk's shared work too often: before that, a
  // smaller chunk.
  for (const int fewest_tiles : {std::min(tiles, 4), 1}) {
    for (const int chunk : {64, 32, 16}) {
      if (chunk == 64 && problem->type == ElementType::fp32) continue;
      for (int split = 1; split <= tiles / fewest_tiles; ++split) {
        if (tiles % split != 0) continue;
        for (const auto& [algorithm, preconditioner_count] : usual_preconditioners(*problem)) {
          Config config;
          config.chunk = chunk;
          config.value_split = split;
          // A warp for every 16 value columns, up to eight.
          config.warps = std::min(8, static_cast<int>(std::bit_ceil(static_cast<unsigned>(tiles / split))));
          config.preconditioner = algorithm;
          config.preconditioner_warps = preconditioner_count;
          last = check(*problem, config, architecture);
          if (last) return config;
        }
      }
    }
  }
  return last.error();
}

expected<Config> default_config(const Problem& problem, const Architecture& architecture, const Shape& shape) {
  auto whole = default_config(problem, architecture);
  if (!whole) return whole;
  Config config = *whole;
  config.cut = Cut::automatic;
  const bool cuts =
      cutting(*canonical(problem), config, architecture, shape).cut && check(*canonical(problem), config, architecture);
  return cuts ? config : whole;
}

expected<std::vector<Candidate>> configuration_space(const Problem& given, const Architecture& architecture) {
  const auto problem = canonical(given);
  if (!problem) return problem.error();
  if (is_decode(*problem)) return decode_space(*problem, architecture);
  const std::vector<Config> choices = preconditioner_choices(*problem);
  std::vector<Candidate> out;
  for (const int chunk : chunks)
    for (const int count : warps)
      for (const int depth : stages)
        for (const int split : value_splits(*problem))
          for (const auto inverse : inverses)
            for (Config config : choices) {
              config.chunk = chunk;
              config.warps = count;
              config.stages = depth;
              config.value_split = split;
              config.inverse = inverse;
              out.push_back(candidate(*problem, config, architecture));
            }
  if (architecture.number == 90) add_hopper(out, *problem, architecture);
  return out;
}

expected<std::vector<Candidate>> configuration_space(const Problem& given, const Architecture& architecture,
                                                     const Shape& shape) {
  auto out = configuration_space(given, architecture);
  if (!out) return out;
  const Problem problem = *canonical(given);
  const auto usual = default_config(problem, architecture);
  if (!usual) return usual.error();
  Config config = *usual;
  config.cut = Cut::automatic;
  const auto add = [&] {
    if (!cutting(problem, config, architecture, shape).cut) return;
    out->push_back(candidate(problem, config, architecture));
  };
  for (const int tokens : segments)
    for (const int chunk : chunks)
      for (const int count : warps)
        for (const int split : value_splits(problem))
          for (const Config& choice : preconditioner_choices(problem)) {
            if (choice.preconditioner != usual->preconditioner) continue;
            config.segment = tokens;
            config.chunk = chunk;
            config.warps = count;
            config.value_split = split;
            config.preconditioner_warps = choice.preconditioner_warps;
            add();
          }
  if (architecture.number == 90) add_hopper_cuts(*out, problem, architecture, shape, *usual);
  return out;
}

}  // namespace osdn::generator
