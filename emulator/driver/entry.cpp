#include "driver/entry.hpp"

#include <pthread.h>

#include <cstdlib>
#include <optional>

#include "driver/current.hpp"
#include "driver/measuring.hpp"

namespace emulator {
namespace {

std::atomic<Driver*> the_driver{nullptr};
std::atomic<bool> forked{false};
std::atomic<bool> ended{false};
thread_local int callback_depth = 0;

// Before the library's own objects are destroyed: nothing new may start. What calls the driver later than this is told
// so, as a real driver does.
void stop_at_exit() {
  ended = true;
  if (Driver* state = the_driver; state != nullptr && !forked) {
    state->scheduler.stop();
    measuring().write_files();
  }
}

std::string& architecture_override() {
  static auto* text = new std::string;
  return *text;
}

/// What osdn_emulator_set_seed was told before cuInit.
std::optional<std::uint64_t> seed_override;  // guarded by initialization_mutex()
std::optional<bool> perturb_override;        // likewise

std::mutex& initialization_mutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

CUresult initialize() {
  if (forked) return CUDA_ERROR_NOT_INITIALIZED;
  const std::lock_guard lock(initialization_mutex());
  if (the_driver != nullptr) return CUDA_SUCCESS;
  std::optional<Settings> settings = read_settings(architecture_override());
  if (!settings) return CUDA_ERROR_INVALID_VALUE;
  settings->seed = seed_override.value_or(settings->seed);
  settings->perturb = perturb_override.value_or(settings->perturb);
  // Never destroyed: a worker may still be inside a kernel when the process ends.
  the_driver = new Driver(*settings);
  if (!settings->profile_file.empty() || !settings->trace_file.empty()) {
    measuring().on = true;
    if (!settings->trace_file.empty()) measuring().trace_blocks = settings->trace_blocks;
    measuring().write_at_exit(settings->profile_file, settings->trace_file);
  }
  pthread_atfork(nullptr, nullptr, [] { forked = true; });
  std::atexit(stop_at_exit);
  return CUDA_SUCCESS;
}

}  // namespace

Driver& driver() {
  Driver* state = the_driver;
  require(state != nullptr && !forked, CUDA_ERROR_NOT_INITIALIZED);
  require(!ended, CUDA_ERROR_DEINITIALIZED);
  require(callback_depth == 0, CUDA_ERROR_NOT_PERMITTED);
  return *state;
}

Driver* driver_if_initialized() {
  return forked ? nullptr : the_driver.load();
}

InCallback::InCallback() {
  ++callback_depth;
}
InCallback::~InCallback() {
  --callback_depth;
}

ContextPtr context_of(CUcontext handle) {
  Driver& state = driver();
  require(handle != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  ContextPtr context = state.contexts.find(handle);
  if (!context) fail(state.contexts.issued(handle) ? CUDA_ERROR_CONTEXT_IS_DESTROYED : CUDA_ERROR_INVALID_CONTEXT);
  return context;
}

ContextPtr current_context_even_failed() {
  driver();
  return context_of(current_handle());
}

ContextPtr current_context() {
  ContextPtr context = current_context_even_failed();
  if (const CUresult sticky = context->sticky; sticky != CUDA_SUCCESS) fail(sticky);
  return context;
}

Device& device_of(CUdevice ordinal) {
  Driver& state = driver();
  require(ordinal >= 0 && static_cast<std::size_t>(ordinal) < state.devices.size(), CUDA_ERROR_INVALID_DEVICE);
  return *state.devices[static_cast<std::size_t>(ordinal)];
}

CUresult use_architecture(const std::string& name) {
  const auto architecture = find_architecture(name);
  if (!architecture) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(initialization_mutex());
  Driver* state = driver_if_initialized();
  if (state == nullptr) {
    architecture_override() = name;
    return CUDA_SUCCESS;
  }
  const std::lock_guard order(state->mutex);
  if (!state->contexts.all().empty()) return CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE;
  for (auto& device : state->devices) device->architecture = *architecture;
  return CUDA_SUCCESS;
}

void use_seed(std::uint64_t seed) {
  const std::lock_guard lock(initialization_mutex());
  seed_override = seed;
  Driver* state = driver_if_initialized();
  if (state == nullptr) return;
  state->seed = seed;
  state->launches = 0;
  state->scheduler.set_seed(seed);
}

void use_perturbation(bool on) {
  const std::lock_guard lock(initialization_mutex());
  perturb_override = on;
  if (Driver* state = driver_if_initialized()) state->perturb = on;
}

CUresult cuInit(unsigned flags) {
  return entry([&] { return flags == 0 ? initialize() : CUDA_ERROR_INVALID_VALUE; });
}

}  // namespace emulator
