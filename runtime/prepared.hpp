// What a PreparedOperation stands on.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "generator/plan.hpp"
#include "osdn/engine.hpp"
#include "runtime/call.hpp"
#include "runtime/loaded_kernel.hpp"

namespace osdn {

struct ForwardParameters;

class PreparedState {
 public:
  using Kernels = std::vector<std::shared_ptr<const runtime::LoadedKernel>>;

  PreparedState(std::shared_ptr<const runtime::DeviceContext> device, generator::Plan plan, Kernels kernels,
                std::vector<KernelReport> reports, bool validate)
      : device_(std::move(device)),
        plan_(std::move(plan)),
        kernels_(std::move(kernels)),
        reports_(std::move(reports)),
        validate_(validate) {}

  /// The same operation as one finds it that asks again.
  [[nodiscard]] std::shared_ptr<const PreparedState> as_found_in_memory() const;

  [[nodiscard]] const generator::Plan& plan() const { return plan_; }
  [[nodiscard]] const std::vector<KernelReport>& reports() const { return reports_; }
  [[nodiscard]] expected<void> launch(const ForwardArguments& arguments, Stream stream) const;
  [[nodiscard]] expected<void> launch(const DecodeArguments& arguments, Stream stream) const;
  /// Only the launches of this kernel of the plan: for timing phases. It reads what the ones before it left in the
  /// workspace.
  [[nodiscard]] expected<void> launch_kernel_alone(std::size_t kernel, const ForwardArguments& arguments,
                                                   Stream stream) const;

 private:
  [[nodiscard]] expected<void> enqueue(const runtime::Call& call, runtime::cuda::Stream stream,
                                       std::optional<std::size_t> only = {}) const;
  /// Parameters and tensor maps, of which a kernel takes as many as it has parameters.
  using KernelArguments = std::array<void*, 2>;
  struct Pass {
    const runtime::Call& call;
    KernelArguments arguments;
    ForwardParameters& turning;  ///< the part of the parameters that says which launch of the pass it is
  };
  [[nodiscard]] expected<void> enqueue_all(const Pass& pass, runtime::cuda::Stream stream,
                                           std::optional<std::size_t> only = {}) const;
  [[nodiscard]] runtime::cuda::Result launch_kernel(const generator::Launch& launch, const Pass& pass,
                                                    runtime::cuda::Stream stream) const;
  [[nodiscard]] Error launch_error(runtime::cuda::Result result, std::size_t index) const;

  std::shared_ptr<const runtime::DeviceContext> device_;
  generator::Plan plan_;
  Kernels kernels_;
  std::vector<KernelReport> reports_;
  bool validate_;
};

}  // namespace osdn
