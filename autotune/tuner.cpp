// The public face.
#include "osdn/tuner.hpp"

#include <utility>

#include "autotune/tuner_state.hpp"

namespace osdn {

const char* name(TuningSource source) {
  switch (source) {
    case TuningSource::pinned:
      return "pinned";
    case TuningSource::exact:
      return "exact";
    case TuningSource::nearest_bucket:
      return "nearest_bucket";
    case TuningSource::arch_family:
      return "arch_family";
    case TuningSource::shipped:
      return "shipped";
    case TuningSource::heuristic:
      return "heuristic";
  }
  return "unknown";
}

expected<Tuner> Tuner::create(const Engine& engine, const TunerOptions& options) {
  auto state = TunerState::create(engine, options);
  if (!state) return std::move(state).error();
  return Tuner(*std::move(state));
}

expected<TunedOperation> Tuner::prepare(const Problem& problem, const Shape& shape, Stream stream) const {
  return state_->prepare(problem, shape, stream);
}

}  // namespace osdn
