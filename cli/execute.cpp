#include "cli/execute.hpp"

#include <chrono>
#include <utility>

#include "cli/config_choice.hpp"
#include "cli/emulator.hpp"
#include "reference/serving.hpp"
#include "reference/tensor.hpp"
#include "runtime/prepared.hpp"

namespace osdn::cli {
namespace {

using reference::Case;
using safetensors::DType;
using safetensors::Tensor;

/// Device copies of a case's tensors. The first error stays; what follows it does nothing.
class DeviceTensors {
 public:
  explicit DeviceTensors(Engine& engine) : engine_(engine) {}

  DevicePointer upload(const std::vector<std::byte>& bytes) {
    constexpr std::size_t least = 16;  // an empty tensor has an address, too
    auto buffer = engine_.allocate(std::max(bytes.size(), least));
    if (!buffer) return keep(buffer.error());
    std::vector<std::byte> padded = bytes;
    padded.resize(buffer->bytes());
    if (auto ok = buffer->upload(padded.data()); !ok) return keep(ok.error());
    buffers_.push_back(*std::move(buffer));
    return buffers_.back().address();
  }
  DevicePointer upload(const std::optional<Tensor>& tensor) { return tensor ? upload(tensor->data) : DevicePointer{0}; }

  /// Every bit set is a NaN in every element type.
  DevicePointer poisoned(std::size_t bytes) { return upload(std::vector<std::byte>(bytes, std::byte{0xFF})); }

  void download(DevicePointer address, Tensor& tensor) {
    for (const DeviceBuffer& buffer : buffers_) {
      if (buffer.address() != address) continue;
      std::vector<std::byte> all(buffer.bytes());
      if (auto ok = buffer.download(all.data()); !ok) keep(ok.error());
      tensor.data.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(tensor.data.size()));
    }
  }

  [[nodiscard]] const expected<void>& result() const { return result_; }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t all = 0;
    for (const DeviceBuffer& buffer : buffers_) all += buffer.bytes();
    return all;
  }

 private:
  DevicePointer keep(const Error& error) {
    if (result_) result_ = error;
    return 0;
  }
  Engine& engine_;
  std::vector<DeviceBuffer> buffers_;
  expected<void> result_;
};

Tensor empty_tensor(DType dtype, std::vector<std::int64_t> shape) {
  Tensor tensor{dtype, std::move(shape), {}};
  tensor.data.resize(static_cast<std::size_t>(tensor.elements()) * size_of(dtype));
  return tensor;
}

reference::Outputs empty_outputs(const Case& problem) {
  const std::int64_t sequences = problem.shape.sequences();
  const std::int64_t heads = problem.shape.hv;
  reference::Outputs outputs;
  outputs.o = empty_tensor(reference::dtype_of(problem.problem.type), problem.v.shape);
  outputs.final_state = empty_tensor(DType::f32, {sequences, heads, problem.problem.k, problem.problem.v});
  outputs.final_d = empty_tensor(DType::f32, {sequences, heads, problem.problem.k});
  return outputs;
}

ForwardArguments upload_arguments(DeviceTensors& tensors, const Case& problem, std::size_t workspace_bytes,
                                  const reference::Outputs& outputs) {
  ForwardArguments arguments;
  arguments.shape = problem.shape;
  arguments.hyperparameters = reference::to_float(problem.numbers);
  arguments.q = tensors.upload(problem.q.data);
  arguments.k = tensors.upload(problem.k.data);
  arguments.v = tensors.upload(problem.v.data);
  arguments.beta = tensors.upload(problem.beta.data);
  arguments.log_gamma = tensors.upload(problem.log_gamma);
  arguments.initial_state = tensors.upload(problem.initial_state);
  arguments.initial_d = tensors.upload(problem.initial_d);
  arguments.cu_seqlens = tensors.upload(problem.cu_seqlens);
  const bool narrow = problem.cu_seqlens && problem.cu_seqlens->dtype == DType::i32;
  arguments.cu_seqlens_type = narrow ? IndexType::int32 : IndexType::int64;
  arguments.o = tensors.poisoned(outputs.o.data.size());
  arguments.final_state = tensors.poisoned(outputs.final_state.data.size());
  arguments.final_d = tensors.poisoned(outputs.final_d->data.size());
  if (workspace_bytes > 0) arguments.workspace = tensors.poisoned(workspace_bytes);
  arguments.workspace_bytes = workspace_bytes;
  return arguments;
}

