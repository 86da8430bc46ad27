#include "tests/kernels/session.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>

#include "cli/device_tensors.hpp"
#include "reference/tensor.hpp"
#include "runtime/engine_state.hpp"
#include "tests/kernels/placement.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Outputs;
using safetensors::DType;
using safetensors::Tensor;

std::unique_ptr<Engine> current_engine;

// The Engine goes before static objects do: its driver may have some.
class EngineEnd : public testing::Environment {
  void TearDown() override { current_engine.reset(); }
};
const testing::Environment* const engine_end = testing::AddGlobalTestEnvironment(new EngineEnd);

// A symbol of the emulator, which stays loaded.
template <class Function>
Function emulator_entry(const char* name) {
  static void* const library = dlopen(OSDN_EMULATOR_LIBRARY, RTLD_NOW);
  return library == nullptr ? nullptr : reinterpret_cast<Function>(dlsym(library, name));
}

std::string last_fault() {
  const auto get = emulator_entry<std::size_t (*)(char*, std::size_t)>("osdn_emulator_last_fault");
  if (get == nullptr) return {};
  std::string text(get(nullptr, 0) + 1, '\0');
  get(text.data(), text.size());
  return text;
}

[[noreturn]] void give_up(const Error& error, const char* what) {
  ADD_FAILURE() << what << ": " << error.message << "\n" << error.context << "\n" << last_fault();
  if (error.code == ErrorCode::driver) current_engine.reset();  // a faulted context is of no use to the next test
  throw std::runtime_error(what);
}

template <class T>
T must(expected<T> value, const char* what) {
  if (!value) give_up(value.error(), what);
  return *std::move(value);
}

void must(const expected<void>& done, const char* what) {
  if (!done) give_up(done.error(), what);
}

EngineOptions options() {
  EngineOptions out;
  out.driver_library = OSDN_EMULATOR_LIBRARY;
  out.validate = true;
  const char* const cache = std::getenv("OSDN_TEST_CACHE");
  out.disk_cache = cache != nullptr;
  if (cache != nullptr) out.cache_directory = cache;
  return out;
}

/// Calls an entry of the driver.
template <class... Arguments>
void call(const char* name, Arguments... arguments) {
  const auto entry = emulator_entry<int (*)(Arguments...)>(name);
  ASSERT_NE(entry, nullptr) << name;
  ASSERT_EQ(entry(arguments...), 0) << name;
}

void launch_recorded(const PreparedOperation& operation, const ForwardArguments& a, int times) {
  void* stream = nullptr;
  void* graph = nullptr;
  void* executable = nullptr;
  must(engine().synchronize(), "synchronize");  // uploads are done
  const runtime::ContextScope scope(engine().state()->device());
  call("cuStreamCreate", &stream, 0U);
  call("cuStreamBeginCapture_v2", stream, 0U);
  must(operation.launch(a, stream), "launch");
  call("cuStreamEndCapture", stream, &graph);
  call("cuGraphInstantiateWithFlags", &executable, graph, 0ULL);
  for (int i = 0; i < times; ++i) call("cuGraphLaunch", executable, stream);
  must(engine().synchronize(stream), "synchronize");
  call("cuGraphExecDestroy", executable);
  call("cuGraphDestroy", graph);
  call("cuStreamDestroy_v2", stream);
}

}  // namespace

Engine& engine() {
  if (!current_engine) current_engine = std::make_unique<Engine>(must(Engine::create(options()), "Engine::create"));
  return *current_engine;
}

