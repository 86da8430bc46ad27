// The device memory of one shape: sets of inputs that together exceed the second-level cache, and as much for copies.
#pragma once

#include <cstddef>
#include <vector>

#include "autotune/trial/timing_inputs.hpp"
#include "bench/forward/work.hpp"

namespace osdn::bench {

class Sets {
 public:
  /// Errors: those of TimingInputs::make, driver.
  static expected<Sets> make(Engine& engine, const Work& work);

  [[nodiscard]] std::size_t count() const { return sets_.size(); }
  /// Of set i: no states go in and none are asked for; those of a decoding step are worked on in place.
  [[nodiscard]] ForwardArguments arguments(std::size_t i) const;

  /// Copies that read and write `bytes` in all between buffers of their own, again of several sets.
  expected<void> make_copies(Engine& engine, std::size_t bytes);
  expected<void> copy(Engine& engine, std::size_t i, Stream stream) const;

 private:
  std::vector<autotune::TimingInputs> sets_;
  struct Copy {
    DeviceBuffer from, to;
  };
  std::vector<Copy> copies_;
  std::size_t copy_bytes_ = 0;  ///< of one direction
};

}  // namespace osdn::bench
