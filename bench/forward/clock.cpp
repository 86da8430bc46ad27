#include "bench/forward/clock.hpp"

#include <chrono>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "autotune/trial/emulator_entries.hpp"
#include "autotune/trial/event_timer.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::bench {
namespace {

namespace cuda = runtime::cuda;
using autotune::EmulatorEntries;
using autotune::EventTimer;
using Steady = std::chrono::steady_clock;

constexpr int most_warm_ups = 10;
constexpr double alike = 0.01;
constexpr std::chrono::milliseconds warm_up_time{200};

class EventsClock : public Clock {
 public:
  EventsClock(Engine engine, std::unique_ptr<EventTimer> timer)
      : engine_(std::move(engine)), timer_(std::move(timer)) {}
  ~EventsClock() override {
    for (const auto& graph : graphs_) timer_->destroy(graph.executable);
  }
  [[nodiscard]] std::string name() const override { return engine_.device().emulated ? "host" : "device events"; }
  [[nodiscard]] bool times_copies() const override { return true; }

  expected<std::size_t> add(const Enqueue& enqueue, std::size_t sets, std::size_t launches) override {
    const runtime::ContextScope scope(engine_.state()->device());
    // Once without a capture: what a driver does at the first launch of a kernel it may not do during one.
    auto done = enqueue(0, timer_->stream());
    if (done) done = engine_.synchronize(timer_->stream());
    if (!done) return done.error();
    auto graph = timer_->capture([&]() -> expected<void> {
      for (std::size_t i = 0; i < launches; ++i) {
        if (auto launched = enqueue(i % sets, timer_->stream()); !launched) return launched;
      }
      return {};
    });
    if (!graph) return graph.error();
    graphs_.push_back({*graph, static_cast<double>(launches)});
    if (auto warm = warm_up(); !warm) return warm.error();
    return graphs_.size() - 1;
  }

  expected<double> time(std::size_t what) override {
    const runtime::ContextScope scope(engine_.state()->device());
    auto seconds = timer_->time(graphs_[what].executable);
    if (!seconds) return seconds;
    return *seconds / graphs_[what].launches;
  }

 private:
  /// Until two times in a row are alike, or for so long.
  expected<void> warm_up() {
    if (engine_.device().emulated) return {};
    const auto end = Steady::now() + warm_up_time;
    double last = 0;
    int in_a_row = 0;
    for (int i = 0; i < most_warm_ups && in_a_row < 2 && Steady::now() < end; ++i) {
      auto seconds = time(graphs_.size() - 1);
      if (!seconds) return seconds.error();
      in_a_row = std::fabs(*seconds - last) <= alike * last ? in_a_row + 1 : 0;
      last = *seconds;
    }
    return {};
  }

  struct Graph {
    cuda::GraphExec executable;
    double launches;
  };
  Engine engine_;
  std::unique_ptr<EventTimer> timer_;
  std::vector<Graph> graphs_;
};

class ModelledClock : public Clock {
 public:
  ModelledClock(Engine engine, EmulatorEntries emulator) : engine_(std::move(engine)), emulator_(emulator) {}
  [[nodiscard]] std::string name() const override { return "modelled"; }
  [[nodiscard]] bool times_copies() const override { return false; }

  expected<std::size_t> add(const Enqueue& enqueue, std::size_t, std::size_t) override {
    emulator_.set_seed(0);  // the model plays blocks in the order of the seed
    emulator_.reset_statistics();
    emulator_.set_measure(true);
    auto done = enqueue(0, nullptr);
    if (done) done = engine_.synchronize();
    emulator_.set_measure(false);
    if (!done) return done.error();
    auto seconds = emulator_.modelled_seconds();
    if (!seconds) return seconds.error();
    seconds_.push_back(*seconds);
    return seconds_.size() - 1;
  }
  expected<double> time(std::size_t what) override { return seconds_[what]; }

 private:
  Engine engine_;
  EmulatorEntries emulator_;
  std::vector<double> seconds_;
};

}  // namespace

expected<std::unique_ptr<Clock>> events_clock(Engine engine) {
  const runtime::ContextScope scope(engine.state()->device());
  auto timer = EventTimer::make(engine.state()->device());
  if (!timer) return timer.error();
  return std::unique_ptr<Clock>(std::make_unique<EventsClock>(std::move(engine), *std::move(timer)));
}

expected<std::unique_ptr<Clock>> modelled_clock(Engine engine) {
  auto emulator = EmulatorEntries::open(engine.device().driver_library);
  if (!emulator) return emulator.error();
  return std::unique_ptr<Clock>(std::make_unique<ModelledClock>(std::move(engine), *emulator));
}

}  // namespace osdn::bench
