#include "autotune/trial/bench.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "autotune/trial/candidate.hpp"
#include "autotune/trial/emulator_entries.hpp"
#include "runtime/decode_pass.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::autotune {

class Bench::Memory : public GateMemory {
 public:
  explicit Memory(std::shared_ptr<EngineState> engine) : engine_(std::move(engine)) {}
  expected<DevicePointer> allocate(std::size_t bytes) override { return engine_->allocate(bytes); }
  void free(DevicePointer address) override { engine_->free(address, 0); }
  expected<void> upload(DevicePointer to, const void* from, std::size_t bytes) override {
    return engine_->upload(to, from, bytes);
  }
  expected<void> download(void* to, DevicePointer from, std::size_t bytes) override {
    return engine_->download(to, from, bytes);
  }

 private:
  std::shared_ptr<EngineState> engine_;
};

expected<std::unique_ptr<Bench>> Bench::open(const Setup& setup, const WorkerHooks& hooks, LogCallback log) {
  // The gate has run in strict mode; the model's times are the same without it. A real driver does not read this.
  if (setup.role == Role::time) ::setenv("OSDN_EMULATOR_STRICT", "0", 1);  // NOLINT(concurrency-mt-unsafe): no threads
  if (!setup.arch.empty()) {
    auto emulator = EmulatorEntries::open(setup.engine.driver_library);
    if (!emulator) {
      Error error = emulator.error();
      error.message = fmt::format("arch is {}, for an emulated device only: {}", setup.arch, error.message);
      return error;
    }
    if (auto done = emulator->set_profile(setup.arch); !done) return done.error();
  }
  EngineOptions options = setup.engine;
  options.log = log;
  if (setup.role == Role::time) options.validate = false;  // it synchronises, which no capture allows
  auto engine = Engine::create(options);
  if (!engine) return engine.error();
  auto architecture = engine->state()->architecture();
  if (!architecture) return architecture.error();
  Ready ready{engine->device(), *architecture};
  return std::unique_ptr<Bench>(new Bench(setup, hooks, *std::move(engine), std::move(ready), std::move(log)));
}

Bench::Bench(const Setup& setup, const WorkerHooks& hooks, Engine engine, Ready ready, LogCallback log)
    : setup_(setup),
      hooks_(hooks),
      engine_(std::move(engine)),
      ready_(std::move(ready)),
      log_(std::move(log)),
      memory_(std::make_unique<Memory>(engine_.state())),
      gate_(std::make_unique<Gate>(setup.problem, setup.seed, *memory_)) {}

Bench::~Bench() = default;

expected<PreparedOperation> Bench::prepare(const Config& config) {
  const std::string text = to_string(config);
  if (const auto known = prepared_.find(text); known != prepared_.end()) return known->second;
  auto plan = plan_of(setup_.problem, config, ready_.architecture, hooks_, true);
  if (!plan) return plan.error();
  auto operation = engine_.state()->prepare_plan(*std::move(plan));
  if (operation) prepared_.emplace(text, *operation);
  return operation;
}

namespace {

/// What stands before the gate for a candidate. The gate's sequences are short: they are cut as finely as segments go,
/// so that the kernels of a cut pass, which are the candidate's own, have something to do.
Config before_the_gate(Config config) {
  if (config.cut == Cut::never) return config;
  config.cut = Cut::fixed;
  config.segment = std::max(64, config.chunk);
  config.cut_d = 2;
  return config;
}

}  // namespace

Verdict Bench::with_fault(Verdict verdict) const {
  if (!ready_.device.emulated || (verdict.outcome != Outcome::faulted && verdict.outcome != Outcome::hung)) {
    return verdict;
  }
  const auto emulator = EmulatorEntries::open(ready_.device.driver_library);
  const std::string fault = emulator ? emulator->last_fault() : std::string();
  if (!fault.empty()) verdict.reason += "; " + fault;
  return verdict;
}

Bench::Checked Bench::gate(const Config& config, const About& about) {
  about("preparing", 0);
  auto operation = prepare(before_the_gate(config));
  if (!operation) {
    const Verdict verdict = with_fault(verdict_of(operation.error()));
    return {verdict, verdict.outcome != Outcome::refused};
  }
  about("checking", 0);
  const GateSubject subject = {[&](const Shape& shape) { return operation->workspace_bytes(shape); },
                               [&](const ForwardArguments& arguments) -> expected<void> {
                                 if (auto done = runtime::launch_pass(*operation, arguments); !done) return done;
                                 return engine_.synchronize();
                               }};
  auto verdict = gate_->check(subject);
  if (!verdict) {
    return {with_fault(verdict_of(verdict.error())), true};
  }
  return {*verdict, false};
}

expected<Measurement> Bench::measure(const std::vector<Config>& configs, int rounds, const About& about) {
  const auto broken = [&](std::size_t index, const Error& error) {
    Measurement out;
    out.broken = Measurement::Breakage{index, with_fault(verdict_of(error))};
    return out;
  };
  if (!stopwatch_) {
    about("preparing", 0);
    const StopwatchSettings settings{engine_, setup_.problem, setup_.shape, setup_.seed, setup_.lock_directory, log_};
    auto made = setup_.modelled ? modelled_stopwatch(settings) : events_stopwatch(settings);
    if (!made) return made.error();
    stopwatch_ = *std::move(made);
  }
  std::vector<PreparedOperation> operations;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    about("preparing", i);
    auto operation = prepare(configs[i]);
    if (!operation) return broken(i, operation.error());
    operations.push_back(*operation);
  }
  Measurement out = stopwatch_->measure(operations, rounds, about);
  if (out.broken) out.broken->verdict = with_fault(std::move(out.broken->verdict));
  return out;
}

}  // namespace osdn::autotune
