// What an Engine stands on. Internal: the tuner, the tests and the benchmarks prepare plans of their own through it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "generator/plan.hpp"
#include "osdn/engine.hpp"
#include "runtime/compiler.hpp"
#include "runtime/device.hpp"
#include "runtime/operation_table.hpp"
#include "runtime/single_flight.hpp"

namespace osdn {

class EngineState {
 public:
  static expected<std::shared_ptr<EngineState>> create(const EngineOptions& options);

  [[nodiscard]] const runtime::DeviceContext& device() const { return *device_; }
  [[nodiscard]] const DeviceDescription& description() const { return description_; }
  [[nodiscard]] const EngineOptions& options() const { return options_; }  ///< as they were asked for
  [[nodiscard]] runtime::Compiler& compiler() { return compiler_; }
  /// What plans are made for on this device. Errors: unsupported.
  [[nodiscard]] expected<generator::Architecture> architecture() const;

  expected<PreparedOperation> prepare(const Problem& problem, const std::optional<Config>& config);
  /// Compiles the plan's kernels at the same time, each once however many ask, and loads them.
  expected<PreparedOperation> prepare_plan(generator::Plan plan);

  expected<DevicePointer> allocate(std::size_t bytes);
  void free(DevicePointer address, std::size_t bytes) const;
  expected<void> upload(DevicePointer to, const void* from, std::size_t bytes) const;
  expected<void> download(void* to, DevicePointer from, std::size_t bytes) const;
  expected<void> synchronize(Stream stream) const;
  [[nodiscard]] CacheStatistics cache_statistics() const;

  /// What is prepared from here on carries line information: for profilers. Before the first prepare.
  void compile_with_lines(bool lines) { lines_ = lines; }

 private:
  expected<PreparedOperation> prepare_anew(const Problem& problem, const std::optional<Config>& config);
  EngineState(const EngineOptions& options, std::shared_ptr<const runtime::DeviceContext> device);

  /// Machine code and the shared memory it may ask for: the same code loads anew for another size.
  using KernelKey = std::pair<runtime::CacheKey, std::size_t>;
  using Kernels = runtime::SingleFlight<KernelKey, runtime::LoadedKernel>;
  expected<runtime::CompilerResult> traced_compile(const runtime::CompileInput& input,
                                                   const runtime::RefusedCode& refused);
  Kernels::Result find_and_load(const generator::KernelPlan& kernel, const std::string& arch,
                                const runtime::CompileInput& input);
  Kernels::Answer prepare_kernel(const generator::KernelPlan& kernel, const std::string& arch);

  std::shared_ptr<const runtime::DeviceContext> device_;
  DeviceDescription description_;
  EngineOptions options_;
  std::atomic<bool> lines_{false};
  runtime::Compiler compiler_;
  Kernels kernels_;
  runtime::OperationTable operations_;
  std::atomic<std::uint64_t> memory_hits_{0};
};

}  // namespace osdn
