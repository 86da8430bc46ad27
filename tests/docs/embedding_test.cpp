// docs/embedding.md: what it shows is compiled here, between "// [" and "// ]", and runs on the emulator.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "examples/server/cuda.hpp"
#include "osdn/engine.hpp"
#include "osdn/tuner.hpp"
#include "tests/temporary_directory.hpp"

namespace {

const std::string driver = OSDN_EMULATOR_LIBRARY;
const osdn::Problem problem{
    .type = osdn::ElementType::bf16, .k = 32, .v = 32, .precondition = osdn::Precondition::none};
const osdn::Shape shape{.b = 1, .t = 64, .h = 1, .hv = 1};

/// A host's own: an object that serves a model's layers.
class Layers {
 public:
  explicit Layers(osdn::Engine engine) : engine_(std::move(engine)) {}
  osdn::Engine& engine() { return engine_; }

 private:
  osdn::Engine engine_;
};

/// Tensors of one pass, all of zeros, and its arguments.
class Pass {
 public:
  Pass(osdn::Engine& engine, const osdn::PreparedOperation& operation) {
    const auto room = [&](std::size_t bytes) {
      buffers_.push_back(engine.allocate(bytes).value_or_throw());
      const std::vector<std::byte> zeros(bytes);
      buffers_.back().upload(zeros.data()).value_or_throw();
      return buffers_.back().address();
    };
    arguments.shape = shape;
    arguments.q = room(4096), arguments.k = room(4096), arguments.v = room(4096), arguments.o = room(4096);
    arguments.beta = room(256);
    arguments.workspace_bytes = operation.workspace_bytes(shape);
    arguments.workspace = room(arguments.workspace_bytes + 256);
  }
  osdn::ForwardArguments arguments;

