// A small server: kernels are prepared before the first request, threads with a stream each serve batches of sequences,
// prompts go through the forward pass, new tokens through one recorded graph of the step kernel.
//
//   example_server [DRIVER [REQUESTS [THREADS]]]     DRIVER: ./libosdn_emulator.so on a machine without a GPU
//
// It ends when all requests are served, checks some answers against a pass over the whole sequence, and prints metrics.
#include <cmath>
#include <cstdlib>
#include <exception>
#include <random>
#include <string>
#include <thread>

#include "server/worker.hpp"

namespace {

using namespace server;

/// Every length that prompts may have falls into one of these buckets; the step has one shape.
void prepare_all(const osdn::Tuner& tuner) {
  std::vector<osdn::WarmUpItem> items{{prompt_problem(), {}}, {step_problem(), {step_shape()}}};
  for (int tokens = 1; tokens <= longest_prompt; tokens *= 2) items[0].shapes.push_back(prompt_shape(tokens));
  const auto report = tuner.warm_up(items).value_or_throw();
  for (const std::string& failure : report.failures) std::fprintf(stderr, "not prepared: %s\n", failure.c_str());
}

std::vector<Request> draw_requests(int count) {
  std::mt19937 random(1);
  std::vector<Request> requests;
  for (int i = 0; i < count; ++i) {
    requests.push_back(
        {i, std::uniform_int_distribution(1, longest_prompt)(random), std::uniform_int_distribution(1, 12)(random)});
  }
  return requests;
}

/// The last row of o when the whole sequence, prompt and new tokens, goes through the forward pass at once.
std::vector<float> whole_pass(osdn::Engine& engine, const Request& request) {
  const int tokens = request.prompt + request.steps;
  Rows rows(tokens);
  rows.fill(request, 0, 0, tokens);
  const auto upload = [&](const std::vector<float>& values) {
    auto buffer = engine.allocate(values.size() * sizeof(float)).value_or_throw();
    buffer.upload(values.data()).value_or_throw();
    return buffer;
  };
  const auto q = upload(rows.q);
  const auto k = upload(rows.k);
  const auto v = upload(rows.v);
  const auto beta = upload(rows.beta);
  const auto o = upload(rows.v);
  const auto pass = engine.prepare(prompt_problem()).value_or_throw();
  const auto workspace = engine.allocate(pass.workspace_bytes(prompt_shape(tokens))).value_or_throw();
  osdn::ForwardArguments arguments{.shape = prompt_shape(tokens), .q = q.address(), .k = k.address()};
  arguments.v = v.address(), arguments.beta = beta.address(), arguments.o = o.address();
  arguments.workspace = workspace.address(), arguments.workspace_bytes = workspace.bytes();
  pass.launch(arguments).value_or_throw();
  std::vector<float> result(rows.v.size());
  o.download(result.data()).value_or_throw();
  return {result.end() - heads * features, result.end()};
}

/// |a − b| / |b|
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double squares = 0;
  double scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    squares += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
    scale += static_cast<double>(b[i]) * b[i];
  }
  return std::sqrt(squares / scale);
}

Metrics serve(const Cuda& cuda, const osdn::Engine& engine, const osdn::Tuner& tuner, int threads, Inbox& inbox,
              std::vector<std::vector<float>>& answers) {
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < threads; ++i) workers.push_back(std::make_unique<Worker>(cuda, engine, tuner));
  std::vector<std::exception_ptr> failures(workers.size());
  {
    std::vector<std::jthread> running;
    for (std::size_t i = 0; i < workers.size(); ++i) {
      running.emplace_back([&, i] {
        try {
          workers[i]->serve(inbox, answers);
        } catch (...) {
          failures[i] = std::current_exception();
        }
      });
    }
  }
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  Metrics all;
  for (const auto& worker : workers) all.add(worker->metrics());
  return all;
}

int run(const std::string& driver, int count, int threads) {
  const auto begin = Clock::now();
  auto engine = osdn::Engine::create({.driver_library = driver}).value_or_throw();
  const auto tuner = osdn::Tuner::create(engine, {.mode = osdn::TuningMode::cache}).value_or_throw();
  prepare_all(tuner);
  const double startup = seconds_since(begin);
  const std::uint64_t compiled = engine.cache_statistics().misses;

  const Cuda cuda(engine.device().driver_library, engine.device().ordinal);
  const std::vector<Request> requests = draw_requests(count);
  Inbox inbox(requests);
  std::vector<std::vector<float>> answers(requests.size());
  const Metrics metrics = serve(cuda, engine, tuner, threads, inbox, answers);

  double worst = 0;
  for (std::size_t i = 0; i < requests.size(); i += 5) {
    worst = std::max(worst, difference(answers[i], whole_pass(engine, requests[i])));
  }
  std::printf("# %s, %d threads of %d slots\n", engine.device().name.c_str(), threads, batch);
  std::printf("startup_seconds %.3f\nkernels_compiled_total %llu\nkernels_compiled_while_serving %llu\n", startup,
              static_cast<unsigned long long>(compiled),
              static_cast<unsigned long long>(engine.cache_statistics().misses - compiled));
  std::printf("requests_total %lld\nprompt_tokens_total %lld\nnew_tokens_total %lld\n", metrics.requests,
              metrics.prompt_tokens, metrics.new_tokens);
  print_quantiles("prefill_seconds", metrics.prefill_seconds);
  print_quantiles("step_seconds", metrics.step_seconds);
  print_quantiles("step_launch_seconds", metrics.launch_seconds);
  std::printf("largest_difference_to_a_whole_pass %.2e\n", worst);
  return worst < 2e-3 ? 0 : 1;  // two kernels, TF32
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 2 ? std::atoi(argv[2]) : 24;
  const int threads = argc > 3 ? std::atoi(argv[3]) : 3;
  if (count < 1 || threads < 1) {
    std::fprintf(stderr, "usage: %s [DRIVER [REQUESTS [THREADS]]], both at least 1\n", argv[0]);
    return 2;
  }
  try {
    return run(argc > 1 ? argv[1] : "", count, threads);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
