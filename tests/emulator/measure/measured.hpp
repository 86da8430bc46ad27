// A machine whose launches are measured.
#pragma once

#include "machine.hpp"

namespace emulator::test {

class Measured : public Machine {
 protected:
  Measured() { measure_ = true; }

  [[nodiscard]] const Counters& total() const { return statistics_.measurement.total; }

  /// The counters of the PTX lines whose text begins so.
  [[nodiscard]] Counters of(const std::string& text) const {
    Counters sum;
    for (const auto& [place, instruction] : statistics_.measurement.instructions) {
      if (place.second.starts_with(text)) sum.add(instruction.counters);
    }
    return sum;
  }
};

}  // namespace emulator::test
