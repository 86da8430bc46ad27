// The emulator's timing model as a stopwatch: one launch, one number, the same on every host and in every run.
#include <map>
#include <string>
#include <utility>

#include "autotune/trial/candidate.hpp"
#include "autotune/trial/emulator_entries.hpp"
#include "autotune/trial/stopwatch.hpp"
#include "autotune/trial/timing_inputs.hpp"
#include "runtime/decode_pass.hpp"

namespace osdn::autotune {
namespace {

// The model plays blocks in the order of the emulator's seed. A time belongs to the candidate, not to the sweep that
// asked: the seed is always this one.
constexpr std::uint64_t model_seed = 0;

class Modelled : public Stopwatch {
 public:
  Modelled(StopwatchSettings settings, EmulatorEntries emulator, TimingInputs inputs)
      : settings_(std::move(settings)), emulator_(emulator), inputs_(std::move(inputs)) {}

  Measurement measure(const std::vector<PreparedOperation>& operations, int rounds, const About& about) override {
    Measurement out;
    std::vector<double> round;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      about("timing", i);
      auto seconds = time(operations[i]);
      if (!seconds) {
        const std::size_t workspace = operations[i].workspace_bytes(settings_.shape);
        const std::size_t memory = settings_.engine.device().memory_bytes;
        out.broken = Measurement::Breakage{i, verdict_of_workspace(seconds.error(), workspace, memory)};
        return out;
      }
      round.push_back(*seconds);
    }
    out.rounds.assign(static_cast<std::size_t>(rounds), round);  // another run would say the same
    return out;
  }

 private:
  expected<double> time(const PreparedOperation& operation) {
    const std::string text = to_string(operation.config());
    if (const auto known = known_.find(text); known != known_.end()) return known->second;
    ForwardArguments arguments = inputs_.arguments();
    auto workspace = settings_.engine.allocate(operation.workspace_bytes(settings_.shape));
    if (!workspace) return workspace.error();
    arguments.workspace = workspace->address();
    arguments.workspace_bytes = workspace->bytes();
    for (const KernelReport& kernel : operation.kernels()) emulator_.set_registers(kernel.name, kernel.registers);
    emulator_.set_seed(model_seed);
    emulator_.reset_statistics();
    emulator_.set_measure(true);
    auto done = runtime::launch_pass(operation, arguments);
    if (done) done = settings_.engine.synchronize();
    emulator_.set_measure(false);
    if (!done) return done.error();
    auto seconds = emulator_.modelled_seconds();
    if (seconds) known_[text] = *seconds;
    return seconds;
  }

  StopwatchSettings settings_;
  EmulatorEntries emulator_;
  TimingInputs inputs_;
  std::map<std::string, double> known_;
};

}  // namespace

expected<std::unique_ptr<Stopwatch>> modelled_stopwatch(const StopwatchSettings& settings) {
  auto emulator = EmulatorEntries::open(settings.engine.device().driver_library);
  if (!emulator) return emulator.error();
  Engine engine = settings.engine;
  auto inputs = TimingInputs::make(engine, settings.problem, settings.shape);
  if (!inputs) return inputs.error();
  return std::unique_ptr<Stopwatch>(std::make_unique<Modelled>(settings, *emulator, *std::move(inputs)));
}

}  // namespace osdn::autotune
