// Each driver call fails once, on every way that an Engine takes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <optional>
#include <vector>

#include "every_call.hpp"
#include "runtime/engine_state.hpp"
#include "support.hpp"

namespace osdn::runtime::testing {
namespace {

/// The Engine of a life, and memory of the driver's.
class Bench {
 public:
  explicit Bench(EngineOptions options = null_options()) : options_(std::move(options)) {}

  [[nodiscard]] Engine& engine() { return *engine_; }

  expected<DevicePointer> memory(std::size_t bytes) {
    auto buffer = engine_->allocate(bytes);
    if (!buffer) return std::move(buffer).error();
    held_.push_back(*std::move(buffer));
    return held_.back().address();
  }

  /// Holds the bytes.
  template <class Value>
  expected<DevicePointer> holding(const std::vector<Value>& values) {
    auto address = memory(values.size() * sizeof(Value));
    if (!address) return address;
    if (auto done = held_.back().upload(values.data()); !done) return std::move(done).error();
    return address;
  }

  /// Gives each of them memory of so many bytes; those of 0 are left alone.
  expected<void> place(std::initializer_list<std::pair<DevicePointer*, std::size_t>> tensors) {
    for (const auto& [address, bytes] : tensors) {
      if (bytes == 0) continue;
      auto found = memory(bytes);
      if (!found) return std::move(found).error();
      *address = *found;
    }
    return {};
  }

  void fails_at_every_call(const std::function<expected<void>()>& work, const std::vector<std::string>& reached) {
    const Life life{.begin = [this]() -> expected<void> {
                      auto created = Engine::create(options_);
                      if (!created) return std::move(created).error();
                      engine_ = *std::move(created);
                      return {};
                    },
                    .work = work,
                    .end =
                        [this] {
                          held_.clear();
                          engine_.reset();
                        }};
    survives_an_error_of_every_call(life, reached);
  }

