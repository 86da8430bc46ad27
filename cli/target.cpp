#include "cli/target.hpp"

#include <fmt/format.h>

#include <memory>
#include <mutex>
#include <set>

#include "cli/emulator.hpp"
#include "cli/report.hpp"
#include "runtime/engine_state.hpp"
#include "runtime/nvrtc.hpp"

namespace osdn::cli {
namespace {

Error invalid(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), {}};
}

expected<Target> describe(Engine engine) {
  const DeviceDescription device = engine.device();
  auto architecture = engine.state()->architecture();
  if (!architecture) return architecture.error();

  Target target;
  target.architecture = *architecture;
  const std::string nvrtc =
      device.nvrtc_version == 0 ? "none" : fmt::format("{}", runtime::version_text(device.nvrtc_version));
  target.first_line =
      device.emulated
          ? fmt::format(
                "running on the emulator, a GPU made of software (sm_{}): answers are real, times are not; NVRTC {}",
                device.arch, nvrtc)
          : fmt::format("running on {} (sm_{}), driver {}, NVRTC {}", device.name, device.arch,
                        runtime::version_text(device.driver_version), nvrtc);
  target.engine = std::move(engine);
  return target;
}

/// Warnings go to stderr, each once.
LogCallback log_once() {
  struct Said {
    std::mutex mutex;
    std::set<std::string, std::less<>> texts;
  };
  return [said = std::make_shared<Said>()](LogLevel level, std::string_view text) {
    if (level != LogLevel::warning) return;
    const std::lock_guard lock(said->mutex);
    if (!said->texts.emplace(text).second) return;
    progress({});
    note(fmt::format("osdn: warning: {}", text));
  };
}

expected<Target> open_gpu(const TargetOptions& options) {
  auto engine = Engine::create({.packs = options.packs, .validate = true, .log = log_once()});
  if (!engine) return engine.error();
  return describe(*std::move(engine));
}

expected<Target> open_emulator(const TargetOptions& options) {
  if (!options.arch.empty()) {
    auto architecture = generator::find_architecture(options.arch);
    if (!architecture) return architecture.error();
    if (auto ok = set_emulator_profile(generator::to_string(*architecture)); !ok) return ok.error();
  }
  auto engine = Engine::create(
      {.driver_library = emulator_library(), .packs = options.packs, .validate = true, .log = log_once()});
  if (!engine) return engine.error();
  return describe(*std::move(engine));
}

/// A GPU runs code for what it is.
expected<Target> check_arch(Target target, const std::string& arch) {
  if (arch.empty()) return target;
  auto wanted = generator::find_architecture(arch);
  if (!wanted) return wanted.error();
  if (wanted->number == target.architecture.number) return target;
  return invalid(fmt::format("--arch is {}, the device is {}; allowed: the device's own, or --device emulator", arch,
                             generator::to_string(target.architecture)));
}

expected<Target> open_auto(const TargetOptions& options) {
  auto gpu = open_gpu(options);
  if (gpu) return check_arch(*std::move(gpu), options.arch);
  const ErrorCode code = gpu.error().code;
  if (code != ErrorCode::library_not_found && code != ErrorCode::no_device && code != ErrorCode::driver) return gpu;
  const std::string why = gpu.error().message;
  auto emulator = open_emulator(options);
  if (!emulator) return emulator;
  emulator->first_line = fmt::format("no GPU ({}): {}", why.substr(0, why.find(':')), emulator->first_line);
  return emulator;
}

expected<Target> open_reference(const TargetOptions& options) {
  if (!options.arch.empty() || !options.config.empty() || options.chunk || options.stats) {
    return invalid(
        "--arch, --config, --chunk or --stats is given with --device reference; allowed: none of them, it has no "
        "kernels");
  }
  Target target;
  target.first_line = "running the float64 reference: plain loops, no kernels";
  return target;
}

}  // namespace

void add_target_options(CLI::App& verb, TargetOptions& options) {
  verb.add_option("--device", options.device, "auto (a GPU, else the emulator), gpu, emulator or reference");
  verb.add_option("--arch", options.arch, "architecture that the emulator plays: sm_80, sm_90, …");
  verb.add_option("--chunk", options.chunk, "tokens per chunk: 16, 32, 64 or 128");
  verb.add_option("--config", options.config, "configuration fields as `osdn list` prints them: chunk=64,warps=4,…");
  verb.add_flag("--stats", options.stats, "print what the emulator counted: instructions by kind, bytes, FLOPs");
}

expected<Target> open_target(const TargetOptions& options) {
  if (options.device == "reference") return open_reference(options);
  if (options.device == "emulator") return open_emulator(options);
  if (options.device == "auto") return open_auto(options);
  if (options.device != "gpu") {
    return invalid(fmt::format("--device is {}; allowed: auto, gpu, emulator or reference", options.device));
  }
  auto target = open_gpu(options);
  if (!target) return target;
  if (target->emulated()) {
    return Error{ErrorCode::no_device,
                 fmt::format("{} is the emulator, not a GPU; allowed: --device emulator, or unset OSDN_CUDA_LIBRARY",
                             target->engine->device().driver_library),
                 {}};
  }
  return check_arch(*std::move(target), options.arch);
}

}  // namespace osdn::cli
