#include "cli/plan_report.hpp"

#include <fmt/format.h>

#include "cli/table.hpp"
#include "reference/forward.hpp"

namespace osdn::cli {
namespace {

std::size_t element_bytes(const Problem& problem) {
  return problem.type == ElementType::fp32 ? 4 : 2;
}

std::size_t size(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

std::size_t tensor_bytes(const Problem& problem, const Shape& shape) {
  return element_bytes(problem) * size(shape.b * shape.t) * size(2 * shape.h * problem.k + 2 * shape.hv * problem.v);
}

/// β, log γ, cu_seqlens, and the states in and out; of a step in place, a row of the pools a sequence.
std::size_t other_bytes(const Problem& problem, const Shape& shape) {
  const std::size_t beta = problem.beta_type == BetaType::fp32 ? sizeof(float) : element_bytes(problem);
  const std::size_t features = size(shape.sequences() * shape.hv * problem.k);
  std::size_t out = beta * size(shape.b * shape.t * shape.hv);
  out += sizeof(float) * size(reference::log_gamma_elements(problem, shape));
  if (shape.packed()) out += sizeof(std::int64_t) * size(shape.n + 1);
  if (problem.operation == Operation::osdn_decode) {
    const std::size_t state = problem.state_type == StateType::fp32 ? 4 : 2;
    return out +
           features * (size(problem.v) * state + (problem.precondition == Precondition::none ? 0 : sizeof(float)));
  }
  const std::size_t with_d = problem.precondition == Precondition::none ? 1 : 2;  // final_d alone without one
  return out + sizeof(float) * features * (2 * size(problem.v) + with_d);
}

}  // namespace

Json memory_json(const generator::Plan& plan, const Shape& shape) {
  const std::size_t tensors = tensor_bytes(plan.problem, shape);
  const std::size_t workspace = plan.workspace(shape).bytes;
  const double share = tensors == 0 ? 0 : static_cast<double>(workspace) / static_cast<double>(tensors);
  return {{"tensors", tensors},
          {"workspace", workspace},
          {"workspace_of_tensors", share},
          {"call", tensors + other_bytes(plan.problem, shape) + workspace}};
}

Json plan_json(const generator::Plan& plan, const Shape& shape) {
  Json launches = Json::array();
  for (const generator::Launch& launch : plan.launches(shape)) {
    const generator::KernelPlan& kernel = plan.kernels[launch.kernel];
    launches.push_back({{"kernel", kernel.entry},
                        {"phase", kernel.phase},
                        {"ctas", launch.ctas},
                        {"threads", kernel.threads},
                        {"dynamic_shared_bytes", kernel.dynamic_shared}});
    if (launch.preconditioners != 0) launches.back()["preconditioners"] = launch.preconditioners;
    if (launch.zeros != 0) launches.back()["cleared_bytes"] = launch.zeros * sizeof(unsigned);
  }
  return {{"problem", to_string(plan.problem)},
          {"shape", to_string(shape)},
          {"arch", generator::to_string(plan.architecture)},
          {"config", to_string(plan.config)},
          {"launches", std::move(launches)},
          {"device_bytes", memory_json(plan, shape)}};
}

std::string memory_text(const Json& memory) {
  return fmt::format("workspace {}, {:.1f} % of q, k, v and o; with every input and output {}",
                     bytes_text(memory["workspace"].get<std::size_t>()),
                     100 * memory["workspace_of_tensors"].get<double>(), bytes_text(memory["call"].get<std::size_t>()));
}

std::string plan_text(const Json& plan) {
  Table table({{"launch"}, {"CTAs"}, {"threads"}, {"shared memory"}});
  for (const Json& launch : plan["launches"]) {
    std::string ctas = launch["ctas"].dump();
    if (launch.contains("preconditioners")) ctas += fmt::format(", {} of d", launch["preconditioners"].dump());
    table.add({launch["kernel"].get<std::string>(), std::move(ctas), launch["threads"].dump(),
               bytes_text(launch["dynamic_shared_bytes"].get<std::size_t>())});
  }
  return fmt::format("problem  {}\nshape    {}\nconfig   {} ({})\n\n{}\n\n{}", plan["problem"].get<std::string>(),
                     plan["shape"].get<std::string>(), plan["config"].get<std::string>(),
                     plan["arch"].get<std::string>(), table.text(), memory_text(plan["device_bytes"]));
}

}  // namespace osdn::cli
