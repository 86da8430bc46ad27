// The launch path: no lock, no allocation, no look-up, no synchronisation, and nothing worked out twice.
#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "generator/fields.hpp"
#include "runtime/call.hpp"
#include "runtime/check_arguments.hpp"
#include "runtime/decode_pass.hpp"
#include "runtime/fork_guard.hpp"
#include "runtime/prepared.hpp"
#include "runtime/tensor_maps.hpp"
#include "templates/parameters.cuh"

namespace osdn {
namespace {

namespace cuda = runtime::cuda;

template <class T>
T* pointer(DevicePointer address) {
  return reinterpret_cast<T*>(address);
}

RowStrides strides_of(const runtime::RowLayout& rows) {
  return {rows.strides.batch, rows.strides.token, rows.strides.head};
}

void set_strides(ForwardParameters& p, const runtime::RowLayouts& rows) {
  p.q_strides = strides_of(rows.q);
  p.k_strides = strides_of(rows.k);
  p.v_strides = strides_of(rows.v);
  p.o_strides = strides_of(rows.o);
  p.beta_strides = strides_of(rows.beta);
  p.log_gamma_strides = strides_of(rows.log_gamma);
}

void set_workspace(ForwardParameters& p, const runtime::Call& call) {
  const generator::Plan& plan = call.plan;
  const generator::Plan::Workspace& workspace = call.shaped.workspace;
  const generator::Cutting& cutting = call.shaped.cutting;
  p.segment = cutting.cut ? cutting.segment : whole_sequence;
  p.segments = cutting.cut ? cutting.segments : p.sequences;
  const bool preconditioned = plan.problem.precondition != Precondition::none;
  const auto at = [&](std::size_t offset) { return pointer<float>(call.arguments.workspace + offset); };
  if (preconditioned) {
    p.gain = at(workspace.gain_offset);
    p.d_chunks = at(workspace.d_chunks_offset);
  }
  if (plan.config.schedule == Schedule::hopper_fused) {
    p.progress = pointer<unsigned>(call.arguments.workspace + workspace.progress_offset);
  }
  p.cut_d = plan.config.cut_d;
  if (!cutting.cut) return;
  p.segment_states = at(workspace.segment_states_offset);
  p.operators = at(workspace.operators_offset);
  if (!preconditioned) return;
  p.segment_d = at(workspace.segment_d_offset);
  p.segment_ends = at(workspace.segment_ends_offset);
  p.segment_moves = pointer<int>(call.arguments.workspace + workspace.segment_moves_offset);
  p.cut_rounds = pointer<int>(call.arguments.workspace + workspace.cut_rounds_offset);
}

ForwardParameters parameters(const runtime::Call& call) {
  const generator::Plan& plan = call.plan;
  const ForwardArguments& a = call.arguments;
  ForwardParameters p{};
  p.tokens = a.shape.t;
  p.sequences = a.shape.sequences();
  p.key_heads = static_cast<int>(a.shape.h);
  p.value_heads = static_cast<int>(a.shape.hv);
  p.q = pointer<const void>(a.q);
  p.k = pointer<const void>(a.k);
  p.v = pointer<const void>(a.v);
  p.beta = pointer<const void>(a.beta);
  p.log_gamma = pointer<const float>(a.log_gamma);
  p.initial_state = pointer<const float>(a.initial_state);
  p.initial_d = pointer<const float>(a.initial_d);
  p.cu_seqlens = pointer<const void>(a.cu_seqlens);
  p.o = pointer<void>(a.o);
  p.final_state = pointer<float>(a.final_state);
  p.final_d = pointer<float>(a.final_d);
  p.checkpoint_every = a.checkpoint_every;
  // A stretch that is longer than any sequence ends nowhere.
  if ((a.checkpoint_state != 0 || a.checkpoint_d != 0) && a.checkpoint_every <= a.shape.t) {
    p.checkpoint_chunks = static_cast<unsigned>(a.checkpoint_every / plan.config.chunk);
  }
  p.checkpoint_state = pointer<void>(a.checkpoint_state);
  p.checkpoint_d = pointer<float>(a.checkpoint_d);
  set_strides(p, call.rows);
  set_workspace(p, call);
  const Hyperparameters& h = a.hyperparameters;
  p.eta = h.eta;
  p.d_min = h.d_min;
  p.d_max = h.d_max;
  p.norm_eps = h.norm_eps;
  p.anchor = h.anchor;
  p.log_gamma_constant = h.log_gamma;
  p.scale = h.scale ? *h.scale : 1.0F / std::sqrt(static_cast<float>(plan.problem.k));
  p.cu_seqlens_is_int64 = a.cu_seqlens_type == IndexType::int64 ? 1 : 0;
  return p;
}

DecodeParameters parameters(const runtime::Call& call, const DecodeArguments& step) {
  DecodeParameters p{};
  p.pass = parameters(call);
  p.slots = pointer<const int>(step.state_slots);
  p.output_slots = pointer<const int>(step.output_slots);
  return p;
}

}  // namespace

expected<void> PreparedState::launch(const ForwardArguments& arguments, Stream stream) const {
  if (runtime::forked()) return runtime::after_fork();
  if (generator::is_decode(plan_.problem)) return runtime::wrong_arguments("osdn_decode", "DecodeArguments");
  // An empty batch is as legal as an empty sequence; there is nothing to write for it.
  if (arguments.shape.b == 0 && !arguments.shape.packed()) return {};
  if (auto good = osdn::validate(arguments.shape); !good) return good;
  const runtime::Call call(plan_, arguments);
  if (auto good = runtime::check_on_sight(call); !good) return good;
  auto* const on = static_cast<cuda::Stream>(stream);
  if (validate_) {
    if (auto good = runtime::check_thoroughly(*device_, call, on); !good) return good;
  }
  return enqueue(call, on);
}

expected<void> PreparedState::launch(const DecodeArguments& arguments, Stream stream) const {
  if (runtime::forked()) return runtime::after_fork();
  if (!generator::is_decode(plan_.problem)) return runtime::wrong_arguments("osdn_forward", "ForwardArguments");
  if (arguments.shape.b == 0 && !arguments.shape.packed()) return {};
  if (auto good = osdn::validate(arguments.shape); !good) return good;
  const ForwardArguments pass = runtime::pass_of(arguments);
  const runtime::Call call(plan_, pass);
  if (auto good = runtime::check_on_sight(call, arguments); !good) return good;
  auto* const on = static_cast<cuda::Stream>(stream);
  if (validate_) {
    if (auto good = runtime::check_thoroughly(*device_, call, arguments, on); !good) return good;
  }
  DecodeParameters values = parameters(call, arguments);
  return enqueue_all({call, {&values, nullptr}, values.pass}, on);
}

expected<void> PreparedState::launch_kernel_alone(std::size_t kernel, const ForwardArguments& arguments,
                                                  Stream stream) const {
  if (auto good = osdn::validate(arguments.shape); !good) return good;
  const runtime::Call call(plan_, arguments);
  if (auto good = runtime::check_on_sight(call); !good) return good;
  return enqueue(call, static_cast<cuda::Stream>(stream), kernel);
}

expected<void> PreparedState::enqueue(const runtime::Call& call, cuda::Stream stream,
                                      std::optional<std::size_t> only) const {
  ForwardParameters values = parameters(call);
  HopperMaps maps{};
  if (plan_.config.schedule != Schedule::portable) {
    if (auto made = runtime::make_tensor_maps(device_->driver(), call, maps); !made) return made;
  }
  return enqueue_all({call, {&values, &maps}, values}, stream, only);
}

expected<void> PreparedState::enqueue_all(const Pass& pass, cuda::Stream stream,
                                          std::optional<std::size_t> only) const {
  for (const generator::Launch& launch : pass.call.shaped.launches) {
    // Without corrections in between nothing has settled: what is left to the last launch of a cut preconditioner would
    // be the whole sequence, and say nothing of the pass.
    if (only && (launch.kernel != *only || launch.pass == settle_pass)) continue;
    pass.turning.pass = launch.pass;
    pass.turning.preconditioners = launch.preconditioners;
    auto result = launch_kernel(launch, pass, stream);
    if (result == cuda::error_invalid_context) {
      // A thread that never touched CUDA has no current context: ours is made current for the call. Another context
      // is a mistake of the caller, whose stream and pointers would not fit ours.
      cuda::Context current = nullptr;
      const runtime::Driver& driver = device_->driver();
      const auto asked = driver.context_get_current(&current);
      if (asked != cuda::success) {
        result = asked;
      } else if (current == nullptr) {
        const runtime::ContextScope scope(*device_);
        result = scope.result();
        if (result == cuda::success) result = launch_kernel(launch, pass, stream);
      }
    }
    if (result != cuda::success) return launch_error(result, launch.kernel);
  }
  device_->launches().raise();
  return {};
}

cuda::Result PreparedState::launch_kernel(const generator::Launch& launch, const Pass& pass,
                                          cuda::Stream stream) const {
  const generator::KernelPlan& kernel = plan_.kernels[launch.kernel];
  if (launch.zeros != 0) {
    const auto cleared = device_->driver().fill_words_async(pass.call.arguments.workspace + launch.zeros_offset, 0,
                                                            launch.zeros, stream);
    if (cleared != cuda::success) return cleared;
  }
  KernelArguments arguments = pass.arguments;
  return device_->driver().launch_kernel(kernels_[launch.kernel]->function(), static_cast<unsigned int>(launch.ctas), 1,
                                         1, static_cast<unsigned int>(kernel.threads), 1, 1,
                                         static_cast<unsigned int>(kernel.dynamic_shared), stream, arguments.data(),
                                         nullptr);
}

Error PreparedState::launch_error(cuda::Result result, std::size_t index) const {
  const runtime::Driver& driver = device_->driver();
  Error error = driver.error(result, fmt::format("launching {}", plan_.kernels[index].entry));
  cuda::Context current = nullptr;
  const bool known = driver.context_get_current(&current) == cuda::success;
  if (known && current != nullptr && current != device_->context()) {
    error.message += fmt::format("; its kernels live in context {}, but {} is current: make that one current",
                                 fmt::ptr(device_->context()), fmt::ptr(current));
  }
  return error;
}

}  // namespace osdn
