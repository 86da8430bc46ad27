#include "driver/state.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "driver/capture.hpp"
#include "driver/launch.hpp"
#include "driver/module.hpp"
#include "driver/pinned.hpp"

namespace emulator {
namespace {

struct LastFault {
  std::mutex mutex;
  std::string text;
};

LastFault& newest_fault() {
  static auto* fault = new LastFault;  // a worker may still write it when the process ends
  return *fault;
}

void release_allocations(Driver& state, const Context& context) {
  for (const Allocation& allocation : state.allocations.of_context(context.id)) {
    if (!state.allocations.remove(allocation.begin)) continue;
    if (allocation.kind == Allocation::Kind::device)
      state.devices[static_cast<std::size_t>(allocation.device)]->memory.release(allocation.begin);
    else
      release_host(state, allocation);
  }
}

/// Graphs outlive contexts, a context's code does not: its kernel nodes become nodes that fail.
void break_kernel_nodes(Driver& state, const ContextPtr& context) {
  for (const NodePtr& node : state.nodes.all()) {
    if (!node->task.kernel || node->task.kernel->function->context.lock() != context) continue;
    node->task.kernel.reset();
    node->task.run = [](Context&) { return CUDA_ERROR_CONTEXT_IS_DESTROYED; };
  }
}

}  // namespace

Driver::Driver(const Settings& read)
    : settings(read), scheduler(read.devices, read.seed), seed(read.seed), perturb(read.perturb) {
  for (int i = 0; i < settings.devices; ++i) {
    auto& device = *devices.emplace_back(
        std::make_unique<Device>(i, settings.architecture, settings.memory_bytes, settings.strict));
    device.default_pool = std::make_shared<Pool>();
    device.default_pool->device = i;
    device.pool = device.default_pool;
    pools.insert(device.default_pool);
  }
}

ContextPtr create_context(Device& device, unsigned flags, CUcontext handle) {
  Driver& state = *driver_if_initialized();
  auto context = std::make_shared<Context>(device, flags, ++state.serial);
  auto stream = std::make_shared<Stream>();
  stream->context = context;
  stream->id = ++state.serial;
  stream->legacy = true;
  context->legacy = std::move(stream);
  if (handle != nullptr)
    state.contexts.restore(handle, context);
  else
    state.contexts.insert(context);
  return context;
}

bool retire_context(const ContextPtr& context) {
  if (context->destroyed.exchange(true)) return false;
  driver_if_initialized()->contexts.remove(context->handle);
  return true;
}

void destroy_context(const ContextPtr& context) {
  Driver& state = *driver_if_initialized();
  state.scheduler.drain(*context);
  const std::lock_guard lock(state.mutex);
  for (const StreamPtr& stream : context->streams)
    if (const auto capture = stream->capture) {
      invalidate(*capture);
      finish(capture);
    }
  const auto belongs = [&](const auto& object) { return object.context == context; };
  state.streams.remove_if(belongs);
  state.events.remove_if(belongs);
  state.graph_execs.remove_if(belongs);
  break_kernel_nodes(state, context);
  state.functions.remove_if([&](const Function& function) { return function.context.lock() == context; });
  state.modules.remove_if([&](const ModuleObject& module) { return module.context.lock() == context; });
  for (const auto& library : state.libraries.all()) library->forget(*context);
  context->streams.clear();
  context->per_thread.clear();
  context->orphans.clear();
  context->legacy.reset();
  release_allocations(state, *context);
}

void report_fault(const std::string& text, bool to_stderr) {
  LastFault& fault = newest_fault();
  const std::lock_guard lock(fault.mutex);
  fault.text = text;
  if (to_stderr) std::fprintf(stderr, "osdn emulator: %s\n", text.c_str());
}

std::string last_fault() {
  LastFault& fault = newest_fault();
  const std::lock_guard lock(fault.mutex);
  return fault.text;
}

}  // namespace emulator
