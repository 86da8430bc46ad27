#include "bench/forward/trial.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "autotune/report/floors.hpp"
#include "autotune/search/statistics.hpp"
#include "autotune/trial/emulator_entries.hpp"
#include "runtime/decode_pass.hpp"
#include "runtime/engine_state.hpp"
#include "runtime/prepared.hpp"

namespace osdn::bench {
namespace {

bool decodes(const Work& work) {
  return work.problem.operation == Operation::osdn_decode;
}

double token_heads(const Work& work) {
  return static_cast<double>(work.shape.b * work.shape.t * work.shape.hv);
}

/// Bytes of q, k, v and o: what a workspace is held against.
std::size_t tensor_bytes(const Work& work) {
  const Shape& s = work.shape;
  const std::int64_t element = work.problem.type == ElementType::fp32 ? 4 : 2;
  return static_cast<std::size_t>(s.b * s.t * element * (2 * s.h * work.problem.k + 2 * s.hv * work.problem.v));
}

Json statistics(const std::vector<double>& samples) {
  std::vector<double> sorted = samples;
  std::sort(sorted.begin(), sorted.end());
  return {{"median", autotune::median(samples)},
          {"least", sorted.front()},
          {"most", sorted.back()},
          {"relative_spread", autotune::relative_spread(samples)},
          {"samples", samples.size()}};
}

}  // namespace

expected<std::unique_ptr<Trial>> Trial::open(Engine engine, const Work& work, std::vector<Variant> variants,
                                             std::unique_ptr<Clock> clock, std::size_t least_launches) {
  auto sets = Sets::make(engine, work);
  if (!sets) return sets.error();
  auto gate = Gate::make(engine, work, *sets);
  if (!gate) return gate.error();
  std::unique_ptr<Trial> trial(
      new Trial(std::move(engine), work, *std::move(sets), *std::move(gate), std::move(clock)));
  // Whole turns through the sets, and enough launches that starting the replay does not count.
  const std::size_t turn = trial->sets_.count();
  trial->launches_ = (std::max<std::size_t>(least_launches, 1) + turn - 1) / turn * turn;
  for (Variant& variant : variants) {
    if (auto done = trial->add(std::move(variant)); !done) return done.error();
  }
  if (trial->clock_->times_copies()) {
    if (auto done = trial->add_copy(); !done) return done.error();
  }
  return trial;
}

expected<void> Trial::add(Variant variant) {
  Runner runner{.variant = std::move(variant), .workspace = {}, .phases = {}, .gate = {}, .timed = {}};
  const PreparedOperation& operation = runner.variant.operation;
  if (const std::size_t bytes = operation.workspace_bytes(work_.shape); bytes > 0) {
    auto workspace = engine_.allocate(bytes);
    if (!workspace) return workspace.error();
    runner.workspace = *std::move(workspace);
  }
  if (engine_.device().emulated) {
    if (auto emulator = autotune::EmulatorEntries::open(engine_.device().driver_library)) {
      for (const KernelReport& kernel : operation.kernels()) emulator->set_registers(kernel.name, kernel.registers);
    }
  }
  if (auto done = gate_.poison(engine_); !done) return done;
  if (auto done = launch(operation, runner.workspace, 0, nullptr); !done) return done;
  if (auto done = engine_.synchronize(); !done) return done;
  auto verdict = gate_.check(engine_);
  if (!verdict) return verdict.error();
  runner.gate = *verdict;

  const auto enqueue = [&](std::optional<std::size_t> only) -> Enqueue {
    return [&, only](std::size_t set, Stream stream) { return launch(operation, runner.workspace, set, stream, only); };
  };
  auto whole = timed(enqueue({}));
  if (!whole) return whole.error();
  runner.timed = *whole;
  // Each kernel alone, after all of them have run: it finds in the workspace what the ones before it leave there.
  const generator::Plan& plan = operation.state()->plan();
  std::set<std::size_t> launched;  // those for cutting are not where sequences stay whole
  for (const generator::Launch& one : plan.launches(work_.shape)) launched.insert(one.kernel);
  if (launched.size() < 2) launched.clear();
  for (const std::size_t kernel : launched) {
    auto part = timed(enqueue(kernel));
    if (!part) return part.error();
    runner.phases.push_back({plan.kernels[kernel].phase, *part});
  }
  runners_.push_back(std::move(runner));
  return {};
}

expected<void> Trial::add_copy() {
  const double bytes = autotune::least_work(work_.problem, work_.shape, 64).bytes * token_heads(work_);
  copy_bytes_ = static_cast<std::size_t>(bytes) / 2 * 2;
  if (auto done = sets_.make_copies(engine_, copy_bytes_); !done) return done;
  auto copy = timed([&](std::size_t set, Stream stream) { return sets_.copy(engine_, set, stream); });
  if (!copy) return copy.error();
  copy_ = *copy;
  return {};
}

expected<void> Trial::launch(const PreparedOperation& operation, const DeviceBuffer& workspace, std::size_t set,
                             Stream stream, std::optional<std::size_t> only) const {
  ForwardArguments arguments = sets_.arguments(set);
  arguments.workspace = workspace.address();
  arguments.workspace_bytes = workspace.bytes();
  return only ? operation.state()->launch_kernel_alone(*only, arguments, stream)
              : runtime::launch_pass(operation, arguments, stream);
}

expected<Trial::Timed> Trial::timed(const Enqueue& enqueue) const {
  auto index = clock_->add(enqueue, sets_.count(), launches_);
  if (!index) return index.error();
  return Timed{*index, {}};
}

expected<void> Trial::sample(Timed& timed) {
  auto seconds = clock_->time(timed.clock_index);
  if (!seconds) return seconds.error();
  timed.samples.push_back(*seconds);
  return {};
}

expected<Json> Trial::sample() {
  Json out = Json::object();
  for (Runner& runner : runners_) {
    if (auto done = sample(runner.timed); !done) return done.error();
    out[runner.variant.name] = runner.timed.samples.back();
    for (Phase& phase : runner.phases) {
      if (auto done = sample(phase.timed); !done) return done.error();
    }
  }
  if (copy_) {
    if (auto done = sample(*copy_); !done) return done.error();
  }
  return out;
}

expected<std::vector<Json>> Trial::finish() {
  std::vector<Json> out;
  for (Runner& runner : runners_) {
    // What the replays left, once more: poisoned, so that it is theirs. A replay takes a state many steps on; there it
    // is one more launch.
    if (auto done = gate_.poison(engine_); !done) return done.error();
    if (auto done = sample(runner.timed); !done) return done.error();
    if (decodes(work_)) {
      if (auto done = gate_.poison(engine_); !done) return done.error();
      if (auto done = launch(runner.variant.operation, runner.workspace, 0, nullptr); !done) return done.error();
      if (auto done = engine_.synchronize(); !done) return done.error();
    }
    if (clock_->times_copies() || decodes(work_)) {
      auto verdict = gate_.check(engine_);
      if (!verdict) return verdict.error();
      if (runner.gate.passed) runner.gate = *verdict;
    }
    out.push_back(record(runner));
  }
  return out;
}

Json Trial::record(const Runner& runner) const {
  const PreparedOperation& operation = runner.variant.operation;
  const double rows = token_heads(work_);
  const auto work = autotune::least_work(work_.problem, work_.shape, operation.config().chunk);
  const double seconds = autotune::median(runner.timed.samples);
  const std::size_t workspace = operation.workspace_bytes(work_.shape);
  Json out = {{"kind", decodes(work_) ? "decode" : "forward"},
              {"who", "osdn"},
              {"variant", runner.variant.name},
              {"name", work_.name},
              {"group", work_.group},
              {"problem", to_string(work_.problem)},
              {"shape", to_string(work_.shape)},
              {"lengths", work_.lengths},
              {"config", to_string(operation.config())},
              {"clock", clock_->name()},
              {"seconds", statistics(runner.timed.samples)},
              {"ns_per_token_head", 1e9 * seconds / rows},
              {"least_bytes_per_token_head", work.bytes},
              {"gb_per_s", 1e-9 * work.bytes * rows / seconds},
              {"tensor_flop_per_token_head", work.flops},
              {"tensor_tflop_per_s", 1e-12 * work.flops * rows / seconds}};
  if (decodes(work_)) {
    // What serving asks: of a step of one sequence and value head, however many tokens it has.
    const double steps = static_cast<double>(work_.shape.sequences() * work_.shape.hv);
    out["ns_per_head_step"] = 1e9 * seconds / steps;
    out["bytes_per_head_step"] = work.bytes * rows / steps;
  }
  if (const auto rates = autotune::rates_of(autotune::gpu_of(engine_.device()))) {
    out["tensor_roof"] = {{"tflop_per_s", 1e-12 * rates->flops_per_second}, {"source", rates->source}};
  }
  if (copy_) {
    const double copy = autotune::median(copy_->samples);
    out["copy"] = {{"bytes", copy_bytes_},
                   {"seconds", statistics(copy_->samples)},
                   {"gb_per_s", 1e-9 * static_cast<double>(copy_bytes_) / copy}};
    out["ratio_to_copy"] = seconds / copy;
  } else if (const auto rates = autotune::rates_of(autotune::gpu_of(engine_.device()))) {
    const auto floor = autotune::floors(work_.problem, work, *rates);
    out["floor"] = {{"ns_per_token_head", 1e9 * std::max(floor.memory, floor.tensor)}, {"source", rates->source}};
  }
  out["phases"] = Json::array();
  for (const Phase& phase : runner.phases) {
    out["phases"].push_back({{"phase", phase.name}, {"seconds", statistics(phase.timed.samples)}});
  }
  out["workspace_bytes"] = workspace;
  out["workspace_of_tensors"] = static_cast<double>(workspace) / static_cast<double>(tensor_bytes(work_));
  // Of one call: its inputs and outputs, and the workspace.
  out["device_bytes"] = workspace + static_cast<std::size_t>(work.bytes * rows);
  out["input_sets"] = sets_.count();
  out["launches_per_replay"] = launches_;
  out["gate"] = {{"passed", runner.gate.passed},
                 {"error", runner.gate.error},
                 {"tolerance", runner.gate.tolerance},
                 {"heads", gate_.heads()}};
  if (!runner.gate.reason.empty()) out["gate"]["reason"] = runner.gate.reason;
  return out;
}

}  // namespace osdn::bench
