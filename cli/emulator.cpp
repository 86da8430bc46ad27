#include "cli/emulator.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>

#include "emulator/osdn_emulator.h"
#include "runtime/library.hpp"

namespace osdn::cli {
namespace {

/// An entry of the emulator, or why there is none.
template <class Function>
expected<Function*> entry(const char* symbol) {
  std::string reason;
  const std::string path = emulator_library();
  void* library = runtime::open_library(path, reason);
  if (library == nullptr) {
    return Error{ErrorCode::library_not_found, fmt::format("the emulator {} cannot be loaded: {}", path, reason), {}};
  }
  void* found = ::dlsym(library, symbol);
  if (found == nullptr) {
    return Error{ErrorCode::library_not_found, fmt::format("the emulator {} has no {}", path, symbol), {}};
  }
  return reinterpret_cast<Function*>(found);
}

/// All of what an entry copies out as snprintf does.
template <class Read>
std::string whole_text(const Read& read) {
  std::string text(read(nullptr, 0), '\0');
  text.resize(std::min(read(text.data(), text.size() + 1), text.size()));
  return text;
}

}  // namespace

std::string emulator_library() {
  const std::filesystem::path own = runtime::own_folder();
  for (const auto& folder : {own, own / OSDN_PRIVATE_LIBRARIES}) {
    const auto path = folder / "libosdn_emulator.so";
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return path.lexically_normal().string();
  }
  return "libosdn_emulator.so";
}

expected<void> set_emulator_profile(const std::string& architecture) {
  auto set = entry<decltype(osdn_emulator_set_profile)>("osdn_emulator_set_profile");
  if (!set) return set.error();
  if ((*set)(architecture.c_str()) == 0) return {};
  return Error{ErrorCode::invalid_argument,
               fmt::format("--arch is {}; allowed: an architecture that the emulator has a profile of", architecture),
               {}};
}

expected<std::string> emulator_statistics() {
  auto read = entry<decltype(osdn_emulator_statistics_json)>("osdn_emulator_statistics_json");
  if (!read) return read.error();
  return whole_text([&](char* buffer, std::size_t size) { return (*read)(buffer, size); });
}

expected<void> set_emulator_measure(bool on, unsigned trace_blocks) {
  auto set = entry<decltype(osdn_emulator_set_measure)>("osdn_emulator_set_measure");
  if (!set) return set.error();
  (*set)(on ? 1 : 0, trace_blocks);
  return {};
}

expected<void> set_emulator_registers(const std::string& kernel, int registers) {
  auto set = entry<decltype(osdn_emulator_set_registers)>("osdn_emulator_set_registers");
  if (!set) return set.error();
  (*set)(kernel.c_str(), registers);
  return {};
}

expected<std::string> emulator_profile() {
  auto read = entry<decltype(osdn_emulator_profile_json)>("osdn_emulator_profile_json");
  if (!read) return read.error();
  return whole_text([&](char* buffer, std::size_t size) { return (*read)(nullptr, 1, buffer, size); });
}

expected<std::string> emulator_trace() {
  auto read = entry<decltype(osdn_emulator_trace_json)>("osdn_emulator_trace_json");
  if (!read) return read.error();
  return whole_text([&](char* buffer, std::size_t size) { return (*read)(buffer, size); });
}

expected<std::string> emulator_version() {
  auto version = entry<decltype(osdn_emulator_version)>("osdn_emulator_version");
  if (!version) return version.error();
  return std::string((*version)());
}

}  // namespace osdn::cli
