#include "runtime/check_arguments.hpp"

#include <fmt/format.h>

#include <limits>
#include <string_view>
#include <utility>

#include "runtime/tensors.hpp"

namespace osdn::runtime {
namespace {

Error invalid(std::string message) {
  return {ErrorCode::invalid_argument, std::move(message), ""};
}

/// Presence: what must be given, what must not.
expected<void> check_presence(const generator::Plan& plan, const ForwardArguments& a) {
  const Problem& problem = plan.problem;
  if (a.shape.packed() && a.cu_seqlens == 0) {
    return invalid(fmt::format("cu_seqlens is null; shape.n is {}, so [{}] entries on the device are needed", a.shape.n,
                               a.shape.n + 1));
  }
  if (!a.shape.packed() && a.cu_seqlens != 0) {
    return invalid("cu_seqlens is given, but shape.n is 0: set n to the number of packed sequences");
  }
  if (problem.precondition == Precondition::none && a.initial_d != 0) {
    return invalid("initial_d is given, but precondition=none has no d; it must be null");
  }
  const bool wants_gamma = problem.apf != Apf::none && problem.apf != Apf::constant;
  if (!wants_gamma && a.log_gamma != 0) {
    return invalid("log_gamma is given, but apf is neither per_head, per_token nor per_channel; it must be null");
  }
  if (a.shape.b * a.shape.t == 0) return {};
  for (const auto& [name, address] : {std::pair("q", a.q), std::pair("k", a.k), std::pair("v", a.v),
                                      std::pair("beta", a.beta), std::pair("o", a.o)}) {
    if (address == 0) return invalid(fmt::format("{} is null; it must be given when b*t > 0", name));
  }
  if (wants_gamma && a.log_gamma == 0) {
    return invalid("log_gamma is null; with apf=per_head, per_token or per_channel it must be given");
  }
  return {};
}

expected<void> check_grids(const generator::Plan& plan, const Shape& shape) {
  constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();
  for (const generator::Launch& launch : plan.launches(shape)) {
    if (launch.ctas > limit) {
      const generator::KernelPlan& kernel = plan.kernels[launch.kernel];
      return invalid(fmt::format(
          "the grid of {} would have sequences {} * hv {} * {} CTAs; at most {} are allowed: split the batch",
          kernel.entry, shape.sequences(), shape.hv, kernel.ctas_per_head, limit));
    }
  }
  return {};
}

expected<void> check_workspace(const ForwardArguments& a, std::size_t needed) {
  if (needed == 0) return {};
  if (a.workspace == 0) return invalid(fmt::format("workspace is null; {} bytes are needed at this shape", needed));
  if (a.workspace_bytes < needed) {
    return invalid(fmt::format("workspace_bytes is {}; {} are needed at this shape", a.workspace_bytes, needed));
  }
  return {};
}

}  // namespace

expected<void> check_on_sight(const generator::Plan& plan, const ForwardArguments& arguments) {
  if (auto good = validate(arguments.shape); !good) return good;
  if (auto good = validate(arguments.hyperparameters, plan.problem); !good) return good;
  if (auto good = check_grids(plan, arguments.shape); !good) return good;
  if (auto good = check_presence(plan, arguments); !good) return good;
  const std::size_t needed = plan.workspace(arguments.shape).bytes;
  if (auto good = check_workspace(arguments, needed); !good) return good;
  for (const Tensor& tensor : tensors(plan, arguments, needed)) {
    if (tensor.address % tensor.alignment != 0) {
      return invalid(
          fmt::format("{} is at 0x{:x}; it must be {}-byte aligned", tensor.name, tensor.address, tensor.alignment));
    }
  }
  return {};
}

}  // namespace osdn::runtime
