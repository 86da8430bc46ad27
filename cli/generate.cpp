// osdn generate: the CUDA C++ that a problem becomes.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <set>

#include "cli/config_choice.hpp"
#include "cli/report.hpp"
#include "cli/subject.hpp"
#include "cli/verbs.hpp"
#include "generator/plan.hpp"
#include "reference/whole_file.hpp"

namespace osdn::cli {
namespace {

struct Options {
  std::string input;
  SubjectOptions subject;
  std::string arch = "sm_80";
  std::string config;
  std::optional<int> chunk;
  std::string kernel;
  std::string directory;
  bool json = false;
};

/// Everything a compiler needs to build the kernels by hand: `nvcc -I DIRECTORY -cubin DIRECTORY/osdn_….cu`.
expected<void> write_files(const generator::Plan& plan, const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error)
    return Error{ErrorCode::io, fmt::format("{}: cannot create the folder: {}", directory, error.message()), {}};
  for (const auto& kernel : plan.kernels) {
    if (auto ok = reference::write_whole_file(fmt::format("{}/{}.cu", directory, kernel.entry), kernel.source); !ok) {
      return ok;
    }
    for (const auto& header : kernel.headers) {
      const auto path = std::filesystem::path(directory) / header.name;
      std::filesystem::create_directories(path.parent_path(), error);
      if (auto ok = reference::write_whole_file(path.string(), std::string(header.text)); !ok) return ok;
    }
  }
  return {};
}

Json describe(const generator::Plan& plan) {
  Json out = {{"problem", to_string(plan.problem)},
              {"config", to_string(plan.config)},
              {"arch", generator::to_string(plan.architecture)},
              {"kernels", Json::array()},
              {"headers", Json::object()}};
  for (const auto& kernel : plan.kernels) {
    Json headers = Json::array();
    for (const auto& header : kernel.headers) {
      headers.push_back(header.name);
      out["headers"][std::string(header.name)] = header.text;
    }
    out["kernels"].push_back({{"phase", kernel.phase},
                              {"entry", kernel.entry},
                              {"threads", kernel.threads},
                              {"dynamic_shared_bytes", kernel.dynamic_shared},
                              {"ctas_per_head", kernel.ctas_per_head},
                              {"source", kernel.source},
                              {"includes", headers}});
  }
  return out;
}

expected<int> generate(const Options& options) {
  auto problem = find_problem(options.input, options.subject);
  if (!problem) return problem.error();
  auto architecture = generator::find_architecture(options.arch);
  if (!architecture) return architecture.error();
  auto config = choose_config(*problem, *architecture, options.config, options.chunk);
  if (!config) return config.error();
  auto plan = generator::plan(*problem, *config, *architecture);
  if (!plan) return plan.error();
  if (!options.kernel.empty()) {
    std::string phases;
    for (const auto& kernel : plan->kernels) phases += (phases.empty() ? "" : ", ") + kernel.phase;
    std::erase_if(plan->kernels, [&](const auto& kernel) { return kernel.phase != options.kernel; });
    if (plan->kernels.empty()) {
      return Error{ErrorCode::invalid_argument, fmt::format("--kernel is {}; allowed: {}", options.kernel, phases), {}};
    }
  }
  if (!options.directory.empty()) {
    if (auto ok = write_files(*plan, options.directory); !ok) return ok.error();
  }
  if (options.json) {
    print_json(describe(*plan));
  } else {
    for (const auto& kernel : plan->kernels) print(kernel.source);
  }
  return success;
}

}  // namespace

void add_generate(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("generate", "Print the CUDA C++ of a problem's kernels");
  verb->add_option("--input", options->input, "case file whose problem is taken");
  add_subject_options(*verb, options->subject);
  verb->add_option("--arch", options->arch, "architecture to generate for (sm_80)");
  verb->add_option("--chunk", options->chunk, "tokens per chunk: 16, 32, 64 or 128");
  verb->add_option("--config", options->config, "configuration fields as `osdn list` prints them: chunk=64,warps=4,…");
  verb->add_option("--kernel", options->kernel, "only this phase: preconditioner or delta_rule");
  verb->add_option("--directory", options->directory, "also write sources and headers there, for a compiler by hand");
  verb->add_flag("--json", options->json, "print one JSON object, headers included");
  verb->callback([options, &exit_code] {
    const auto code = generate(*options);
    exit_code = code ? *code : fail(code.error(), options->json);
  });
}

}  // namespace osdn::cli
