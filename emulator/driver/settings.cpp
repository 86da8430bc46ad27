#include "driver/settings.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace emulator {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kGiB = std::size_t{1} << 30;

struct Row {
  int major;
  int minor;
  int multiprocessors;
  std::size_t optin_kib;  // shared memory of a block that opts in; a multiprocessor has 1 KiB more from 8.0 on
  int threads;            // per multiprocessor
  int blocks;             // per multiprocessor
  int clock_mhz;
  int memory_clock_mhz;
  int bus_bits;
  int l2_mib;
  std::size_t memory_gib;
};

// One well-known card for each compute capability: T4, A100, A10, Orin, L40S, H100 SXM, B200, B300, Thor, RTX 5090,
// GB10.
constexpr std::array kRows{
    Row{7, 5, 40, 64, 1024, 16, 1590, 5001, 256, 4, 16},
    Row{8, 0, 108, 163, 2048, 32, 1410, 1593, 5120, 40, 80},
    Row{8, 6, 72, 99, 1536, 16, 1695, 6251, 384, 6, 24},
    Row{8, 7, 16, 163, 1536, 16, 1300, 3200, 256, 4, 32},
    Row{8, 9, 142, 99, 1536, 24, 2520, 9001, 384, 96, 48},
    Row{9, 0, 132, 227, 2048, 32, 1980, 2619, 5120, 50, 80},
    Row{10, 0, 148, 227, 2048, 32, 1965, 3996, 8192, 126, 180},
    Row{10, 3, 148, 227, 2048, 32, 1920, 3996, 8192, 126, 270},
    Row{11, 0, 20, 227, 1536, 24, 1575, 4266, 256, 32, 128},
    Row{12, 0, 170, 99, 1536, 24, 2407, 14001, 512, 96, 32},
    Row{12, 1, 48, 99, 1536, 24, 2418, 8533, 256, 24, 128},
};

Architecture describe(const Row& row) {
  Architecture result;
  result.name = fmt::format("sm_{}{}", row.major, row.minor);
  result.profile.major = row.major;
  result.profile.minor = row.minor;
  result.profile.multiprocessors = row.multiprocessors;
  result.profile.shared_per_block_optin = row.optin_kib * kKiB;
  result.profile.shared_per_multiprocessor = (row.optin_kib + (row.major >= 8 ? 1 : 0)) * kKiB;
  result.profile.threads_per_multiprocessor = row.threads;
  result.profile.blocks_per_multiprocessor = row.blocks;
  result.profile.clock_khz = row.clock_mhz * 1000;
  result.profile.memory_bytes_per_second = 2e6 * row.memory_clock_mhz * row.bus_bits / 8;  // two transfers per clock
  result.profile.l2_bytes = static_cast<std::size_t>(row.l2_mib) << 20;
  result.threads_per_multiprocessor = row.threads;
  result.blocks_per_multiprocessor = row.blocks;
  result.clock_khz = row.clock_mhz * 1000;
  result.memory_clock_khz = row.memory_clock_mhz * 1000;
  result.memory_bus_bits = row.bus_bits;
  result.l2_bytes = row.l2_mib * 1024 * 1024;
  result.memory_bytes = row.memory_gib * kGiB;
  return result;
}

bool complain(const char* variable, const char* value, const std::string& allowed) {
  const std::string line = fmt::format("osdn emulator: {}={} is not usable: allowed is {}\n", variable, value, allowed);
  std::fputs(line.c_str(), stderr);
  return false;
}

/// True and `out` untouched when the variable is unset or empty.
bool read_number(const char* variable, std::uint64_t low, std::uint64_t high, std::uint64_t& out) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): once, in cuInit
  if (text == nullptr || *text == '\0') return true;
  const std::string_view view = text;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc{} || end != view.data() + view.size() || value < low || value > high)
    return complain(variable, text, fmt::format("a whole number from {} to {}", low, high));
  out = value;
  return true;
}

