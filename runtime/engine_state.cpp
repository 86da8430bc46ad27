#include "runtime/engine_state.hpp"

#include <fmt/format.h>

#include <future>
#include <system_error>
#include <vector>

#include "runtime/fork_guard.hpp"
#include "runtime/trace.hpp"

namespace osdn {
namespace {

using runtime::ContextScope;
using runtime::Driver;
namespace cuda = runtime::cuda;

runtime::CompilerOptions compiler_options(const EngineOptions& options, const DeviceDescription& device) {
  runtime::CompilerOptions compiler;
  compiler.nvrtc = runtime::default_nvrtc_search(options.nvrtc_library);
  // A software device runs PTX, whatever compiled it; a real one machine code of its own major version or older.
  compiler.driver_version = device.emulated ? 0 : device.driver_version;
  compiler.disk_cache = options.disk_cache;
  compiler.cache.directory = options.cache_directory;
  compiler.packs = runtime::pack_files(options.packs);
  compiler.host_cache = options.host_cache;
  compiler.threads = options.compile_threads;
  compiler.log = runtime::Log(options.log);
  return compiler;
}

/// Errors: out_of_memory, internal.
expected<DevicePointer> allocate_from_host(const DeviceMemory& memory, std::size_t bytes) {
  const auto failure = [&](ErrorCode code, std::string_view what) {
    return Error{code, fmt::format("allocating {} bytes: the host's allocator {}", bytes, what), {}};
  };
  DevicePointer address = 0;
  try {
    address = memory.allocate(bytes);
  } catch (const std::bad_alloc&) {
    return failure(ErrorCode::out_of_memory, "threw std::bad_alloc");
  } catch (const std::exception& thrown) {
    return failure(ErrorCode::out_of_memory, fmt::format("threw: {}", thrown.what()));
  } catch (...) {
    return failure(ErrorCode::out_of_memory, "threw what is no std::exception");
  }
  if (address == 0) return failure(ErrorCode::out_of_memory, "has none");
  if (address % 256 == 0) return address;
  memory.free(address, bytes);
  return failure(ErrorCode::invalid_argument,
                 fmt::format("returned 0x{:x}, which is not aligned to 256 bytes", address));
}

}  // namespace

expected<std::shared_ptr<EngineState>> EngineState::create(const EngineOptions& options) {
  if (static_cast<bool>(options.memory.allocate) != static_cast<bool>(options.memory.free)) {
    return Error{ErrorCode::invalid_argument, "memory: give both allocate and free, or neither", {}};
  }
  auto driver = runtime::load_driver(options.driver_library);
  if (!driver) return std::move(driver).error();
  auto device = runtime::DeviceContext::open(*std::move(driver), options.device);
  if (!device) return std::move(device).error();
  return std::shared_ptr<EngineState>(new EngineState(options, *std::move(device)));
}

EngineState::EngineState(const EngineOptions& options, std::shared_ptr<const runtime::DeviceContext> device)
    : device_(std::move(device)),
      description_(device_->description()),
      options_(options),
      compiler_(compiler_options(options, description_)) {
  if (const auto nvrtc = compiler_.nvrtc()) {
    description_.nvrtc_version = nvrtc->version;
    description_.nvrtc_library = nvrtc->path;
  }
}

EngineState::Kernels::Answer EngineState::prepare_kernel(const generator::KernelPlan& kernel, const std::string& arch) {
  const runtime::CompileInput input = runtime::compile_input(kernel, arch, lines_);
  return kernels_.get({compiler_.identify(input).key, kernel.dynamic_shared},
                      [&] { return find_and_load(kernel, arch, input); });
}

EngineState::Kernels::Result EngineState::find_and_load(const generator::KernelPlan& kernel, const std::string& arch,
                                                        const runtime::CompileInput& input) {
  runtime::RefusedCode refused;
  for (;;) {
    auto compiled = traced_compile(input, refused);
    if (!compiled) return std::move(compiled).error();
    const std::size_t before = refused.size();
    const runtime::Span loading(options_.trace, TraceEvent::Kind::load);
    auto loaded = runtime::LoadedKernel::load(device_, kernel, *compiled, refused);
    loading.ended(kernel.entry, loaded ? arch : loaded.error().message, !loaded);
    if (loaded || refused.size() == before) return loaded;
    if (compiled->origin == runtime::Origin::compiled) {  // nobody is left to ask
      Error error = std::move(loaded).error();
      if (before > 0) error.context = refused.lines();
      return error;
    }
    compiler_.take_back(*compiled, loaded.error());
  }
}

expected<runtime::CompilerResult> EngineState::traced_compile(const runtime::CompileInput& input,
                                                              const runtime::RefusedCode& refused) {
  const runtime::Span span(options_.trace, TraceEvent::Kind::compile);
  auto compiled = compiler_.compile(input, refused);
  if (!compiled) {
    span.ended(input.entry, compiled.error().message, true);
  } else if (span.heard()) {
    const bool anew = compiled->origin == runtime::Origin::compiled;
    span.ended_as(anew ? TraceEvent::Kind::compile : TraceEvent::Kind::find, input.entry,
                  fmt::format("{}, {}", runtime::name(compiled->origin), compiled->kernel.arch));
  }
  return compiled;
}

expected<PreparedOperation> EngineState::prepare_plan(generator::Plan plan) {
  if (runtime::forked()) return runtime::after_fork();
  const std::string arch = generator::to_string(plan.architecture);
  std::vector<std::future<Kernels::Answer>> others;
  for (std::size_t index = 1; index < plan.kernels.size(); ++index) {
    auto work = [this, &kernel = plan.kernels[index], &arch] { return prepare_kernel(kernel, arch); };
    try {
      others.push_back(std::async(std::launch::async, work));
    } catch (const std::system_error&) {  // no thread to be had: on this one, later
      others.push_back(std::async(std::launch::deferred, work));
    }
  }
  std::vector<Kernels::Answer> answers;
  if (!plan.kernels.empty()) answers.push_back(prepare_kernel(plan.kernels[0], arch));
  for (auto& other : others) answers.push_back(other.get());

  PreparedState::Kernels kernels;
  std::vector<KernelReport> reports;
  for (Kernels::Answer& answer : answers) {
    if (!answer.result) {
      Error error = std::move(answer.result).error();
      if (error.code == ErrorCode::compile_failed) {
        error.context = fmt::format("problem: {}\nconfiguration: {}\n{}", to_string(plan.problem),
                                    to_string(plan.config), error.context);
      }
      return error;
    }
    reports.push_back((*answer.result)->report());
    if (!answer.made) {
      reports.back().source = runtime::name(runtime::Origin::memory);
      memory_hits_.fetch_add(1, std::memory_order_relaxed);
    }
    kernels.push_back(*std::move(answer.result));
  }
  return PreparedOperation(std::make_shared<PreparedState>(device_, std::move(plan), std::move(kernels),
                                                           std::move(reports), options_.validate));
}

expected<DevicePointer> EngineState::allocate(std::size_t bytes) {
  const Driver& driver = device_->driver();
  const ContextScope scope(*device_);
  if (scope.result() != cuda::success) return driver.error(scope.result(), "entering the context");
  if (options_.memory.allocate) return allocate_from_host(options_.memory, bytes);
  cuda::DeviceAddress address = 0;
  if (const auto result = driver.memory_allocate(&address, bytes); result != cuda::success) {
    return driver.error(result, fmt::format("allocating {} bytes on {}", bytes, description_.name));
  }
  return DevicePointer{address};
}

void EngineState::free(DevicePointer address, std::size_t bytes) const {
  const ContextScope scope(*device_);
  if (scope.result() != cuda::success) return;
  if (!options_.memory.free) {
    device_->driver().memory_free(address);
    return;
  }
  try {
    options_.memory.free(address, bytes);
  } catch (...) {  // whoever frees cannot do anything about it
  }
}

expected<void> EngineState::upload(DevicePointer to, const void* from, std::size_t bytes) const {
  const Driver& driver = device_->driver();
  const ContextScope scope(*device_);
  if (scope.result() != cuda::success) return driver.error(scope.result(), "entering the context");
  const auto result = driver.copy_to_device(to, from, bytes);
  return result == cuda::success ? expected<void>() : driver.error(result, fmt::format("uploading {} bytes", bytes));
}

expected<void> EngineState::download(void* to, DevicePointer from, std::size_t bytes) const {
  const Driver& driver = device_->driver();
  const ContextScope scope(*device_);
  if (scope.result() != cuda::success) return driver.error(scope.result(), "entering the context");
  const auto result = driver.copy_to_host(to, from, bytes);
  return result == cuda::success ? expected<void>() : driver.error(result, fmt::format("downloading {} bytes", bytes));
}

expected<void> EngineState::synchronize(Stream stream) const {
  const Driver& driver = device_->driver();
  const ContextScope scope(*device_);
  if (scope.result() != cuda::success) return driver.error(scope.result(), "entering the context");
  const auto result = driver.stream_synchronize(static_cast<cuda::Stream>(stream));
  return result == cuda::success ? expected<void>() : driver.error(result, "waiting for the stream");
}

CacheStatistics EngineState::cache_statistics() const {
  CacheStatistics all;
  all.memory_hits = memory_hits_.load(std::memory_order_relaxed);
  all.disk_hits = compiler_.disk_hits();
  all.host_hits = compiler_.host_hits();
  all.pack_hits = compiler_.pack_hits();
  all.misses = compiler_.compilations();
  all.rejected = compiler_.rejected();
  if (const runtime::DiskCache* disk = compiler_.disk()) all.write_failures = disk->write_failures();
  return all;
}

}  // namespace osdn
