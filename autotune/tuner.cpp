// The public face.
#include "osdn/tuner.hpp"

#include <utility>

#include "autotune/tuner_state.hpp"

namespace osdn {

expected<Tuner> Tuner::create(const Engine& engine, const TunerOptions& options) {
  auto state = TunerState::create(engine, options);
  if (!state) return std::move(state).error();
  return Tuner(*std::move(state));
}

expected<TunedOperation> Tuner::prepare(const Problem& problem, const Shape& shape, Stream stream) const {
  return state_->prepare(problem, shape, stream);
}

}  // namespace osdn
