// Records a landscape for searches to be replayed on: the modelled time of every legal configuration of a problem, on
// the emulator. record_trials ARCHITECTURE PROBLEM SHAPE ORIGIN > FILE
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "autotune/search/landscape.hpp"
#include "emulator/osdn_emulator.h"
#include "generator/fields.hpp"
#include "generator/plan.hpp"
#include "osdn/engine.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::bench {
namespace {

using autotune::Landscape;
using autotune::PhaseTime;

/// Zeros for every tensor: the instructions are the same for any data.
class Launcher {
 public:
  Launcher(Engine& engine, const Problem& problem, const Shape& shape) : engine_(engine) {
    const auto rows = static_cast<std::size_t>(shape.b * shape.t * shape.hv);
    arguments_.shape = shape;
    arguments_.q = zeros(rows * static_cast<std::size_t>(problem.k) * 4);
    arguments_.k = zeros(rows * static_cast<std::size_t>(problem.k) * 4);
    arguments_.v = zeros(rows * static_cast<std::size_t>(problem.v) * 4);
    arguments_.o = zeros(rows * static_cast<std::size_t>(problem.v) * 4);
    arguments_.beta = zeros(rows * 4);
    if (problem.apf == Apf::per_token) arguments_.log_gamma = zeros(rows * 4);
    arguments_.workspace_bytes = std::size_t{64} << 20;
    arguments_.workspace = zeros(arguments_.workspace_bytes);
  }

  void launch(const PreparedOperation& operation) const {
    operation.launch(arguments_).value_or_throw();
    engine_.synchronize().value_or_throw();
  }

 private:
  DevicePointer zeros(std::size_t bytes) {
    buffers_.push_back(engine_.allocate(bytes).value_or_throw());
    buffers_.back().upload(std::vector<char>(bytes).data()).value_or_throw();
    return buffers_.back().address();
  }

  Engine& engine_;
  ForwardArguments arguments_;
  std::vector<DeviceBuffer> buffers_;
};

std::string phase_config(const Config& config, const std::string& phase) {
  std::string out;
  const unsigned wanted = phase == "preconditioner" ? generator::preconditioner_phase : generator::delta_rule_phase;
  generator::print_fields(out, generator::config_fields(), config, wanted);
  return out;
}

double modelled_seconds(const std::string& kernel) {
  std::string text(osdn_emulator_profile_json(kernel.c_str(), 0, nullptr, 0) + 1, '\0');
  osdn_emulator_profile_json(kernel.c_str(), 0, text.data(), text.size());
  return nlohmann::json::parse(text.c_str()).at("kernels").at(kernel).at("modelled").at("seconds").get<double>();
}

/// Configurations that together have every kernel of the space in them.
std::vector<Config> cover(const Problem& problem, const generator::Architecture& architecture) {
  std::vector<Config> out;
  std::set<std::pair<char, std::string>> seen;
  for (const auto& candidate : generator::configuration_space(problem, architecture).value_or_throw()) {
    if (!candidate.refusal.empty()) continue;
    bool wanted = seen.emplace('d', phase_config(candidate.config, "delta_rule")).second;
    if (problem.precondition != Precondition::none) {
      wanted = seen.emplace('p', phase_config(candidate.config, "preconditioner")).second || wanted;
    }
    if (wanted) out.push_back(candidate.config);
  }
  return out;
}

void record(const Config& config, Engine& engine, const Launcher& launcher, std::map<std::string, PhaseTime>& times,
            Landscape& landscape) {
  const auto operation = engine.prepare(landscape.problem, config).value_or_throw();
  osdn_emulator_reset_statistics();
  for (const auto& kernel : operation.kernels()) osdn_emulator_set_registers(kernel.name.c_str(), kernel.registers);
  osdn_emulator_set_seed(1);  // else every launch has an order of its own, and times differ by a percent
  launcher.launch(operation);
  for (const auto& kernel : operation.kernels()) {
    PhaseTime time{kernel.phase, phase_config(config, kernel.phase), modelled_seconds(kernel.name), {}};
    time.resources = {
        .registers = kernel.registers,
        .spill_bytes = kernel.spill_bytes,
        .shared_bytes = kernel.static_shared_bytes + kernel.dynamic_shared_bytes,
        .threads = kernel.threads,
        .workspace_bytes = kernel.phase == "preconditioner" ? operation.workspace_bytes(landscape.shape) : 0};
    const auto [old, added] = times.emplace(time.phase + " " + time.config, time);
    if (added) {
      landscape.phases.push_back(time);
    } else if (old->second != time) {
      std::cerr << "differs beside another phase: " << time.phase << " " << time.config << "\n";
      std::exit(1);
    }
  }
}

void run(const std::string& arch, const std::string& problem, const std::string& shape, const std::string& origin) {
  osdn_emulator_set_profile(arch.c_str());
  osdn_emulator_set_measure(1, 0);
  auto engine = Engine::create({.driver_library = OSDN_EMULATOR_LIBRARY}).value_or_throw();
  Landscape landscape;
  landscape.problem = parse_problem(problem).value_or_throw();
  landscape.shape = parse_shape(shape).value_or_throw();
  landscape.arch = arch;
  landscape.origin = "modelled time of the emulator (docs/emulator-model.md), not a measurement; " + origin;
  const auto architecture = engine.state()->architecture().value_or_throw();
  landscape.usual = generator::default_config(landscape.problem, architecture).value_or_throw();
  const Launcher launcher(engine, landscape.problem, landscape.shape);
  const auto configs = cover(landscape.problem, architecture);
  std::map<std::string, PhaseTime> times;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    record(configs[i], engine, launcher, times, landscape);
    std::cerr << "\r" << i + 1 << " of " << configs.size() << std::flush;
  }
  std::cerr << "\n";
  std::cout << to_text(landscape);
}

}  // namespace
}  // namespace osdn::bench

int main(int count, char** words) {
  if (count != 5) {
    std::cerr << "usage: record_trials ARCHITECTURE PROBLEM SHAPE ORIGIN > FILE\n";
    return 2;
  }
  try {
    osdn::bench::run(words[1], words[2], words[3], words[4]);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