 private:
  std::vector<osdn::DeviceBuffer> buffers_;
};

osdn::Engine emulated_engine() {
  return osdn::Engine::create({.driver_library = driver}).value_or_throw();
}

TEST(Embedding, Lifetime) {
  // [
  auto engine = osdn::Engine::create({.device = 0, .driver_library = driver});
  if (!engine) {
    std::fprintf(stderr, "%s\n%s\n", engine.error().message.c_str(), engine.error().context.c_str());
    return;
  }
  Layers layers(*engine);  // copies of an Engine share it
  // ]
  EXPECT_TRUE(layers.engine().device().emulated);
}

TEST(Embedding, Threads) {
  osdn::Engine engine = emulated_engine();
  std::vector<std::string> failures(4);
  // [
  std::vector<std::jthread> workers;
  for (std::string& failure : failures) {
    workers.emplace_back([&engine, &failure] {
      auto operation = engine.prepare(problem);  // compiled once, however many ask
      if (!operation) {
        failure = operation.error().message;
        return;
      }
      Pass pass(engine, *operation);  // tensors and workspace of this thread's own
      if (auto launched = operation->launch(pass.arguments); !launched) failure = launched.error().message;
      if (auto done = engine.synchronize(); !done) failure = done.error().message;
    });
  }
  // ]
  workers.clear();
  EXPECT_EQ(failures, std::vector<std::string>(4));
}

TEST(Embedding, StreamsAndCapture) {
  osdn::Engine engine = emulated_engine();
  const server::Cuda cuda(driver, 0);
  const server::Queue queue(cuda);
  const osdn::Stream stream = queue.stream();
  // [
  const auto operation = engine.prepare(problem).value_or_throw();  // before the capture begins
  Pass pass(engine, operation);
  const server::Graph graph(cuda, queue, [&] {  // cuStreamBeginCapture … cuStreamEndCapture, cuGraphInstantiate
    operation.launch(pass.arguments, stream).value_or_throw();
  });
  for (int step = 0; step < 3; ++step) graph.launch(queue);
  queue.wait();
  // ]
  SUCCEED();
}

TEST(Embedding, WarmUp) {
  const osdn::test::TemporaryDirectory folder;
  const std::string tuning_directory = folder.path().string();
  const osdn::Engine engine = emulated_engine();
  // [
  const auto tuner = osdn::Tuner::create(engine, {.directory = tuning_directory}).value_or_throw();
  std::vector<osdn::WarmUpItem> items{
      {problem, {{.b = 1, .t = 64, .h = 1, .hv = 1}, {.b = 8, .t = 1, .h = 1, .hv = 1}}}};
  const auto report = tuner.warm_up(items, {.threads = 2}).value_or_throw();
  for (const std::string& failure : report.failures) std::fprintf(stderr, "%s\n", failure.c_str());
  // ]
  EXPECT_EQ(report.prepared, 2U);
  EXPECT_TRUE(report.failures.empty());
}

TEST(Embedding, Deterministic) {
  const osdn::test::TemporaryDirectory folder;
  const std::string tuning_directory = folder.path().string();
  const osdn::Engine engine = emulated_engine();
  // [
  const auto tuner =
      osdn::Tuner::create(engine, {.mode = osdn::TuningMode::deterministic, .directory = tuning_directory})
          .value_or_throw();
  const auto [operation, provenance] = tuner.prepare(problem, shape).value_or_throw();
  std::printf("%s: %s\n", osdn::name(provenance->source), to_string(operation.config()).c_str());
  // ]
  EXPECT_EQ(provenance->source, osdn::TuningSource::heuristic);
}

TEST(Embedding, Ranks) {
  const osdn::test::TemporaryDirectory folder;
  const std::string tuning_directory = folder.path().string();
  const osdn::Engine engine = emulated_engine();
  std::string said;
  const auto broadcast_from_rank_0 = [&](std::string_view key, std::string_view proposal) {
    EXPECT_FALSE(key.empty());
    said = proposal;
    return said;
  };
  // [
  osdn::TunerOptions options{.directory = tuning_directory};
  options.agree = [&](std::string_view key, std::string_view proposal) -> std::string {
    return broadcast_from_rank_0(key, proposal);  // every rank gets here with the same keys in the same order
  };
  const auto tuner = osdn::Tuner::create(engine, options).value_or_throw();
  const auto operation = tuner.prepare(problem, shape).value_or_throw().operation;
  // ]
  EXPECT_EQ(to_string(operation.config()), said);
}

TEST(Embedding, Messages) {
  std::vector<std::string> log;
  // [
  osdn::EngineOptions options{.driver_library = driver};
  options.log = [&](osdn::LogLevel level, std::string_view message) {  // from any thread that prepares
    if (level == osdn::LogLevel::warning) log.emplace_back(message);
  };
  options.validate = true;  // in tests: wrong pointers, sizes and boundaries are refused with the name of the field
  auto engine = osdn::Engine::create(options).value_or_throw();
  // ]
  const auto operation = engine.prepare(problem).value_or_throw();
  const Pass pass(engine, operation);
  osdn::ForwardArguments wrong = pass.arguments;
  wrong.q = 4096;
  const auto refused = operation.launch(wrong);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("q is 0x1000"), std::string::npos) << refused.error().message;
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> between(const std::string& text, const std::string& open, const std::string& close) {
  std::vector<std::string> blocks;
  for (std::size_t at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
    at += open.size();
    const std::size_t end = text.find(close, at);
    blocks.push_back(text.substr(at, end - at));
    at = end;
  }
  return blocks;
}

std::string without_indentation(const std::string& text) {
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    line.erase(0, line.find_first_not_of(' '));
    if (!line.empty()) out += line + "\n";
  }
  return out;
}

TEST(EmbeddingPage, ShowsWhatIsCompiledHere) {
  std::multiset<std::string> compiled;
  for (const auto& block : between(read(OSDN_EMBEDDING_CODE), "\n  // [\n", "  // ]\n"))
    compiled.insert(without_indentation(block));
  std::multiset<std::string> shown;
  for (const auto& block : between(read(OSDN_EMBEDDING_PAGE), "\n```cpp\n", "```\n")) {
    shown.insert(without_indentation(block));
  }
  EXPECT_GE(compiled.size(), 7U);
  EXPECT_EQ(shown, compiled);
}

}  // namespace
