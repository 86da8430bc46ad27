// What the tests of this room share.
#pragma once

#include <filesystem>
#include <string>

#include "autotune/trial/crew.hpp"
#include "generator/plan.hpp"

namespace osdn::autotune {

inline Problem problem_of(const std::string& text) {
  return *canonical(*parse_problem(text));
}

inline Config default_of(const std::string& problem) {
  return *generator::default_config(problem_of(problem), *generator::find_architecture("sm_80"));
}

/// On the emulator, with a compile cache that all tests of this program share.
inline CrewOptions crew_options(const std::string& problem, const std::string& shape) {
  static const std::string cache = [] {
    const auto made = std::filesystem::temp_directory_path() / "osdn-test-trial-cache";
    return made.string();
  }();
  CrewOptions options;
  options.worker = OSDN_TUNE_WORKER_PROGRAM;
  options.problem = problem_of(problem);
  options.shape = *parse_shape(shape);
  options.engine.driver_library = OSDN_EMULATOR_LIBRARY;
  options.engine.cache_directory = cache;
  return options;
}

}  // namespace osdn::autotune
