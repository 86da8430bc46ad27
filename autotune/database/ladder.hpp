// Which configuration a problem and shape get on a GPU, and why: the look-up ladder.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "autotune/database/database.hpp"
#include "generator/architecture.hpp"
#include "osdn/tuner.hpp"

namespace osdn::autotune {

struct LookUp {
  Config config;
  TuningSource source = TuningSource::heuristic;
  std::string explanation;             ///< one sentence
  std::optional<Key> entry;            ///< whose; none for the heuristic
  std::optional<Finalist> winner;      ///< the record that was used; none for pins and the heuristic
  std::optional<Finalist> runner_up;   ///< the next of the same choice whose kernels are current
  std::optional<Finalist> usual;       ///< the default in that choice
  std::vector<std::string> passed_by;  ///< rungs looked at and not taken, one sentence each ("exact: its kernels …")
};

/// Climbs down: pinned, exact, nearest bucket (ties: more tokens, then more heads), same compute capability (nearest
/// bucket first, then most alike in SM count), shipped (this GPU, then this compute capability), the default. An entry
/// counts when its configuration is legal on this architecture, its source hash is that of the kernels as they are now
/// (else the next finalist of the same choice that is), and no trial on this compute capability says that it is wrong.
/// `deterministic`: pinned and shipped only. Emulated and real GPUs never serve each other.
/// Errors: those of generator::default_config.
expected<LookUp> look_up(const Database& database, const Problem& problem, const Shape& shape, const GpuKey& gpu,
                         const generator::Architecture& architecture, bool deterministic);

/// The hash of a configuration's kernels as this library writes them; empty when it is not legal here.
[[nodiscard]] std::string current_hash(const Problem& problem, const Config& config,
                                       const generator::Architecture& architecture);

}  // namespace osdn::autotune
