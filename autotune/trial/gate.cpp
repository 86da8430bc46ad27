#include "autotune/trial/gate.hpp"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "reference/judge.hpp"
#include "reference/tensor.hpp"

namespace osdn::autotune {
namespace {

using reference::Case;
using safetensors::DType;
using safetensors::Tensor;

struct Input {
  const char* name;
  const Tensor* tensor;
  DevicePointer ForwardArguments::*address;
  std::size_t shift;  ///< where the alignment that is asked for just holds
};

std::size_t state_alignment(const Problem& problem) {
  return problem.operation == Operation::osdn_decode ? 16 : 4;
}

std::vector<Input> inputs_of(const Case& given) {
  const std::size_t beta = size_of(given.beta.dtype);
  std::vector<Input> all = {{"q", &given.q, &ForwardArguments::q, 16},
                            {"k", &given.k, &ForwardArguments::k, 16},
                            {"v", &given.v, &ForwardArguments::v, 16},
                            {"beta", &given.beta, &ForwardArguments::beta, beta}};
  const auto optional = [&](const char* name, const std::optional<Tensor>& tensor,
                            DevicePointer ForwardArguments::*address, std::size_t shift) {
    if (tensor) all.push_back({name, &*tensor, address, shift});
  };
  optional("log_gamma", given.log_gamma, &ForwardArguments::log_gamma, 4);
  optional("initial_state", given.initial_state, &ForwardArguments::initial_state, state_alignment(given.problem));
  optional("initial_d", given.initial_d, &ForwardArguments::initial_d, 4);
  optional("cu_seqlens", given.cu_seqlens, &ForwardArguments::cu_seqlens, 8);
  return all;
}

struct Output {
  const char* name;
  Tensor tensor;  ///< as it came back
  DevicePointer ForwardArguments::*address;
  std::size_t shift;
};

std::vector<Output> outputs_of(const GateCase& station) {
  const Case& given = station.inputs;
  const std::int64_t sequences = given.shape.sequences();
  const DType element = reference::dtype_of(given.problem.type);
  std::vector<Output> all = {{"o", {element, given.v.shape, {}}, &ForwardArguments::o, 16}};
  if (station.states_out) {
    all.push_back(
        {"final_state",
         {reference::state_dtype_of(given.problem), {sequences, given.shape.hv, given.problem.k, given.problem.v}, {}},
         &ForwardArguments::final_state,
         state_alignment(given.problem)});
    all.push_back(
        {"final_d", {DType::f32, {sequences, given.shape.hv, given.problem.k}, {}}, &ForwardArguments::final_d, 4});
  }
  return all;
}

std::optional<std::size_t> first_not_finite(const Tensor& tensor) {
  const std::vector<double> values = reference::to_doubles(tensor);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return i;
  }
  return std::nullopt;
}

}  // namespace

/// A case with its buffers on the device, which stay from candidate to candidate.
class Gate::Station {
 public:
  Station(const GateCase& gate_case, GateMemory& memory) : case_(gate_case), memory_(memory) {}

  expected<Verdict> check(const GateSubject& subject) {
    if (auto done = allocate(); !done) return done.error();
    auto verdict = run(subject);
    if (!verdict || verdict->outcome != Outcome::passed) return verdict;
    std::vector<Tensor> first;
    for (const Output& output : outputs_) first.push_back(output.tensor);
    if (auto wrong = compare(); wrong.outcome != Outcome::passed) return wrong;
    verdict = run(subject);
    if (!verdict || verdict->outcome != Outcome::passed) return verdict;
    return same(first);
  }

 private:
  [[nodiscard]] Verdict fail(Outcome outcome, const std::string& what) const {
    return {outcome, fmt::format("{} (case: {})", what, case_.name)};
  }

  expected<void> allocate() {
    if (!inputs_.empty()) return {};
    arguments_.shape = case_.inputs.shape;
    arguments_.hyperparameters = reference::to_float(case_.inputs.numbers);
    outputs_ = outputs_of(case_);
    for (const Input& input : inputs_of(case_.inputs)) {
      auto made = add(input_buffers_, input.tensor->data.size(), input.shift, input.address);
      if (!made) return made;
    }
    for (Output& output : outputs_) {
      output.tensor.data.resize(static_cast<std::size_t>(output.tensor.elements()) * size_of(output.tensor.dtype));
      auto made = add(output_buffers_, output.tensor.data.size(), output.shift, output.address);
      if (!made) return made;
    }
    inputs_ = inputs_of(case_.inputs);
    return {};
  }

  expected<void> add(std::vector<GuardedBuffer>& to, std::size_t bytes, std::size_t shift,
                     DevicePointer ForwardArguments::*address) {
    auto made = GuardedBuffer::make(memory_, bytes, case_.shifted ? shift : 0);
    if (!made) return made.error();
    arguments_.*address = made->address();
    to.push_back(*std::move(made));
    return {};
  }