/// Bytes, with an optional K, M, G or T (powers of 1024).
bool read_bytes(const char* variable, std::size_t& out) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): once, in cuInit
  if (text == nullptr || *text == '\0') return true;
  std::string_view view = text;
  int shift = 0;
  const std::string_view units = "KMGT";
  if (const auto unit = units.find(view.back()); unit != std::string_view::npos) {
    shift = 10 * (static_cast<int>(unit) + 1);
    view.remove_suffix(1);
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  const std::uint64_t limit = std::uint64_t{1} << 46;  // what fits the host's address space with room to spare
  if (error != std::errc{} || end != view.data() + view.size() || value == 0 || value > (limit >> shift))
    return complain(variable, text, "a number of bytes up to 64T, with an optional K, M, G or T, for instance 16G");
  out = value << shift;
  return true;
}

bool read_switch(const char* variable, bool& out) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): once, in cuInit
  if (text == nullptr || *text == '\0') return true;
  const std::string_view view = text;
  if (view != "on" && view != "off") return complain(variable, text, "on or off");
  out = view == "on";
  return true;
}

std::string read_text(const char* variable) {
  const char* text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): once, in cuInit
  return text == nullptr ? std::string() : std::string(text);
}

std::size_t host_memory() {
  return static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::optional<Architecture> find_architecture(std::string_view name) {
  if (!name.empty() && (name.back() == 'a' || name.back() == 'f')) name.remove_suffix(1);
  for (const Row& row : kRows)
    if (name == fmt::format("sm_{}{}", row.major, row.minor)) return describe(row);
  return std::nullopt;
}

std::string known_architectures() {
  std::string names;
  for (const Row& row : kRows) names += fmt::format("{}sm_{}{}", names.empty() ? "" : ", ", row.major, row.minor);
  return names;
}

std::optional<Settings> read_settings(const std::string& architecture_override) {
  Settings settings;
  const char* variable = std::getenv("OSDN_EMULATOR_ARCH");  // NOLINT(concurrency-mt-unsafe): once, in cuInit
  std::string name = variable != nullptr && *variable != '\0' ? variable : "sm_80";
  if (!architecture_override.empty()) name = architecture_override;
  const auto architecture = find_architecture(name);
  if (!architecture) {
    complain("OSDN_EMULATOR_ARCH", name.c_str(), "one of " + known_architectures());
    return std::nullopt;
  }
  settings.architecture = *architecture;
  // A card's own size, but no more than the host could back.
  settings.memory_bytes = std::min(settings.architecture.memory_bytes, host_memory());

  std::uint64_t devices = 1;
  std::uint64_t threads = 0;
  std::uint64_t strict = 1;
  std::uint64_t trace_blocks = settings.trace_blocks;
  const bool usable = read_number("OSDN_EMULATOR_DEVICES", 1, 64, devices) &&
                      read_number("OSDN_EMULATOR_THREADS", 0, 4096, threads) &&
                      read_number("OSDN_EMULATOR_STRICT", 0, 1, strict) &&
                      read_number("OSDN_EMULATOR_TRACE_BLOCKS", 1, 1024, trace_blocks) &&
                      read_number("OSDN_EMULATOR_SEED", 0, UINT64_MAX, settings.seed) &&
                      read_switch("OSDN_EMULATOR_PERTURB", settings.perturb) &&
                      read_number("OSDN_EMULATOR_INSTRUCTION_LIMIT", 0, UINT64_MAX, settings.instruction_limit) &&
                      read_bytes("OSDN_EMULATOR_MEMORY", settings.memory_bytes);
  if (!usable) return std::nullopt;
  settings.devices = static_cast<int>(devices);
  settings.host_threads = static_cast<int>(threads);
  settings.strict = strict != 0;
  settings.trace_blocks = static_cast<unsigned>(trace_blocks);
  settings.profile_file = read_text("OSDN_EMULATOR_PROFILE");
  settings.trace_file = read_text("OSDN_EMULATOR_TRACE");
  return settings;
}

}  // namespace emulator
