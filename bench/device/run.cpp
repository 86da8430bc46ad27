#include "bench/device/run.hpp"

#include <algorithm>
#include <cmath>
#include <deque>

#include "reference/serving.hpp"
#include "reference/tensor.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::bench {
namespace {

using reference::Case;
using reference::Outputs;
using safetensors::DType;
using safetensors::Tensor;
using tests::States;

/// Device copies of tensors. The first error stays; what follows it does nothing.
class Memory {
 public:
  explicit Memory(Engine& engine) : engine_(engine) {}

  DevicePointer put(const std::vector<std::byte>& bytes) {
    if (!result) return 0;
    constexpr std::size_t least = 16;  // an empty tensor has an address, too
    auto buffer = engine_.allocate(std::max(bytes.size(), least));
    if (buffer) result = engine_.state()->upload(buffer->address(), bytes.data(), bytes.size());
    if (!buffer) result = buffer.error();
    if (!result) return 0;
    buffers_.push_back(*std::move(buffer));
    return buffers_.back().address();
  }
  DevicePointer put(const std::optional<Tensor>& tensor) { return tensor ? put(tensor->data) : DevicePointer{0}; }
  /// Every bit set is a NaN in every element type.
  DevicePointer poisoned(std::size_t bytes) { return put(std::vector<std::byte>(bytes, std::byte{0xFF})); }
  void get(Tensor& tensor, DevicePointer from) {
    if (result) result = engine_.state()->download(tensor.data.data(), from, tensor.data.size());
  }

  expected<void> result;

 private:
  Engine& engine_;
  std::deque<DeviceBuffer> buffers_;
};

Tensor empty_tensor(DType dtype, std::vector<std::int64_t> shape) {
  Tensor tensor{dtype, std::move(shape), {}};
  tensor.data.resize(static_cast<std::size_t>(tensor.elements()) * size_of(dtype));
  return tensor;
}

/// cu_seqlens in the width that the launch is told of.
std::optional<Tensor> starts_of(const Case& problem, IndexType type) {
  if (!problem.cu_seqlens || type == IndexType::int64) return problem.cu_seqlens;
  const std::vector<std::int64_t> starts = reference::to_integers(*problem.cu_seqlens);
  Tensor out = empty_tensor(DType::i32, {static_cast<std::int64_t>(starts.size())});
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto start = static_cast<std::int32_t>(starts[i]);
    std::copy_n(reinterpret_cast<const std::byte*>(&start), sizeof(start), out.data.data() + i * sizeof(start));
  }
  return out;
}

ForwardArguments upload(Memory& memory, const Case& problem, IndexType index_type) {
  ForwardArguments a;
  a.shape = problem.shape;
  a.hyperparameters = reference::to_float(problem.numbers);
  a.q = memory.put(problem.q.data);
  a.k = memory.put(problem.k.data);
  a.v = memory.put(problem.v.data);
  a.beta = memory.put(problem.beta.data);
  a.log_gamma = memory.put(problem.log_gamma);
  a.initial_state = memory.put(problem.initial_state);
  a.initial_d = memory.put(problem.initial_d);
  a.cu_seqlens = memory.put(starts_of(problem, index_type));
  a.cu_seqlens_type = index_type;
  return a;
}

/// A step as an engine would launch it: states in place on scattered slots of a pool of NaNs, padding in the batch.
expected<Outputs> run_step(Engine& engine, const PreparedOperation& operation, const Case& problem) {
  const reference::ServingBatch batch = reference::serve(problem, {});
  Memory memory(engine);
  DecodeArguments a;
  a.shape = batch.shape;
  a.hyperparameters = reference::to_float(problem.numbers);
  a.q = memory.put(batch.q.data);
  a.k = memory.put(batch.k.data);
  a.v = memory.put(batch.v.data);
  a.beta = memory.put(batch.beta.data);
  a.log_gamma = memory.put(batch.log_gamma);
  a.cu_seqlens = memory.put(batch.cu_seqlens);
  a.slots = batch.rows;
  a.state = memory.put(batch.state.data);
  a.d = memory.put(batch.d);
  a.state_slots = memory.put(batch.state_slots.data);
  a.o = memory.poisoned(batch.v.data.size());
  if (!memory.result) return memory.result.error();
  if (auto done = operation.launch(a); !done) return done.error();
  if (auto done = engine.synchronize(); !done) return done.error();
  Tensor o = batch.v;
  Tensor state = batch.state;
  std::optional<Tensor> d = batch.d;
  memory.get(o, a.o);
  memory.get(state, a.state);
  if (d) memory.get(*d, a.d);
  if (!memory.result) return memory.result.error();
  return reference::collect(problem, batch, o, state, d);
}

}  // namespace

expected<Outputs> run(Engine& engine, const PreparedOperation& operation, const Case& problem, States states,
                      IndexType index_type) {
  if (problem.problem.operation == Operation::osdn_decode) return run_step(engine, operation, problem);
  const Shape& shape = problem.shape;
  const Problem& p = problem.problem;
  Outputs out;
  out.o = empty_tensor(reference::dtype_of(p.type), problem.v.shape);
  Memory memory(engine);
  ForwardArguments a = upload(memory, problem, index_type);
  a.o = memory.poisoned(out.o.data.size());
  if (states != States::none) {
    out.final_state = empty_tensor(reference::state_dtype_of(p), {shape.sequences(), shape.hv, p.k, p.v});
    out.final_d = empty_tensor(DType::f32, {shape.sequences(), shape.hv, p.k});
    const bool aliased = states == States::aliased;
    a.final_state = aliased && a.initial_state != 0 ? a.initial_state : memory.poisoned(out.final_state.data.size());
    a.final_d = aliased && a.initial_d != 0 ? a.initial_d : memory.poisoned(out.final_d->data.size());
  }
  a.workspace_bytes = operation.workspace_bytes(shape);
  if (a.workspace_bytes > 0) a.workspace = memory.poisoned(a.workspace_bytes);
  if (!memory.result) return memory.result.error();
  if (auto done = operation.launch(a); !done) return done.error();
  if (auto done = engine.synchronize(); !done) return done.error();
  memory.get(out.o, a.o);
  if (states != States::none) {
    memory.get(out.final_state, a.final_state);
    memory.get(*out.final_d, a.final_d);
  }
  if (!memory.result) return memory.result.error();
  return out;
}

std::vector<reference::Verdict> judge(const Case& problem, const reference::Expected& answers, const Outputs& outputs,
                                      States states) {
  if (states != States::none) return reference::judge(problem, answers, outputs);
  Outputs judged = reference::to_outputs(problem, answers);  // stands in for what nobody asked for
  judged.o = outputs.o;
  auto verdicts = reference::judge(problem, answers, judged);
  std::erase_if(verdicts, [](const reference::Verdict& verdict) { return verdict.tensor != "o"; });
  return verdicts;
}

std::vector<double> part_errors(const Tensor& found, const std::vector<double>& right, std::size_t parts) {
  const std::vector<double> values = reference::to_doubles(found);
  std::vector<double> out;
  for (std::size_t part = 0; part < parts; ++part) {
    double error = 0;
    double whole = 0;
    for (std::size_t i = right.size() * part / parts; i < right.size() * (part + 1) / parts; ++i) {
      error += (values[i] - right[i]) * (values[i] - right[i]);
      whole += right[i] * right[i];
    }
    out.push_back(std::sqrt(error / whole));
  }
  return out;
}

double relative_difference(const Tensor& a, const Tensor& b) {
  return a.data == b.data ? 0 : part_errors(a, reference::to_doubles(b), 1).front();
}

}  // namespace osdn::bench
