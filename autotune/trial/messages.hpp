// What the crew and its workers say: the objects behind the lines. docs/autotuning-measurement.md
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "autotune/laboratory.hpp"
#include "generator/architecture.hpp"
#include "osdn/engine.hpp"

namespace osdn::autotune {

using Json = nlohmann::json;

enum class Role {
  compile,  ///< compiles; touches no driver
  gate,     ///< checks candidates on the device
  time,     ///< times them; on the emulator without its strict mode
};

/// The first thing a worker is told.
struct Setup {
  Role role = Role::compile;
  Problem problem;
  Shape shape;
  EngineOptions engine;   ///< without its log
  std::string arch;       ///< what the emulator poses as; empty: as it is
  bool modelled = false;  ///< the stopwatch
  std::uint64_t seed = 1;
  std::string lock_directory;  ///< of the lock of the physical device
  // For Role::compile, which cannot ask a device:
  generator::Architecture architecture;
  int driver_version = 0;  ///< what the machine code must run on; 0: any
};

/// What a worker with a device answers to it.
struct Ready {
  DeviceDescription device;
  generator::Architecture architecture;
};

/// One line for a line of JSON, whatever bytes its texts hold.
[[nodiscard]] std::string to_line(const Json& json);

[[nodiscard]] Json to_json(const Setup& setup);
[[nodiscard]] Json to_json(const Ready& ready);
[[nodiscard]] Json to_json(const Verdict& verdict);
[[nodiscard]] Json to_json(const Resources& resources);
[[nodiscard]] Json to_json(const Measurement& measurement);

/// Errors: corrupt, naming the field.
expected<Setup> read_setup(const Json& json);
expected<Ready> read_ready(const Json& json);
expected<Verdict> read_verdict(const Json& json);
expected<Resources> read_resources(const Json& json);
/// `configs` were asked for.
expected<Measurement> read_measurement(const Json& json, std::size_t configs);

/// Text on one line.
[[nodiscard]] std::string one_line(std::string_view text);

}  // namespace osdn::autotune
