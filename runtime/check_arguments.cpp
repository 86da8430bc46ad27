#include "runtime/check_arguments.hpp"

#include <fmt/format.h>

#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "generator/fields.hpp"
#include "osdn/log_gamma.hpp"
#include "runtime/row_layout.hpp"
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
  const bool wants_gamma = log_gamma_axes(problem.apf).any();
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

expected<void> check_grids(const Call& call) {
  constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();
  const Shape& shape = call.arguments.shape;
  for (const generator::Launch& launch : call.shaped.launches) {
    if (launch.ctas > limit) {
      const generator::KernelPlan& kernel = call.plan.kernels[launch.kernel];
      if (call.shaped.cutting.cut) {
        return invalid(fmt::format(
            "the grid of {} would have {} CTAs with {}; at most {} are allowed: split the batch, or choose a "
            "longer segment or cut = never",
            kernel.entry, launch.ctas, to_string(call.plan.config), limit));
      }
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

expected<void> check_alignment(std::span<const Tensor> all) {
  for (const Tensor& tensor : all) {
    if (tensor.address % tensor.alignment != 0) {
      return invalid(
          fmt::format("{} is at 0x{:x}; it must be {}-byte aligned", tensor.name, tensor.address, tensor.alignment));
    }
  }
  return {};
}

/// What a step has besides a pass.
expected<void> check_pools(const generator::Plan& plan, const DecodeArguments& a) {
  const bool preconditioned = plan.problem.precondition != Precondition::none;
  if (!preconditioned && a.d != 0) return invalid("d is given, but precondition=none has no d; it must be null");
  if (a.slots < 0) return invalid(fmt::format("slots is {}; it must be 0 or the number of rows of the pools", a.slots));
  if (a.slots == 0 && (a.state_slots != 0 || a.output_slots != 0)) {
    return invalid("slots is 0, but a table of slots is given: set it to the number of rows of the pools");
  }
  if (a.state_slots == 0 && a.slots != 0 && a.slots < a.shape.sequences()) {
    return invalid(
        fmt::format("slots is {}, but {} sequences have a row each without state_slots", a.slots, a.shape.sequences()));
  }
  if (a.state == 0 && a.output_state == 0) {
    return invalid("state is null; give the pool of states, or output_state alone to begin with zeros");
  }
  if (preconditioned && a.d == 0 && a.output_d == 0) {
    return invalid("d is null; give the pool of d, or output_d alone to begin with ones");
  }
  return {};
}

expected<void> check_checkpoints(const generator::Plan& plan, const ForwardArguments& a) {
  if (a.checkpoint_every < 0)
    return invalid(fmt::format("checkpoint_every is {}; it must be 0 or more", a.checkpoint_every));
  if (a.checkpoint_every == 0 && (a.checkpoint_state != 0 || a.checkpoint_d != 0)) {
    return invalid("checkpoints are given, but checkpoint_every is 0: set it to the tokens between two");
  }
  if (plan.problem.precondition == Precondition::none && a.checkpoint_d != 0) {
    return invalid("checkpoint_d is given, but precondition=none has no d; it must be null");
  }
  if (!generator::is_decode(plan.problem) && a.checkpoint_every % plan.config.chunk != 0) {
    return invalid(
        fmt::format("checkpoint_every is {}; a pass has states behind whole chunks only, which are {} tokens long: it "
                    "must be a multiple of that",
                    a.checkpoint_every, plan.config.chunk));
  }
  return {};
}

}  // namespace

Error wrong_arguments(std::string_view operation, std::string_view takes) {
  return invalid(fmt::format("the operation is {}; it is launched with {}", operation, takes));
}

expected<void> check_on_sight(const Call& call, const DecodeArguments& step) {
  const generator::Plan& plan = call.plan;
  if (auto good = validate(step.hyperparameters, plan.problem); !good) return good;
  if (auto good = check_grids(call); !good) return good;
  if (auto good = check_pools(plan, step); !good) return good;
  if (auto good = check_checkpoints(plan, call.arguments); !good) return good;
  if (auto good = check_presence(plan, call.arguments); !good) return good;
  if (auto good = check_strides(call.arguments, call.rows); !good) return good;
  return check_alignment(tensors(call, step));
}

expected<void> check_on_sight(const Call& call) {
  const ForwardArguments& arguments = call.arguments;
  if (auto good = validate(arguments.hyperparameters, call.plan.problem); !good) return good;
  if (auto good = check_grids(call); !good) return good;
  if (auto good = check_presence(call.plan, arguments); !good) return good;
  if (auto good = check_strides(arguments, call.rows); !good) return good;
  if (auto good = check_checkpoints(call.plan, arguments); !good) return good;
  if (auto good = check_workspace(arguments, call.shaped.workspace.bytes); !good) return good;
  return check_alignment(tensors(call));
}

}  // namespace osdn::runtime
