// Fuzz target: whatever the text, a module is loaded or refused with a reason; what loads can be run, a few
// instructions far, without touching memory that is not its own.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "execute/execute.hpp"

namespace {

constexpr std::uint64_t kInstructions = 300;
constexpr std::size_t kBufferBytes = 4096;
constexpr std::size_t kMostBytes = 1 << 20;  // of parameters, local and shared memory: a larger kernel is only loaded

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_small(const emulator::Kernel& kernel, std::size_t parameter_bytes) {
  return parameter_bytes <= kMostBytes && kernel.local_bytes() <= kMostBytes && kernel.static_shared() <= 48 * 1024;
}

void run(const emulator::Kernel& kernel, std::uint64_t buffer, emulator::Memory& memory,
         const emulator::Profile& profile) {
  std::size_t bytes = 0;
  for (const emulator::Parameter& parameter : kernel.parameters())
    bytes = std::max(bytes, parameter.offset + parameter.size);
  if (!is_small(kernel, bytes)) return;
  // Every parameter looks like the address of a buffer.
  std::vector<std::byte> parameters(bytes + sizeof(buffer));
  for (std::size_t at = 0; at + sizeof(buffer) <= parameters.size(); at += sizeof(buffer))
    for (std::size_t i = 0; i < sizeof(buffer); ++i) parameters[at + i] = static_cast<std::byte>(buffer >> (8 * i));
  emulator::Launch launch;
  launch.kernel = &kernel;
  launch.block = {40, 1, 1};  // a warp, and a part of one
  launch.dynamic_shared = 1024;
  launch.parameters = parameters.data();
  launch.seed = 1;
  launch.instruction_limit = kInstructions;
  launch.host_threads = 1;
  emulator::Statistics statistics;
  const auto fault = emulator::execute(launch, memory, profile, statistics);
  if (fault) require(!fault->text().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  emulator::Memory memory(16 << 20);
  const emulator::Profile profile;
  auto loaded = emulator::load_module(text, memory, profile);
  if (const auto* fault = std::get_if<emulator::Fault>(&loaded)) {
    require(!fault->text().empty());
    return 0;
  }
  const auto module = std::move(std::get<0>(loaded));
  const std::uint64_t buffer = memory.allocate(kBufferBytes);
  for (const emulator::Kernel* kernel : module->kernels()) run(*kernel, buffer, memory, profile);
  require(memory.find(buffer).holds(buffer, kBufferBytes));
  return 0;
}
