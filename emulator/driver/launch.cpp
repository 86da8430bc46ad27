#include "driver/launch.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "driver/launch_checks.hpp"
#include "driver/measuring.hpp"

namespace emulator {
namespace {

CUresult code_of(const Fault& fault) {
  switch (fault.kind) {
    case Fault::Kind::out_of_bounds:
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    case Fault::Kind::misaligned:
      return CUDA_ERROR_MISALIGNED_ADDRESS;
    case Fault::Kind::deadlock:
    case Fault::Kind::instruction_limit:
      return CUDA_ERROR_LAUNCH_TIMEOUT;
    case Fault::Kind::unsupported:
    case Fault::Kind::tensor_map:
      return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    case Fault::Kind::assertion:
      return CUDA_ERROR_ASSERT;
    default:  // trap, divergent barriers and whatever strictness comes to know
      return CUDA_ERROR_LAUNCH_FAILED;
  }
}

std::uint64_t mix(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return value ^ (value >> 31);
}

/// A function whose module went away before its work was done, or before a graph that holds it was launched again.
CUresult unloaded(const std::string& kernel) {
  report_fault(fmt::format("{} runs, but its module or library was unloaded: wait for its launches first, and keep it "
                           "as long as graphs that hold it",
                           kernel),
               true);
  return CUDA_ERROR_ILLEGAL_ADDRESS;
}

CUresult run(const KernelCall& call, Context& context) {
  Driver& state = *driver_if_initialized();
  Launch launch;
  launch.kernel = call.function->kernel;
  launch.grid = call.grid;
  launch.block = call.block;
  launch.dynamic_shared = call.dynamic_shared;
  launch.cooperative = call.cooperative;
  launch.parameters = call.parameters.data();
  launch.seed = mix(state.seed + mix(state.launches++));
  // Of the seed alone: a device's functions do not change from launch to launch.
  if (state.perturb) launch.perturbation = mix(state.seed ^ 0x5DEECE66D) | 1;
  launch.instruction_limit = state.settings.instruction_limit;
  launch.host_threads = state.settings.host_threads;
  launch.strict = state.settings.strict;
  launch.printer = &context.printer;
  const std::string& name = call.function->kernel->name();
  if (call.function->unloaded) return unloaded(name);
  launch.measure = measuring().on;
  launch.trace_blocks = measuring().trace_blocks;
  launch.registers = measuring().registers(name);
  Statistics work;
  const std::optional<Fault> fault = execute(launch, context.device.memory, context.device.architecture.profile, work);
  if (work.measurement.measured) {
    measuring().add(name, context.device.architecture.name, std::move(work.measurement));
    work.measurement = {};
  }
  state.statistics.add(name, work);
  if (!fault) return call.function->unloaded ? unloaded(name) : CUDA_SUCCESS;
  report_fault(fault->text(), true);
  return code_of(*fault);
}

/// Why the stream of a launch did not take it.
std::string why_not_queued(CUresult code, CUstream stream) {
  switch (code) {
    case CUDA_ERROR_STREAM_CAPTURE_IMPLICIT:
      return "the default stream would wait for a blocking stream that is being captured, and that breaks the capture; "
             "launch into the captured stream, or capture one made with CU_STREAM_NON_BLOCKING";
    case CUDA_ERROR_STREAM_CAPTURE_INVALIDATED:
      return "the capture of its stream was broken before; end it with cuStreamEndCapture";
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
      return "its stream's context was destroyed";
    case CUDA_ERROR_INVALID_HANDLE:
      return driver().streams.issued(stream) ? "its stream was destroyed"
                                             : fmt::format("{} is not a stream", static_cast<void*>(stream));
    default:
      return fmt::format("its stream does not take work (error {})", static_cast<int>(code));
  }
}

/// All blocks of a cooperative launch must find a place at the same time.
void check_residents(const KernelCall& call, const Device& device) {
  const auto threads = static_cast<int>(call.block[0] * call.block[1] * call.block[2]);
  const std::uint64_t blocks = std::uint64_t{call.grid[0]} * call.grid[1] * call.grid[2];
  const auto places =
      static_cast<std::uint64_t>(resident_blocks(*call.function, device, threads, call.dynamic_shared)) *
      static_cast<unsigned>(device.architecture.profile.multiprocessors);
  if (blocks <= places) return;
  refuse_launch(
      call.function->kernel->name(), CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE,
      fmt::format("a cooperative launch of {} blocks, of which the device holds {} at a time", blocks, places));
}

CUresult launch_on(CUstream stream, CUfunction function, std::array<unsigned, 3> grid, std::array<unsigned, 3> block,
                   unsigned shared, void** parameters, void** extra, bool cooperative = false) {
  const ContextPtr context = current_context();
  const auto call = make_call(context, function, grid, block, shared, parameters, extra);
  if (cooperative) check_residents(*call, context->device);
  call->cooperative = cooperative;
  Task task = kernel_task(call);
  const std::string kernel = task.kernel->function->kernel->name();
  const std::lock_guard lock(driver().mutex);
  bool foreign = false;
  try {
    const StreamPtr target = stream_of(context, stream);
    foreign = target->context != context;
    if (!foreign) submit(*target, std::move(task));
  } catch (const Failure& failure) {
    refuse_launch(kernel, failure.code, why_not_queued(failure.code, stream));
  }
  if (foreign) refuse_launch(kernel, CUDA_ERROR_INVALID_HANDLE, "its stream belongs to another context");
  return CUDA_SUCCESS;
}

/// Attributes that only tune are accepted; those that would change what the kernel sees are not there yet.
void check_attribute(const CUlaunchAttribute& attribute, CUfunction function) {
  const CUlaunchAttributeValue& value = attribute.value;
  switch (attribute.id) {
    case CU_LAUNCH_ATTRIBUTE_IGNORE:
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:  // a launch never starts before the one it follows ends
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      return;
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:  // launch_on() sees to it
      return;
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
      if (value.clusterDim.x == 1 && value.clusterDim.y == 1 && value.clusterDim.z == 1) return;
      refuse_launch(launchable_function(function, current_context())->kernel->name(), CUDA_ERROR_NOT_SUPPORTED,
                    fmt::format("clusters of {} x {} x {} blocks; the emulator has clusters of one block only",
                                value.clusterDim.x, value.clusterDim.y, value.clusterDim.z));
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
    case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
    case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
      fail(CUDA_ERROR_NOT_SUPPORTED);
  }
  fail(CUDA_ERROR_INVALID_VALUE);
}

}  // namespace

std::shared_ptr<KernelCall> make_call(const ContextPtr& context, CUfunction handle, std::array<unsigned, 3> grid,
                                      std::array<unsigned, 3> block, unsigned dynamic_shared, void** parameters,
                                      void** extra) {
  auto call = std::make_shared<KernelCall>();
  call->function = launchable_function(handle, context);
  check_geometry(*call->function, context->device, grid, block, dynamic_shared);
  call->grid = grid;
  call->block = block;
  call->dynamic_shared = dynamic_shared;
  call->parameters = pack_parameters(*call->function->kernel, parameters, extra);
  for (const Parameter& parameter : call->function->kernel->parameters())
    call->pointers.push_back(call->parameters.data() + parameter.offset);
  return call;
}

Task kernel_task(std::shared_ptr<KernelCall> call) {
  Task task;
  task.type = CU_GRAPH_NODE_TYPE_KERNEL;
  task.kernel = call;
  task.run = [call = std::move(call)](Context& context) { return run(*call, context); };
  return task;
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned shared, CUstream stream, void** parameters,
                        void** extra) {
  return entry([&] {
    return launch_on(stream, function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, parameters,
                     extra);
  });
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** parameters, void** extra) {
  return entry([&] {
    require(config != nullptr && (config->numAttrs == 0 || config->attrs != nullptr));
    bool cooperative = false;
    for (unsigned i = 0; i < config->numAttrs; ++i) {
      check_attribute(config->attrs[i], function);
      const CUlaunchAttribute& attribute = config->attrs[i];
      if (attribute.id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE) cooperative = attribute.value.cooperative != 0;
    }
    return launch_on(config->hStream, function, {config->gridDimX, config->gridDimY, config->gridDimZ},
                     {config->blockDimX, config->blockDimY, config->blockDimZ}, config->sharedMemBytes, parameters,
                     extra, cooperative);
  });
}

CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                                   CUstream stream, void** parameters) {
  return entry([&] {
    return launch_on(stream, function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, parameters,
                     nullptr, true);
  });
}

}  // namespace emulator
