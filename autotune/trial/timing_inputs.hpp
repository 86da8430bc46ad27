// Inputs as a model makes them, of any size: what is timed does not hang on their values, but zeros or NaNs would cost
// less power, and so clock, than numbers.
#pragma once

#include <vector>

#include "osdn/engine.hpp"
#include "osdn/problem.hpp"
#include "osdn/shape.hpp"

namespace osdn::autotune {

/// One set of tensors on the device: inputs of random directions, β in (0, 1) and log γ ≤ 0, no states carried in, room
/// for o, final_state and final_d; of a decoding step states that are worked on in place.
class TimingInputs {
 public:
  /// Always of the same numbers. Errors: out_of_memory, driver, internal.
  static expected<TimingInputs> make(Engine& engine, const Problem& problem, const Shape& shape);

  /// The same numbers at other addresses. Errors: out_of_memory, driver.
  expected<TimingInputs> twin(Engine& engine) const;

  /// Without a workspace.
  [[nodiscard]] const ForwardArguments& arguments() const { return arguments_; }
  [[nodiscard]] std::size_t bytes() const;

 private:
  using Place = DevicePointer ForwardArguments::*;
  struct Part {
    Place place;
    DeviceBuffer buffer;
  };
  ForwardArguments arguments_;
  std::vector<Part> parts_;
};

}  // namespace osdn::autotune
