// What the tests of this room share.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "autotune/trial/crew.hpp"
#include "generator/plan.hpp"

namespace osdn::autotune {

inline Problem problem_of(const std::string& text) {
  return *canonical(*parse_problem(text));
}

inline Config default_of(const std::string& problem) {
  return *generator::default_config(problem_of(problem), *generator::find_architecture("sm_80"));
}

/// A compile cache that all tests of this program share: $OSDN_TEST_CACHE, else one that goes with it.
class TestCache {
 public:
  TestCache() {
    const char* const given = std::getenv("OSDN_TEST_CACHE");
    if (given != nullptr) {
      path_ = given;
      return;
    }
    path_ = (std::filesystem::temp_directory_path() / "osdn-test-cache-XXXXXX").string();
    own_ = ::mkdtemp(path_.data()) != nullptr;
  }
  ~TestCache() {
    std::error_code ignored;
    if (own_) std::filesystem::remove_all(path_, ignored);
  }
  TestCache(const TestCache&) = delete;
  TestCache& operator=(const TestCache&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool own_ = false;
};

/// On the emulator.
inline CrewOptions crew_options(const std::string& problem, const std::string& shape) {
  static const TestCache cache;
  CrewOptions options;
  options.worker = OSDN_TUNE_WORKER_PROGRAM;
  options.problem = problem_of(problem);
  options.shape = *parse_shape(shape);
  options.engine.driver_library = OSDN_EMULATOR_LIBRARY;
  options.engine.cache_directory = cache.path();
  return options;
}

}  // namespace osdn::autotune
