#include "cli/execute.hpp"

#include <chrono>
#include <utility>

#include "cli/config_choice.hpp"
#include "cli/emulator.hpp"
#include "cli/run_case.hpp"
#include "runtime/prepared.hpp"

namespace osdn::cli {
namespace {

using reference::Case;

SourceTexts texts_of(const generator::Plan& plan) {
  SourceTexts texts;
  for (const generator::KernelPlan& kernel : plan.kernels) {
    std::string file = kernel.entry;
    file.append(".cu");
    texts.emplace(std::move(file), kernel.source);
    for (const generator::Header& header : kernel.headers) texts.emplace(header.name, header.text);
  }
  return texts;
}

expected<Execution> execute_kernels(Target& target, const TargetOptions& options, const Case& problem) {
  auto config = choose_config(problem.problem, target.architecture, options.config, options.chunk, problem.shape);
  if (!config) return config.error();
  auto operation = target.engine->prepare(problem.problem, *config);
  if (!operation) return operation.error();

  Execution out;
  out.config = operation->config();
  out.kernels = operation->kernels();
  out.sources = texts_of(operation->state()->plan());
  for (const KernelReport& kernel : out.kernels) {
    if (!target.emulated() || kernel.registers == 0) continue;
    if (auto ok = set_emulator_registers(kernel.name, kernel.registers); !ok) return ok.error();
  }
  auto run = run_case(*target.engine, *operation, problem);
  if (!run) return run.error();
  out.outputs = std::move(run->outputs);
  out.workspace_bytes = run->workspace_bytes;
  out.device_bytes = run->device_bytes;
  out.seconds = run->seconds;
  return out;
}

}  // namespace

expected<Execution> execute(Target& target, const TargetOptions& options, const Case& problem) {
  if (target.engine) return execute_kernels(target, options, problem);
  const auto start = std::chrono::steady_clock::now();
  auto answers = reference::solve(problem);
  if (!answers) return answers.error();
  Execution out;
  out.outputs = reference::to_outputs(problem, *answers);
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

}  // namespace osdn::cli
