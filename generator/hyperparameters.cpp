#include "osdn/hyperparameters.hpp"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "generator/text.hpp"

namespace osdn {
namespace {

using generator::bad_value;

constexpr Hyperparameters numbers(float eta, float d_min, float d_max) {
  Hyperparameters h;
  h.eta = eta;
  h.d_min = d_min;
  h.d_max = d_max;
  return h;
}

// Sources: OSDN, arXiv 2605.13473; configurations of the authors' pre-release repository, github.com/Lhongpei/OSLA.
constexpr Preset published[] = {
    {.name = "paper",
     .source = "OSDN, arXiv 2605.13473, eq. 4 and Algorithm 1",
     .beta_aware = true,
     .norm = Norm::max,
     .apf = Apf::none,
     .hyperparameters = numbers(0.003F, 0.5F, 2.0F)},
    {.name = "release-340m",
     .source = "Lhongpei/OSLA, 340M configuration; keys are L2-normed",
     .beta_aware = false,
     .norm = Norm::one,
     .apf = Apf::none,
     .hyperparameters = numbers(0.003F, 2.0F / 3.0F, 1.5F)},
    {.name = "release-1.3b",
     .source = "Lhongpei/OSLA, 1.3B configuration; usually with data-dependent forgetting",
     .beta_aware = false,
     .norm = Norm::one,
     .apf = Apf::per_token,
     .hyperparameters = numbers(1.0F, 0.0F, 1e9F)},
};

Error refused(std::string_view field, float value, const std::string& allowed) {
  return bad_value("hyperparameter", field, fmt::format("{}", value), allowed);
}

}  // namespace

expected<void> validate(const Hyperparameters& h, const Problem& problem) {
  if (h.scale && !std::isfinite(*h.scale)) return refused("scale", *h.scale, "a finite number");
  if (problem.precondition == Precondition::none) return {};
  if (!(std::isfinite(h.eta) && h.eta >= 0)) return refused("eta", h.eta, "a finite number of at least 0");
  if (!(std::isfinite(h.d_min) && h.d_min >= 0)) return refused("d_min", h.d_min, "a finite number of at least 0");
  if (!(std::isfinite(h.d_max) && h.d_max >= h.d_min)) {
    return refused("d_max", h.d_max, fmt::format("a finite number of at least d_min = {}", h.d_min));
  }
  if (problem.norm != Norm::one && !(std::isfinite(h.norm_eps) && h.norm_eps > 0)) {
    return refused("norm_eps", h.norm_eps, "a finite number above 0 (it is unused only with norm=one)");
  }
  if (!std::isfinite(h.anchor)) return refused("anchor", h.anchor, "a finite number");
  if (problem.apf == Apf::constant && !(std::isfinite(h.log_gamma) && h.log_gamma <= 0)) {
    return refused("log_gamma", h.log_gamma, "a finite number of at most 0");
  }
  return {};
}

std::span<const Preset> presets() {
  return published;
}

expected<Preset> find_preset(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Preset& preset : presets()) {
    if (preset.name == name) return preset;
    known.push_back(preset.name);
  }
  return Error{ErrorCode::invalid_argument,
               fmt::format("preset {} is unknown{}; known: {}", generator::quoted(name),
                           generator::suggestion(name, known), generator::one_of(known)),
               {}};
}

}  // namespace osdn