void end_engine() {
  current_engine.reset();
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

void set_emulator_seed(std::uint64_t seed) {
  const auto set = emulator_entry<void (*)(std::uint64_t)>("osdn_emulator_set_seed");
  ASSERT_NE(set, nullptr) << dlerror();
  set(seed);
}

PreparedOperation prepare(const Problem& problem, const Config& config) {
  return must(engine().prepare(problem, config), "prepare");
}

Outputs launch(const PreparedOperation& operation, const Case& problem, const LaunchOptions& options) {
  const Shape& shape = problem.shape;
  const Problem& p = problem.problem;
  const bool wants_states = options.states != States::none;
  const bool aliased = options.states == States::aliased;
  cli::DeviceTensors memory(engine());
  ForwardArguments a = put_pass(memory, problem, options.index_type);
  Outputs out;
  out.o = reference::empty_tensor(reference::dtype_of(p.type), {shape.b, shape.t, shape.hv, p.v});
  a.o = memory.poisoned(out.o.data.size());
  if (wants_states) {
    out.final_state = reference::empty_tensor(DType::f32, {shape.sequences(), shape.hv, p.k, p.v});
    out.final_d = reference::empty_tensor(DType::f32, {shape.sequences(), shape.hv, p.k});
    a.final_state = aliased && problem.initial_state ? a.initial_state : memory.poisoned(out.final_state.data.size());
    a.final_d = aliased && problem.initial_d ? a.initial_d : memory.poisoned(out.final_d->data.size());
  }
  a.workspace_bytes = operation.workspace_bytes(shape);
  a.workspace = memory.poisoned(a.workspace_bytes);
  if (options.checkpoints != nullptr) {
    Checkpoints& wanted = *options.checkpoints;
    a.checkpoint_every = wanted.every;
    const std::int64_t rows = shape.b * shape.t / wanted.every;
    if (wanted.states) {
      wanted.state = reference::empty_tensor(DType::f32, {rows, shape.hv, p.k, p.v});
      a.checkpoint_state = memory.poisoned(wanted.state.data.size());
    }
    if (wanted.ds) {
      wanted.d = reference::empty_tensor(DType::f32, {rows, shape.hv, p.k});
      a.checkpoint_d = memory.poisoned(wanted.d.data.size());
    }
  }
  std::optional<Placed> placed;
  if (options.placement != nullptr) placed.emplace(problem, *options.placement).fill(a);
  must(memory.result(), "upload");
  if (options.recorded) {
    launch_recorded(operation, a, options.times);
  } else {
    for (int i = 0; i < options.times; ++i) must(operation.launch(a), "launch");
  }
  must(engine().synchronize(), "synchronize");
  if (options.workspace != nullptr) {
    options.workspace->resize(a.workspace_bytes);
    memory.get(a.workspace, *options.workspace);
  }
  if (a.checkpoint_state != 0) memory.get(a.checkpoint_state, options.checkpoints->state);
  if (a.checkpoint_d != 0) memory.get(a.checkpoint_d, options.checkpoints->d);
  if (placed) {
    out.o = placed->output();
  } else {
    memory.get(a.o, out.o);
  }
  if (wants_states) {
    memory.get(a.final_state, out.final_state);
    memory.get(a.final_d, *out.final_d);
  }
  must(memory.result(), "download");
  return out;
}

void expect_right(const Case& problem, const Outputs& outputs, States states) {
  const reference::Expected answers = must(reference::solve(problem), "reference");
  Outputs judged = outputs;
  if (states == States::none) {  // nobody asked: the answers stand in, so that only o is judged
    Outputs right = reference::to_outputs(problem, answers);
    judged.final_state = std::move(right.final_state);
    judged.final_d = std::move(right.final_d);
  }
  for (const reference::Verdict& verdict : reference::judge(problem, answers, judged)) {
    EXPECT_TRUE(verdict.passed) << verdict.tensor << ": " << verdict.measure << " " << verdict.error << ", tolerance "
                                << verdict.tolerance << " " << verdict.reason;
  }
}

Outputs run(const Config& config, const Case& problem, const LaunchOptions& options) {
  Outputs out = launch(prepare(problem.problem, config), problem, options);
  expect_right(problem, out, options.states);
  return out;
}

void expect_same_bits(const Tensor& a, const Tensor& b, const std::string& what) {
  ASSERT_EQ(a.data.size(), b.data.size()) << what;
  const auto [first, other] = std::mismatch(a.data.begin(), a.data.end(), b.data.begin());
  EXPECT_TRUE(first == a.data.end()) << what << " differs first at element "
                                     << (first - a.data.begin()) /
                                            static_cast<std::ptrdiff_t>(safetensors::size_of(a.dtype));
}

void expect_same_bits(const Outputs& a, const Outputs& b) {
  expect_same_bits(a.o, b.o, "o");
  expect_same_bits(a.final_state, b.final_state, "final_state");
  ASSERT_EQ(a.final_d.has_value(), b.final_d.has_value());
  if (a.final_d) expect_same_bits(*a.final_d, *b.final_d, "final_d");
}

}  // namespace osdn::tests