  /// Everything fresh, one run, everything back; the guards and the inputs looked at.
  expected<Verdict> run(const GateSubject& subject) {
    const std::size_t workspace_bytes = subject.workspace_bytes(arguments_.shape);
    auto workspace = GuardedBuffer::make(memory_, workspace_bytes, 0);
    if (!workspace) return workspace.error();
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (auto done = input_buffers_[i].fill(inputs_[i].tensor->data); !done) return done.error();
    }
    for (GuardedBuffer& buffer : output_buffers_) {
      if (auto done = buffer.poison(); !done) return done.error();
    }
    if (auto done = workspace->poison(); !done) return done.error();
    ForwardArguments arguments = arguments_;
    arguments.workspace = workspace_bytes == 0 ? 0 : workspace->address();
    arguments.workspace_bytes = workspace_bytes;
    if (auto done = subject.run(arguments); !done) return done.error();
    return look(*workspace);
  }

  expected<Verdict> look(GuardedBuffer& workspace) {
    Verdict verdict;
    const auto guarded = [&](const char* name, GuardedBuffer& buffer) -> expected<void> {
      if (auto done = buffer.read(); !done) return done;
      if (verdict.outcome != Outcome::passed) return {};
      if (const auto at = buffer.broken_guard()) {
        const bool before = *at < 0;
        verdict =
            fail(Outcome::out_of_bounds, fmt::format("wrote outside {}: {} bytes {}", name,
                                                     before ? -*at : *at - static_cast<std::ptrdiff_t>(buffer.bytes()),
                                                     before ? "before its beginning" : "behind its end"));
      }
      return {};
    };
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (auto done = guarded(inputs_[i].name, input_buffers_[i]); !done) return done.error();
      const auto at = input_buffers_[i].changed();
      if (at && verdict.outcome == Outcome::passed) {
        verdict = fail(Outcome::out_of_bounds, fmt::format("wrote into its input {}, byte {}", inputs_[i].name, *at));
      }
    }
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      if (auto done = guarded(outputs_[i].name, output_buffers_[i]); !done) return done.error();
      const auto content = output_buffers_[i].content();
      outputs_[i].tensor.data.assign(content.begin(), content.end());
    }
    if (auto done = guarded("the workspace", workspace); !done) return done.error();
    return verdict;
  }

  [[nodiscard]] Verdict compare() const {
    for (const Output& output : outputs_) {
      if (const auto at = first_not_finite(output.tensor)) {
        return fail(Outcome::not_finite, fmt::format("{}[{}] is not finite or was not written", output.name, *at));
      }
    }
    reference::Outputs outputs;
    outputs.o = outputs_[0].tensor;
    outputs.final_state.shape = {0};
    if (case_.states_out) {
      outputs.final_state = outputs_[1].tensor;
      outputs.final_d = outputs_[2].tensor;
    }
    for (const reference::Verdict& verdict : reference::judge(case_.inputs, case_.answers, outputs)) {
      if (verdict.passed || (!case_.states_out && verdict.tensor != "o")) continue;
      return fail(Outcome::wrong, fmt::format("{}: {} {:.3g}, at most {:.3g} is allowed", verdict.tensor,
                                              verdict.measure, verdict.error, verdict.tolerance));
    }
    return {};
  }

  [[nodiscard]] Verdict same(const std::vector<Tensor>& first) const {
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const Tensor& second = outputs_[i].tensor;
      for (std::size_t at = 0; at < second.data.size(); ++at) {
        if (second.data[at] == first[i].data[at]) continue;
        return fail(Outcome::not_repeatable,
                    fmt::format("{}[{}] differed between two runs", outputs_[i].name, at / size_of(second.dtype)));
      }
    }
    return {};
  }

  const GateCase& case_;
  GateMemory& memory_;
  ForwardArguments arguments_;
  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  std::vector<GuardedBuffer> input_buffers_;
  std::vector<GuardedBuffer> output_buffers_;
};

Gate::Gate(const Problem& problem, std::uint64_t seed, GateMemory& memory)
    : problem_(problem), seed_(seed), memory_(memory) {}

Gate::~Gate() = default;

expected<void> Gate::set_up() {
  if (!stations_.empty()) return {};
  auto cases = gate_cases(problem_, seed_);
  if (!cases) return cases.error();
  cases_ = *std::move(cases);
  for (const GateCase& one : cases_) stations_.push_back(std::make_unique<Station>(one, memory_));
  return {};
}

expected<Verdict> Gate::check(const GateSubject& subject) {
  if (auto done = set_up(); !done) return done.error();
  for (const auto& station : stations_) {
    auto verdict = station->check(subject);
    if (!verdict || verdict->outcome != Outcome::passed) return verdict;
  }
  return Verdict{};
}

}  // namespace osdn::autotune
