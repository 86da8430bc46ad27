// Where a case runs: a GPU, the emulator or the float64 reference.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "generator/architecture.hpp"
#include "osdn/engine.hpp"
#include "osdn/error.hpp"

namespace osdn::cli {

struct TargetOptions {
  std::string device = "auto";
  std::string arch;
  std::string config;
  std::optional<int> chunk;
  bool stats = false;
  std::vector<std::string> packs{};  ///< empty: $OSDN_PACKS
};

/// --device, --arch, --chunk, --config, --stats.
void add_target_options(CLI::App& verb, TargetOptions& options);

struct Target {
  std::optional<Engine> engine;  ///< none: the reference
  generator::Architecture architecture;
  std::string first_line;  ///< where this runs, and why there

  [[nodiscard]] bool emulated() const { return engine && engine->device().emulated; }
};

/// Engines validate every launch. Errors: invalid_argument, and those of Engine::create.
expected<Target> open_target(const TargetOptions& options);

}  // namespace osdn::cli
