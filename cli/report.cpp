#include "cli/report.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "runtime/nvrtc.hpp"

namespace osdn::cli {

ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::unsupported:
    case ErrorCode::constraint:
    case ErrorCode::corrupt:
    case ErrorCode::not_prepared:
      return bad_input;
    case ErrorCode::library_not_found:
    case ErrorCode::no_device:
    case ErrorCode::driver:
    case ErrorCode::out_of_memory:
    case ErrorCode::io:
      return environment;
    case ErrorCode::compile_failed:
    case ErrorCode::internal:
      break;
  }
  return defect;
}

int fail(const Error& error, bool json) {
  progress({});
  note(fmt::format("osdn: {}", error.message));
  if (!error.context.empty()) note("  " + indented(error.context));
  if (json) {
    print_json(Json{{"error", {{"code", name(error.code)}, {"message", error.message}, {"context", error.context}}}});
  }
  return exit_code_of(error.code);
}

std::string indented(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out;
}

void print_json(const Json& json) {
  print(json.dump(2, ' ', false, Json::error_handler_t::replace));
}

// A stream that takes nothing must not throw: main() finds out what stdout lost and ends with the right code, and what
// stderr lost cannot be said anywhere.
void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
}

void note(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  if (!text.ends_with('\n')) std::fputc('\n', stderr);
}

void progress(std::string_view text) {
  static const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (!terminal) return;
  std::fputs("\r\033[K", stderr);
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

Json to_json(const DeviceDescription& device) {
  return {{"name", device.name},
          {"emulated", device.emulated},
          {"ordinal", device.ordinal},
          {"arch", fmt::format("sm_{}", device.arch)},
          {"multiprocessors", device.multiprocessors},
          {"shared_per_block", device.shared_per_block},
          {"memory_bytes", device.memory_bytes},
          {"memory_clock_mhz", device.memory_clock_mhz},
          {"l2_bytes", device.l2_bytes},
          {"pci_bus_id", device.pci_bus_id},
          {"driver_version", runtime::version_text(device.driver_version)},
          {"driver_library", device.driver_library},
          {"nvrtc_version", device.nvrtc_version == 0 ? Json() : Json(runtime::version_text(device.nvrtc_version))},
          {"nvrtc_library", device.nvrtc_library}};
}

Json to_json(const KernelReport& kernel) {
  return {{"name", kernel.name},
          {"phase", kernel.phase},
          {"arch", kernel.arch},
          {"source", kernel.source},
          {"compile_ms", kernel.compile_ms},
          {"threads", kernel.threads},
          {"registers", kernel.registers},
          {"spill_bytes", kernel.spill_bytes},
          {"stack_bytes", kernel.stack_bytes},
          {"static_shared_bytes", kernel.static_shared_bytes},
          {"dynamic_shared_bytes", kernel.dynamic_shared_bytes},
          {"image_bytes", kernel.image_bytes}};
}

Json to_json(const CacheStatistics& statistics) {
  return {{"memory_hits", statistics.memory_hits},
          {"host_hits", statistics.host_hits},
          {"pack_hits", statistics.pack_hits},
          {"disk_hits", statistics.disk_hits},
          {"misses", statistics.misses},
          {"rejected", statistics.rejected},
          {"write_failures", statistics.write_failures}};
}

std::string bytes_text(std::size_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  const double kib = static_cast<double>(bytes) / 1024;
  return kib < 1024 ? fmt::format("{:.4g} KiB", kib) : fmt::format("{:.4g} MiB", kib / 1024);
}

}  // namespace osdn::cli
