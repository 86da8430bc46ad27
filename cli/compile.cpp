// osdn compile: kernels to PTX and machine code, without a driver.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "cli/config_choice.hpp"
#include "cli/kernel_table.hpp"
#include "cli/report.hpp"
#include "cli/subject.hpp"
#include "cli/verbs.hpp"
#include "generator/plan.hpp"
#include "reference/whole_file.hpp"
#include "runtime/compiler.hpp"
#include "runtime/loaded_kernel.hpp"

namespace osdn::cli {
namespace {

struct Options {
  std::string input;
  SubjectOptions subject;
  std::vector<std::string> archs = {"sm_80"};
  std::string config;
  std::optional<int> chunk;
  std::string directory;
  bool json = false;
};

/// Writes DIRECTORY/entry.arch.ptx and .cubin; returns what was written.
expected<std::vector<std::string>> write_files(const std::string& directory, const std::string& entry,
                                               const runtime::CompiledKernel& kernel) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error)
    return Error{ErrorCode::io, fmt::format("{}: cannot create the folder: {}", directory, error.message()), {}};
  std::vector<std::string> paths;
  for (const auto& [extension, bytes] : {std::pair("ptx", &kernel.ptx), std::pair("cubin", &kernel.cubin)}) {
    if (bytes->empty()) continue;
    paths.push_back(fmt::format("{}/{}.{}.{}", directory, entry, kernel.arch, extension));
    if (auto ok = reference::write_whole_file(paths.back(), *bytes); !ok) return ok.error();
  }
  return paths;
}

expected<int> compile(const Options& options) {
  auto problem = find_problem(options.input, options.subject);
  if (!problem) return problem.error();
  runtime::Compiler compiler(runtime::CompilerOptions{});
  KernelTable table;
  Json json = {{"problem", to_string(*problem)}, {"kernels", Json::array()}};
  std::string written;
  for (const std::string& arch : options.archs) {
    auto architecture = generator::find_architecture(arch);
    if (!architecture) return architecture.error();
    auto config = choose_config(*problem, *architecture, options.config, options.chunk);
    if (!config) return config.error();
    auto plan = generator::plan(*problem, *config, *architecture);
    if (!plan) return plan.error();
    for (const auto& kernel : plan->kernels) {
      progress(fmt::format("compiling {} for {}", kernel.entry, arch));
      auto result = compiler.compile(runtime::compile_input(kernel, arch));
      if (!result) return result.error();
      const std::string& image = result->kernel.cubin.empty() ? result->kernel.ptx : result->kernel.cubin;
      const KernelReport report = runtime::kernel_report(kernel, *result, image.size());
      table.add(*problem, *config, {report});
      Json one = to_json(report);
      one["config"] = to_string(*config);
      one["ptx_bytes"] = result->kernel.ptx.size();
      one["cubin_bytes"] = result->kernel.cubin.size();
      one["nvrtc_version"] = runtime::version_text(result->kernel.nvrtc_version);
      if (!options.directory.empty()) {
        auto paths = write_files(options.directory, kernel.entry, result->kernel);
        if (!paths) return paths.error();
        one["files"] = *paths;
        for (const std::string& path : *paths) written += "wrote " + path + "\n";
      }
      json["kernels"].push_back(std::move(one));
    }
  }
  progress({});
  if (options.json) {
    print_json(json);
  } else {
    print(fmt::format("{}\n\n{}", to_string(*problem), table.text()));
    if (!written.empty()) print("\n" + written.substr(0, written.size() - 1));
  }
  return success;
}

}  // namespace

void add_compile(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* verb = app.add_subcommand("compile", "Compile a problem's kernels; needs NVRTC, but no driver and no GPU");
  verb->add_option("--input", options->input, "case file whose problem is taken");
  add_subject_options(*verb, options->subject);
  verb->add_option("--arch", options->archs, "architectures: sm_80, sm_90a, … (sm_80); compute_80: PTX only");
  verb->add_option("--chunk", options->chunk, "tokens per chunk: 16, 32, 64 or 128");
  verb->add_option("--config", options->config, "configuration fields as `osdn list` prints them: chunk=64,warps=4,…");
  verb->add_option("--output", options->directory, "folder for .ptx and .cubin files");
  verb->add_flag("--json", options->json, "print one JSON object");
  verb->callback([options, &exit_code] {
    const auto code = compile(*options);
    exit_code = code ? *code : fail(code.error(), options->json);
  });
}

}  // namespace osdn::cli
