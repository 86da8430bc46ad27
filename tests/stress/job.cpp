#include "tests/stress/job.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <random>
#include <utility>

#include "reference/judge.hpp"
#include "reference/random_case.hpp"
#include "reference/tensor.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Outputs;
using safetensors::Tensor;

constexpr std::array problems{
    "osdn_forward:type=bf16,k=32,v=32",
    "osdn_forward:type=fp16,k=32,v=32",
    "osdn_forward:type=bf16,k=32,v=32,precondition=none",
    "osdn_forward:type=fp32,k=16,v=16,precondition=none",
    "osdn_forward:type=bf16,k=16,v=48,precondition=none",
    "osdn_forward:type=fp16,k=48,v=16,precondition=none",
    "osdn_forward:type=bf16,k=32,v=16,apf=per_head",
    "osdn_forward:type=bf16,k=32,v=32,beta_type=element,precondition=none",
};

expected<DeviceBuffer> uploaded(Engine& engine, const std::vector<std::byte>& bytes) {
  auto buffer = engine.allocate(bytes.size());
  if (!buffer) return buffer;
  if (auto done = buffer->upload(bytes.data()); !done) return done.error();
  return buffer;
}

expected<DeviceBuffer> poisoned(Engine& engine, std::size_t bytes) {
  return uploaded(engine, std::vector<std::byte>(bytes, std::byte{0xFF}));
}

expected<Tensor> downloaded(const DeviceBuffer& buffer, Tensor shape) {
  if (auto done = buffer.download(shape.data.data()); !done) return done.error();
  return shape;
}

}  // namespace

std::vector<Job> make_jobs(std::uint64_t seed) {
  std::vector<Job> jobs;
  for (const char* text : problems) {
    const Problem problem = canonical(parse_problem(text).value_or_throw()).value_or_throw();
    const Shape shape{.b = 2, .t = 83, .h = 1, .hv = 2};
    Case random = reference::random_case(problem, shape, {}, {.seed = seed++, .lengths = {}}).value_or_throw();
    auto answers = reference::solve(random).value_or_throw();
    jobs.push_back({std::move(random), std::move(answers)});
  }
  return jobs;
}

expected<JobMemory> JobMemory::create(Engine& engine, const Job& job, const PreparedOperation& operation) {
  const Case& c = job.problem;
  JobMemory memory;
  memory.arguments_.shape = c.shape;
  memory.arguments_.hyperparameters = reference::to_float(c.numbers);
  memory.shapes_ = reference::to_outputs(c, job.answers);
  const auto put = [&](DevicePointer& address, const std::optional<Tensor>& tensor) -> expected<void> {
    if (!tensor) return {};
    auto buffer = uploaded(engine, tensor->data);
    if (!buffer) return buffer.error();
    address = buffer->address();
    memory.inputs_.push_back(*std::move(buffer));
    return {};
  };
  ForwardArguments& a = memory.arguments_;
  const std::array<std::pair<DevicePointer*, const std::optional<Tensor>>, 7> inputs{
      {{&a.q, c.q},
       {&a.k, c.k},
       {&a.v, c.v},
       {&a.beta, c.beta},
       {&a.log_gamma, c.log_gamma},
       {&a.initial_state, c.initial_state},
       {&a.initial_d, c.initial_d}}};
  for (const auto& [address, tensor] : inputs) {
    if (auto done = put(*address, tensor); !done) return done.error();
  }
  const auto make = [&](DeviceBuffer& buffer, DevicePointer& address, std::size_t bytes) -> expected<void> {
    auto made = poisoned(engine, bytes);
    if (!made) return made.error();
    buffer = *std::move(made);
    address = buffer.address();
    return {};
  };
  if (auto done = make(memory.o_, a.o, memory.shapes_.o.data.size()); !done) return done.error();
  if (auto done = make(memory.final_state_, a.final_state, memory.shapes_.final_state.data.size()); !done) {
    return done.error();
  }
  if (memory.shapes_.final_d) {
    if (auto done = make(memory.final_d_, a.final_d, memory.shapes_.final_d->data.size()); !done) return done.error();
  }
  a.workspace_bytes = operation.workspace_bytes(c.shape);
  if (auto done = make(memory.workspace_, a.workspace, a.workspace_bytes); !done) return done.error();
  return memory;
}

expected<Outputs> JobMemory::outputs() const {
  Outputs out = shapes_;
  const auto take = [](Tensor& to, const DeviceBuffer& from) -> expected<void> {
    auto tensor = downloaded(from, std::move(to));
    if (!tensor) return tensor.error();
    to = *std::move(tensor);
    return {};
  };
  if (auto done = take(out.o, o_); !done) return done.error();
  if (auto done = take(out.final_state, final_state_); !done) return done.error();
  if (out.final_d) {
    if (auto done = take(*out.final_d, final_d_); !done) return done.error();
  }
  return out;
}

std::string judged(const Job& job, const Outputs& outputs) {
  std::string wrong;
  for (const auto& verdict : reference::judge(job.problem, job.answers, outputs)) {
    if (verdict.passed) continue;
    wrong += to_string(job.problem.problem) + ": " + verdict.tensor + " " + verdict.measure + " " +
             std::to_string(verdict.error) + " above " + std::to_string(verdict.tolerance) + " " + verdict.reason +
             "\n";
  }
  return wrong;
}

std::string run(Engine& engine, const Job& job) {
  const auto told = [](const Error& error) { return error.message + "\n" + error.context; };
  auto operation = engine.prepare(job.problem.problem);
  if (!operation) return told(operation.error());
  auto memory = JobMemory::create(engine, job, *operation);
  if (!memory) return told(memory.error());
  if (auto done = operation->launch(memory->arguments()); !done) return told(done.error());
  auto outputs = memory->outputs();
  if (!outputs) return told(outputs.error());
  return judged(job, *outputs);
}

EngineOptions options(const std::string& cache) {
  EngineOptions out;
  out.driver_library = OSDN_EMULATOR_LIBRARY;
  out.disk_cache = !cache.empty();
  out.cache_directory = cache;
  out.validate = true;
  return out;
}

std::uint64_t input_seed() {
  static const std::uint64_t seed = [] {
    const char* const given = std::getenv("OSDN_TEST_SEED");
    const std::uint64_t value = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::cout << "inputs are drawn from seed " << value << " (OSDN_TEST_SEED=" << value << " repeats them)\n";
    return value;
  }();
  return seed;
}

}  // namespace osdn::tests
