#include "tests/kernels/session.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <stdexcept>

#include "reference/tensor.hpp"
#include "runtime/engine_state.hpp"
#include "tests/kernels/placement.hpp"

namespace osdn::tests {
namespace {

using reference::Case;
using reference::Outputs;
using safetensors::DType;
using safetensors::Tensor;

constexpr std::byte poison{0xFF};  // every element type's NaN

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

DeviceBuffer filled(const std::vector<std::byte>& bytes) {
  DeviceBuffer buffer = must(engine().allocate(bytes.size()), "allocate");
  must(buffer.upload(bytes.data()), "upload");
  return buffer;
}

DeviceBuffer poisoned(std::size_t bytes) {
  return filled(std::vector<std::byte>(bytes, poison));
}

DeviceBuffer uploaded(const std::optional<Tensor>& tensor) {
  return tensor ? filled(tensor->data) : DeviceBuffer();
}

Tensor empty_tensor(std::vector<std::int64_t> shape, DType dtype) {
  Tensor out{dtype, std::move(shape), {}};
  out.data.resize(static_cast<std::size_t>(out.elements()) * safetensors::size_of(dtype));
  return out;
}

// cu_seqlens in the width that the launch is told of.
std::optional<Tensor> starts_of(const Case& problem, IndexType type) {
  if (!problem.cu_seqlens || type == IndexType::int64) return problem.cu_seqlens;
  const std::vector<std::int64_t> starts = reference::to_integers(*problem.cu_seqlens);
  Tensor out = empty_tensor({static_cast<std::int64_t>(starts.size())}, DType::i32);
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto start = static_cast<std::int32_t>(starts[i]);
    std::copy_n(reinterpret_cast<const std::byte*>(&start), sizeof(start), out.data.data() + i * sizeof(start));
  }
  return out;
}

// What a launch writes: where, and how it comes back.
struct Written {
  Tensor tensor;
  DeviceBuffer buffer;

  explicit Written(Tensor t) : tensor(std::move(t)), buffer(poisoned(tensor.data.size())) {}
  Tensor downloaded() {
    must(buffer.download(tensor.data.data()), "download");
    return std::move(tensor);
  }
};

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
  const std::vector<std::int64_t> state_shape = {shape.sequences(), shape.hv, p.k, p.v};
  const std::vector<std::int64_t> d_shape = {shape.sequences(), shape.hv, p.k};

  const DeviceBuffer q = uploaded(problem.q);
  const DeviceBuffer k = uploaded(problem.k);
  const DeviceBuffer v = uploaded(problem.v);
  const DeviceBuffer beta = uploaded(problem.beta);
  const DeviceBuffer log_gamma = uploaded(problem.log_gamma);
  const DeviceBuffer initial_state = uploaded(problem.initial_state);
  const DeviceBuffer initial_d = uploaded(problem.initial_d);
  const DeviceBuffer starts = uploaded(starts_of(problem, options.index_type));
  const DeviceBuffer workspace = poisoned(operation.workspace_bytes(shape));
  Written o(empty_tensor({shape.b, shape.t, shape.hv, p.v}, reference::dtype_of(p.type)));
  Written final_state(wants_states ? empty_tensor(state_shape, DType::f32) : Tensor{});
  Written final_d(wants_states ? empty_tensor(d_shape, DType::f32) : Tensor{});

  ForwardArguments a;
  a.shape = shape;
  a.hyperparameters = reference::to_float(problem.numbers);
  a.q = q.address();
  a.k = k.address();
  a.v = v.address();
  a.beta = beta.address();
  a.log_gamma = log_gamma.address();
  a.initial_state = initial_state.address();
  a.initial_d = initial_d.address();
  a.cu_seqlens = starts.address();
  a.cu_seqlens_type = options.index_type;
  a.o = o.buffer.address();
  a.final_state = aliased && problem.initial_state ? a.initial_state : final_state.buffer.address();
  a.final_d = aliased && problem.initial_d ? a.initial_d : final_d.buffer.address();
  a.workspace = workspace.address();
  a.workspace_bytes = workspace.bytes();
  std::optional<Written> states;
  std::optional<Written> ds;
  if (options.checkpoints != nullptr) {
    const Checkpoints& wanted = *options.checkpoints;
    a.checkpoint_every = wanted.every;
    const std::int64_t rows = shape.b * shape.t / wanted.every;
    if (wanted.states) states.emplace(empty_tensor({rows, shape.hv, p.k, p.v}, DType::f32));
    if (wanted.ds) ds.emplace(empty_tensor({rows, shape.hv, p.k}, DType::f32));
    if (states) a.checkpoint_state = states->buffer.address();
    if (ds) a.checkpoint_d = ds->buffer.address();
  }
  std::optional<Placed> placed;
  if (options.placement != nullptr) placed.emplace(problem, *options.placement).fill(a);
  if (options.recorded) {
    launch_recorded(operation, a, options.times);
  } else {
    for (int i = 0; i < options.times; ++i) must(operation.launch(a), "launch");
  }
  must(engine().synchronize(), "synchronize");
  if (options.workspace != nullptr) {
    options.workspace->resize(workspace.bytes());
    must(workspace.download(options.workspace->data()), "download");
  }

  if (states) options.checkpoints->state = states->downloaded();
  if (ds) options.checkpoints->d = ds->downloaded();
  Outputs out;
  out.o = placed ? placed->output() : o.downloaded();
  if (!wants_states) return out;
  if (aliased && problem.initial_state) {
    must(initial_state.download(final_state.tensor.data.data()), "download");
    out.final_state = std::move(final_state.tensor);
  } else {
    out.final_state = final_state.downloaded();
  }
  if (aliased && problem.initial_d) {
    must(initial_d.download(final_d.tensor.data.data()), "download");
    out.final_d = std::move(final_d.tensor);
  } else {
    out.final_d = final_d.downloaded();
  }
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
