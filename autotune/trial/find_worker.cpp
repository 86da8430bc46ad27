#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "autotune/trial/crew.hpp"
#include "runtime/library.hpp"

namespace osdn::autotune {
namespace {

namespace fs = std::filesystem;

constexpr const char* program = "osdn-tune-worker";

/// Why it cannot be run; empty: it can.
std::string problem_of(const fs::path& file) {
  std::error_code failed;
  const auto status = fs::status(file, failed);
  if (!fs::exists(status)) return "not there";
  if (!fs::is_regular_file(status)) return "not a file";
  return ::access(file.c_str(), X_OK) == 0 ? "" : "not executable";
}

expected<std::string> named(const std::string& file, std::string_view origin) {
  const std::string problem = problem_of(file);
  if (problem.empty()) return file;
  return Error{
      ErrorCode::library_not_found,
      fmt::format("the tuner's worker program {} ({}) is {}; allowed: the path of {}", file, origin, problem, program),
      {}};
}

}  // namespace

expected<std::string> find_worker(const std::string& option) {
  if (!option.empty()) return named(option, "option worker");
  const char* const variable = std::getenv("OSDN_TUNE_WORKER");
  if (variable != nullptr && *variable != '\0') return named(variable, "OSDN_TUNE_WORKER");
  const fs::path own = runtime::own_folder();
  std::string tried;
  // Beside the library or program; of an installed one in its neighbours (Debian's libraries lie a folder deeper); of a
  // library that a program holds in a folder below its own.
  for (const char* folder : {".", "../bin", "../libexec/osdn", "../../libexec/osdn", ".."}) {
    const fs::path file = (own / folder / program).lexically_normal();
    const std::string problem = problem_of(file);
    if (problem.empty()) return file.string();
    tried += fmt::format("  {}: {}\n", file.string(), problem);
  }
  return Error{ErrorCode::library_not_found,
               fmt::format("the tuner's worker program {} was not found beside {}: name it in OSDN_TUNE_WORKER",
                           program, own.string()),
               "tried:\n" + tried};
}

std::string stopwatch_name(StopwatchKind kind, bool emulated) {
  if (kind == StopwatchKind::automatic) return emulated ? "modelled" : "events";
  return kind == StopwatchKind::modelled ? "modelled" : "events";
}

}  // namespace osdn::autotune
