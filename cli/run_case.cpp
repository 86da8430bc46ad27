#include "cli/run_case.hpp"

#include <chrono>
#include <utility>

#include "cli/device_tensors.hpp"
#include "reference/serving.hpp"
#include "reference/tensor.hpp"

namespace osdn::cli {
namespace {

using reference::Case;
using safetensors::DType;
using safetensors::Tensor;

/// Seconds until it was done.
template <class Arguments>
expected<double> launch(Engine& engine, const PreparedOperation& operation, const DeviceTensors& tensors,
                        const Arguments& arguments) {
  if (!tensors.result()) return tensors.result().error();
  const auto start = std::chrono::steady_clock::now();
  if (auto done = operation.launch(arguments); !done) return done.error();
  if (auto done = engine.synchronize(); !done) return done.error();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

expected<CaseRun> run_step(Engine& engine, const PreparedOperation& operation, const Case& problem) {
  const reference::ServingBatch batch = reference::serve(problem, {});
  DeviceTensors tensors(engine);
  const DecodeArguments a = put_step(tensors, problem, batch);
  auto seconds = launch(engine, operation, tensors, a);
  if (!seconds) return seconds.error();
  auto outputs = take_step(tensors, problem, batch, a);
  if (!outputs) return outputs.error();
  return CaseRun{*std::move(outputs), 0, tensors.bytes(), *seconds};
}

IndexType index_type_of(const Case& problem) {
  const bool narrow = problem.cu_seqlens && problem.cu_seqlens->dtype == DType::i32;
  return narrow ? IndexType::int32 : IndexType::int64;
}

}  // namespace

expected<CaseRun> run_case(Engine& engine, const PreparedOperation& operation, const Case& problem,
                           const RunOptions& options) {
  const Problem& p = problem.problem;
  if (p.operation == Operation::osdn_decode) return run_step(engine, operation, problem);
  const Shape& shape = problem.shape;
  DeviceTensors tensors(engine);
  ForwardArguments a = put_pass(tensors, problem, options.index_type.value_or(index_type_of(problem)));
  // A place that begins as NaNs, or that of an input.
  const auto place = [&](const Tensor& output, DevicePointer input) {
    const bool shared = options.final_states == FinalStates::in_place && input != 0;
    return shared ? input : tensors.poisoned(output.data.size());
  };
  CaseRun run;
  reference::Outputs& out = run.outputs;
  out.o = reference::empty_tensor(reference::dtype_of(p.type), problem.v.shape);
  a.o = tensors.poisoned(out.o.data.size());
  if (options.final_states != FinalStates::none) {
    out.final_state = reference::empty_tensor(reference::state_dtype_of(p), {shape.sequences(), shape.hv, p.k, p.v});
    out.final_d = reference::empty_tensor(DType::f32, {shape.sequences(), shape.hv, p.k});
    a.final_state = place(out.final_state, a.initial_state);
    a.final_d = place(*out.final_d, a.initial_d);
  }
  a.workspace_bytes = operation.workspace_bytes(shape);
  if (a.workspace_bytes > 0) a.workspace = tensors.poisoned(a.workspace_bytes);
  auto seconds = launch(engine, operation, tensors, a);
  if (!seconds) return seconds.error();
  tensors.get(a.o, out.o);
  if (a.final_state != 0) tensors.get(a.final_state, out.final_state);
  if (a.final_d != 0) tensors.get(a.final_d, *out.final_d);
  if (!tensors.result()) return tensors.result().error();
  run.workspace_bytes = a.workspace_bytes;
  run.device_bytes = tensors.bytes();
  run.seconds = *seconds;
  return run;
}

}  // namespace osdn::cli
