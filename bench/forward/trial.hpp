// One shape, ready to be timed: its variants and their phases, and a copy of the same bytes.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/forward/clock.hpp"
#include "bench/forward/gate.hpp"

namespace osdn::bench {

using Json = nlohmann::ordered_json;

/// A configuration and what to call it.
struct Variant {
  std::string name;
  PreparedOperation operation;
};

class Trial {
 public:
  /// Errors: those of making inputs, launching and timing; a variant that is wrong is no error, its record says so.
  static expected<std::unique_ptr<Trial>> open(Engine engine, const Work& work, std::vector<Variant> variants,
                                               std::unique_ptr<Clock> clock, std::size_t least_launches);

  /// Times everything once. Seconds of each variant, by name.
  expected<Json> sample();
  /// One record per variant, of all samples. Checks the last outputs again.
  expected<std::vector<Json>> finish();

 private:
  struct Timed {
    std::size_t clock_index = 0;
    std::vector<double> samples;
  };
  struct Phase {
    std::string name;
    Timed timed;
  };
  struct Runner {
    Variant variant;
    DeviceBuffer workspace;
    std::vector<Phase> phases;
    GateVerdict gate;
    Timed timed;
  };
  Trial(Engine engine, Work work, Sets sets, Gate gate, std::unique_ptr<Clock> clock)
      : engine_(std::move(engine)),
        work_(std::move(work)),
        sets_(std::move(sets)),
        gate_(std::move(gate)),
        clock_(std::move(clock)) {}
  expected<void> add(Variant variant);
  expected<void> add_copy();
  /// `only`: one kernel of the plan.
  expected<void> launch(const PreparedOperation& operation, const DeviceBuffer& workspace, std::size_t set,
                        Stream stream, std::optional<std::size_t> only = {}) const;
  expected<Timed> timed(const Enqueue& enqueue) const;
  expected<void> sample(Timed& timed);
  [[nodiscard]] Json record(const Runner& runner) const;

  Engine engine_;
  Work work_;
  Sets sets_;
  Gate gate_;
  std::unique_ptr<Clock> clock_;
  std::size_t launches_ = 1;
  std::vector<Runner> runners_;
  std::size_t copy_bytes_ = 0;  ///< read and written by one copy
  std::optional<Timed> copy_;
};

/// Which configurations to time: "default", "tuned" (what the tuning database says, else the default), the text of a
/// configuration of which the nearest legal one is taken, or "each:FIELD", the nearest for every value of a field.
/// Those that are refused for this problem are left out; `refused` gets their reasons. Errors: invalid_argument, those
/// of preparing.
expected<std::vector<Variant>> choose_variants(Engine& engine, const Work& work, const std::vector<std::string>& texts,
                                               std::vector<std::string>& refused);

}  // namespace osdn::bench