 private:
  EngineOptions options_;
  std::optional<Engine> engine_;
  std::vector<DeviceBuffer> held_;
};

constexpr std::size_t room = 1 << 20;  // for any tensor here

/// Two sequences, 66 and 64 tokens: [0, 66, 130].
expected<void> launch_packed(Bench& bench, const PreparedOperation& operation) {
  ForwardArguments a;
  a.shape = {.b = 1, .t = 130, .h = 2, .hv = 2, .n = 2};
  a.workspace_bytes = operation.workspace_bytes(a.shape);
  if (auto done = bench.place(
          {{&a.q, room}, {&a.k, room}, {&a.v, room}, {&a.beta, room}, {&a.o, room}, {&a.workspace, a.workspace_bytes}});
      !done) {
    return done;
  }
  auto boundaries = bench.holding(std::vector<std::int64_t>{0, 66, 130});
  if (!boundaries) return std::move(boundaries).error();
  a.cu_seqlens = *boundaries;
  if (auto done = operation.launch(a); !done) return done;
  return bench.engine().synchronize();
}

expected<void> launch_step(Bench& bench, const PreparedOperation& operation) {
  DecodeArguments a;
  a.shape = {.b = 3, .t = 1, .h = 1, .hv = 1};
  a.slots = 5;
  if (auto done = bench.place(
          {{&a.q, room}, {&a.k, room}, {&a.v, room}, {&a.beta, room}, {&a.o, room}, {&a.state, room}, {&a.d, room}});
      !done) {
    return done;
  }
  auto slots = bench.holding(std::vector<std::int32_t>{4, 0, 2});
  if (!slots) return std::move(slots).error();
  a.state_slots = *slots;
  if (auto done = operation.launch(a); !done) return done;
  return bench.engine().synchronize();
}

using Launch = expected<void> (*)(Bench&, const PreparedOperation&);

/// Prepares and launches; on a thread without a context of its own.
std::function<expected<void>()> running(Bench& bench, const char* problem, const char* config, Launch launch) {
  return [&bench, launch, what = parse_problem(problem).value_or_throw(),
          how = config == nullptr ? std::nullopt : std::optional(parse_config(config).value_or_throw())] {
    auto operation = bench.engine().prepare(what, how);
    return operation ? launch(bench, *operation) : std::move(operation).error();
  };
}

EngineOptions validating() {
  EngineOptions options = null_options();
  options.validate = true;
  return options;
}

TEST(EngineFaults, APassAndCopies) {
  Bench bench;
  const auto work = [&]() -> expected<void> {
    auto operation = bench.engine().prepare(small_problem());
    if (!operation) return std::move(operation).error();
    auto address = bench.holding(std::vector<char>(64, 'x'));
    if (!address) return std::move(address).error();
    char bytes[64] = {};
    if (auto done = bench.engine().state()->download(bytes, *address, sizeof(bytes)); !done) return done;
    EXPECT_EQ(bytes[63], 'x');
    return launch_packed(bench, *operation);
  };
  bench.fails_at_every_call(work, {"cuModuleLoadDataEx", "cuFuncSetAttribute", "cuLaunchKernel", "cuMemcpyDtoH_v2"});
}

TEST(EngineFaults, ADecodingStep) {
  Bench bench;
  bench.fails_at_every_call(running(bench, "osdn_decode:k=64,v=64", nullptr, launch_step), {"cuLaunchKernel"});
}

TEST(EngineFaults, APassThatIsCut) {
  Bench bench;
  bench.fails_at_every_call(
      running(bench, "osdn_forward:k=64,v=64", "chunk=64,warps=4,cut=fixed,segment=64", launch_packed),
      {"cuLaunchKernel"});
}

TEST(EngineFaults, TensorMaps) {
  const ScopedVariable hopper("NULL_DRIVER_ARCH", "90");
  Bench bench;
  bench.fails_at_every_call(running(bench, "osdn_forward:k=64,v=64", "schedule=hopper,warps=4,stages=2", launch_packed),
                            {"cuTensorMapEncodeTiled", "cuLaunchKernel"});
}

TEST(EngineFaults, CountersThatAreCleared) {
  const ScopedVariable hopper("NULL_DRIVER_ARCH", "90");
  Bench bench;
  bench.fails_at_every_call(running(bench, "osdn_forward:k=64,v=64",
                                    "schedule=hopper_fused,preconditioner=chunked,warps=4,stages=2", launch_packed),
                            {"cuMemsetD32Async", "cuTensorMapEncodeTiled", "cuLaunchKernel"});
}

TEST(EngineFaults, ValidateModeOfAPass) {
  Bench bench(validating());
  bench.fails_at_every_call(running(bench, "osdn_forward:k=64,v=64", nullptr, launch_packed),
                            {"cuPointerGetAttribute", "cuMemGetAddressRange_v2", "cuStreamIsCapturing",
                             "cuStreamSynchronize", "cuMemcpyDtoH_v2"});
}

TEST(EngineFaults, ValidateModeOfAStep) {
  Bench bench(validating());
  bench.fails_at_every_call(running(bench, "osdn_decode:k=64,v=64", nullptr, launch_step),
                            {"cuPointerGetAttribute", "cuMemGetAddressRange_v2", "cuStreamIsCapturing",
                             "cuStreamSynchronize", "cuMemcpyDtoH_v2"});
}

TEST(EngineFaults, MemoryOfTheHosts) {
  null_driver::Books& books = fresh_books();
  EngineOptions options = null_options();
  options.memory.allocate = [&](std::size_t bytes) {
    void* const memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    const std::lock_guard lock(books.mutex);
    books.allocations[reinterpret_cast<DevicePointer>(memory)] = bytes;  // balanced like the driver's own
    return reinterpret_cast<DevicePointer>(memory);
  };
  options.memory.free = [&](DevicePointer address, std::size_t) {
    const std::lock_guard lock(books.mutex);
    EXPECT_EQ(books.allocations.erase(address), 1U);
    std::free(reinterpret_cast<void*>(address));
  };
  Bench bench(options);
  bench.fails_at_every_call(running(bench, "osdn_forward:k=64,v=64", nullptr, launch_packed),
                            {"cuCtxPushCurrent_v2", "cuMemcpyHtoD_v2", "cuLaunchKernel"});
}

}  // namespace
}  // namespace osdn::runtime::testing
