// The entries of osdn_emulator.h.
#include <algorithm>
#include <cstring>

#include "driver/current.hpp"
#include "driver/entry.hpp"
#include "driver/measuring.hpp"
#include "osdn_emulator.h"

#define OSDN_EMULATOR_EXTRA extern "C" __attribute__((visibility("default")))

namespace emulator {
namespace {

/// Nothing is thrown through C: without memory for the text there is none.
template <class Text>
std::size_t copy_out(Text make, char* buffer, std::size_t size) noexcept {
  std::string text;
  try {
    text = make();
  } catch (...) {
    text.clear();
  }
  if (buffer != nullptr && size > 0) {
    const std::size_t length = std::min(text.size(), size - 1);
    std::memcpy(buffer, text.data(), length);
    buffer[length] = '\0';
  }
  return text.size();
}

osdn_emulator_counts counts_of(const LaunchStatistics::Entry& entry) {
  osdn_emulator_counts counts{};
  counts.launches = entry.launches;
  counts.blocks = entry.work.blocks;
  for (const auto& [kind, count] : entry.work.warp_instructions) counts.warp_instructions += count;
  counts.thread_instructions = entry.work.thread_instructions;
  counts.global_load_bytes = entry.work.global_load_bytes;
  counts.global_store_bytes = entry.work.global_store_bytes;
  counts.shared_load_bytes = entry.work.shared_load_bytes;
  counts.shared_store_bytes = entry.work.shared_store_bytes;
  counts.async_copy_bytes = entry.work.async_copy_bytes;
  counts.tensor_flops = entry.work.tensor_flops;
  return counts;
}

}  // namespace
}  // namespace emulator

using namespace emulator;  // NOLINT: exported entries

OSDN_EMULATOR_EXTRA const char* osdn_emulator_version() {
  return OSDN_EMULATOR_VERSION;
}

OSDN_EMULATOR_EXTRA size_t osdn_emulator_last_fault(char* buffer, size_t size) {
  return copy_out([] { return last_fault(); }, buffer, size);
}

OSDN_EMULATOR_EXTRA int osdn_emulator_statistics(const char* kernel, osdn_emulator_counts* counts) {
  return entry([&] {
    require(counts != nullptr && counts->struct_size >= sizeof(size_t));
    const auto found = driver().statistics.of(kernel != nullptr ? kernel : "");
    require(found.has_value(), CUDA_ERROR_NOT_FOUND);
    osdn_emulator_counts answer = counts_of(*found);
    answer.struct_size = counts->struct_size;
    std::memcpy(counts, &answer, std::min(counts->struct_size, sizeof(answer)));
  });
}

OSDN_EMULATOR_EXTRA size_t osdn_emulator_statistics_json(char* buffer, size_t size) {
  const auto text = [] {
    const Driver* state = driver_if_initialized();
    return state != nullptr ? state->statistics.json() : LaunchStatistics().json();
  };
  return copy_out(text, buffer, size);
}

OSDN_EMULATOR_EXTRA void osdn_emulator_reset_statistics() {
  if (Driver* state = driver_if_initialized()) state->statistics.reset();
  measuring().reset();
}

OSDN_EMULATOR_EXTRA void osdn_emulator_set_measure(int on, unsigned trace_blocks) {
  measuring().on = on != 0;
  measuring().trace_blocks = on != 0 ? trace_blocks : 0;
}

OSDN_EMULATOR_EXTRA void osdn_emulator_set_registers(const char* kernel, int registers) {
  entry([&] {
    if (kernel != nullptr) measuring().set_registers(kernel, registers);
  });
}

OSDN_EMULATOR_EXTRA size_t osdn_emulator_profile_json(const char* kernel, int lines, char* buffer, size_t size) {
  return copy_out([&] { return measuring().profile_json(kernel != nullptr ? kernel : "", lines != 0); }, buffer, size);
}

OSDN_EMULATOR_EXTRA size_t osdn_emulator_trace_json(char* buffer, size_t size) {
  return copy_out([] { return measuring().trace_json(); }, buffer, size);
}

OSDN_EMULATOR_EXTRA void osdn_emulator_set_seed(uint64_t seed) {
  use_seed(seed);
}

OSDN_EMULATOR_EXTRA void osdn_emulator_set_perturb(int on) {
  use_perturbation(on != 0);
}

OSDN_EMULATOR_EXTRA int osdn_emulator_set_profile(const char* architecture) {
  return entry([&] {
    require(architecture != nullptr);
    return use_architecture(architecture);
  });
}
