// Hyperparameters: numbers that are arguments of a launch, and the published presets.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "osdn/export.h"
#include "osdn/problem.hpp"

namespace osdn {

struct Hyperparameters {
  float eta = 0.003F;  ///< step of the hypergradient, ≥ 0
  float d_min = 0.5F;  ///< clip of d: 0 ≤ d_min ≤ d_max
  float d_max = 2.0F;
  float norm_eps = 1e-6F;        ///< ε of Norm::max and Norm::add, > 0; unused with Norm::one
  float anchor = 0.0F;           ///< ρ, what d forgets towards; may lie outside the clip
  float log_gamma = 0.0F;        ///< log γ ≤ 0 of Apf::constant; unused otherwise
  std::optional<float> scale{};  ///< factor of o; K^{-1/2} when absent

  friend bool operator==(const Hyperparameters&, const Hyperparameters&) = default;
};

/// Checks ranges as documented above for this problem. Errors: invalid_argument naming the field.
OSDN_API expected<void> validate(const Hyperparameters& hyperparameters, const Problem& problem);

/// A published setting: what it fixes of a Problem and of the Hyperparameters.
struct Preset {
  std::string_view name;    ///< "paper", "release-340m", "release-1.3b"
  std::string_view source;  ///< where it was published
  bool beta_aware;
  Norm norm;
  Apf apf;  ///< what it is usually run with
  Hyperparameters hyperparameters;
};

[[nodiscard]] OSDN_API std::span<const Preset> presets();

/// Errors: invalid_argument listing the known names.
OSDN_API expected<Preset> find_preset(std::string_view name);

}  // namespace osdn