/// A step on scattered slots, in place, with padding among its sequences.
expected<reference::Outputs> run_step(DeviceTensors& tensors, Engine& engine, const PreparedOperation& operation,
                                      const Case& problem, double& seconds) {
  const reference::ServingBatch batch = reference::serve(problem, {});
  DecodeArguments arguments;
  arguments.shape = batch.shape;
  arguments.hyperparameters = reference::to_float(problem.numbers);
  arguments.q = tensors.upload(batch.q.data);
  arguments.k = tensors.upload(batch.k.data);
  arguments.v = tensors.upload(batch.v.data);
  arguments.beta = tensors.upload(batch.beta.data);
  arguments.log_gamma = tensors.upload(batch.log_gamma);
  arguments.cu_seqlens = tensors.upload(batch.cu_seqlens);
  arguments.slots = batch.rows;
  arguments.state = tensors.upload(batch.state.data);
  arguments.d = tensors.upload(batch.d);
  arguments.state_slots = tensors.upload(batch.state_slots.data);
  arguments.o = tensors.poisoned(batch.v.data.size());
  if (!tensors.result()) return tensors.result().error();

  const auto start = std::chrono::steady_clock::now();
  if (auto ok = operation.launch(arguments); !ok) return ok.error();
  if (auto ok = engine.synchronize(); !ok) return ok.error();
  seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  Tensor o = batch.v;
  Tensor state = batch.state;
  std::optional<Tensor> d = batch.d;
  tensors.download(arguments.o, o);
  tensors.download(arguments.state, state);
  if (d) tensors.download(arguments.d, *d);
  if (!tensors.result()) return tensors.result().error();
  return reference::collect(problem, batch, o, state, d);
}

SourceTexts texts_of(const generator::Plan& plan) {
  SourceTexts texts;
  for (const generator::KernelPlan& kernel : plan.kernels) {
    std::string file = kernel.entry;
    file.append(".cu");
    texts.emplace(std::move(file), kernel.source);
    for (const generator::Header& header : kernel.headers) texts.emplace(header.name, header.text);
  }
  return texts;
}

expected<Execution> execute_kernels(Target& target, const TargetOptions& options, const Case& problem) {
  auto config = choose_config(problem.problem, target.architecture, options.config, options.chunk, problem.shape);
  if (!config) return config.error();
  auto operation = target.engine->prepare(problem.problem, *config);
  if (!operation) return operation.error();

  Execution out;
  out.config = operation->config();
  out.kernels = operation->kernels();
  out.sources = texts_of(operation->state()->plan());
  for (const KernelReport& kernel : out.kernels) {
    if (!target.emulated() || kernel.registers == 0) continue;
    if (auto ok = set_emulator_registers(kernel.name, kernel.registers); !ok) return ok.error();
  }
  DeviceTensors tensors(*target.engine);
  if (problem.problem.operation == Operation::osdn_decode) {
    auto outputs = run_step(tensors, *target.engine, *operation, problem, out.seconds);
    if (!outputs) return outputs.error();
    out.outputs = *std::move(outputs);
    out.device_bytes = tensors.bytes();
    return out;
  }
  out.outputs = empty_outputs(problem);
  const ForwardArguments arguments =
      upload_arguments(tensors, problem, operation->workspace_bytes(problem.shape), out.outputs);
  if (!tensors.result()) return tensors.result().error();
  out.workspace_bytes = arguments.workspace_bytes;
  out.device_bytes = tensors.bytes();

  const auto start = std::chrono::steady_clock::now();
  if (auto ok = operation->launch(arguments); !ok) return ok.error();
  if (auto ok = target.engine->synchronize(); !ok) return ok.error();
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  tensors.download(arguments.o, out.outputs.o);
  tensors.download(arguments.final_state, out.outputs.final_state);
  tensors.download(arguments.final_d, *out.outputs.final_d);
  if (!tensors.result()) return tensors.result().error();
  return out;
}

}  // namespace

expected<Execution> execute(Target& target, const TargetOptions& options, const Case& problem) {
  if (target.engine) return execute_kernels(target, options, problem);
  const auto start = std::chrono::steady_clock::now();
  auto answers = reference::solve(problem);
  if (!answers) return answers.error();
  Execution out;
  out.outputs = reference::to_outputs(problem, *answers);
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

}  // namespace osdn::cli
