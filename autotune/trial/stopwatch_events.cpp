// Device events around graph replays. The launches of a graph go through sets of inputs that together do not fit the
// second-level cache: every launch finds it as a model does, full of something else.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "autotune/search/random.hpp"
#include "autotune/trial/candidate.hpp"
#include "autotune/trial/device_lock.hpp"
#include "autotune/trial/event_timer.hpp"
#include "autotune/trial/stopwatch.hpp"
#include "autotune/trial/timing_inputs.hpp"
#include "runtime/decode_pass.hpp"
#include "runtime/engine_state.hpp"

namespace osdn::autotune {
namespace {

namespace cuda = runtime::cuda;
using Clock = std::chrono::steady_clock;

constexpr std::size_t caches = 3;  // that the sets exceed
constexpr std::size_t most_sets = 4096;
constexpr std::size_t memory_share = 4;   // of the free memory, at most one in so many bytes
constexpr std::size_t emulated_sets = 2;  // its event times are the host's: there is no cache to go around
constexpr int most_warm_ups = 20;
constexpr double stable = 0.01;
constexpr std::chrono::milliseconds warm_up_time{500};

std::size_t sets_for(std::size_t bytes, const DeviceDescription& device, std::size_t free_bytes) {
  const std::size_t wanted = caches * device.l2_bytes / bytes + 1;
  const std::size_t fit = free_bytes / memory_share / bytes;
  return std::clamp<std::size_t>(std::min({wanted, fit, device.emulated ? emulated_sets : most_sets}), 1, most_sets);
}

/// Graphs that go when the measurement ends.
class Graphs {
 public:
  explicit Graphs(const EventTimer& timer) : timer_(timer) {}
  ~Graphs() {
    for (const cuda::GraphExec graph : all_) timer_.destroy(graph);
  }
  Graphs(const Graphs&) = delete;
  Graphs& operator=(const Graphs&) = delete;
  void add(cuda::GraphExec graph) { all_.push_back(graph); }
  [[nodiscard]] cuda::GraphExec operator[](std::size_t index) const { return all_[index]; }

 private:
  const EventTimer& timer_;
  std::vector<cuda::GraphExec> all_;
};

class Events : public Stopwatch {
 public:
  Events(const StopwatchSettings& settings, std::unique_ptr<EventTimer> timer, std::vector<TimingInputs> sets)
      : engine_(settings.engine),
        shape_(settings.shape),
        lock_file_(device_lock_file(settings.lock_directory, engine_.device())),
        log_(settings.log),
        order_(settings.seed),
        timer_(std::move(timer)),
        sets_(std::move(sets)) {}

  Measurement measure(const std::vector<PreparedOperation>& operations, int rounds, const About& about) override {
    const runtime::ContextScope scope(engine_.state()->device());
    const DeviceLock lock(lock_file_, [&] { about("waiting", 0); });
    warn_of(lock);
    Graphs graphs(*timer_);
    Measurement out;
    std::size_t index = 0;
    const auto broken = [&](const Error& error) {
      out.broken = Measurement::Breakage{index, verdict_of(error)};
      return std::move(out);
    };
    if (auto done = grow_workspace(operations, index); !done) {
      const std::size_t bytes = operations[index].workspace_bytes(shape_);
      out.broken = {index, verdict_of_workspace(done.error(), bytes, engine_.device().memory_bytes)};
      return out;
    }
    index = 0;
    for (; index < operations.size(); ++index) {
      about("timing", index);
      auto graph = record(operations[index]);
      if (!graph) return broken(graph.error());
      graphs.add(*graph);
      if (auto done = warm_up(*graph); !done) return broken(done.error());
    }
    for (int round = 0; round < rounds; ++round) {
      std::vector<double> seconds(operations.size());
      for (const std::size_t next : shuffled(operations.size())) {
        index = next;
        about("timing", index);
        auto elapsed = timer_->time(graphs[index]);
        if (!elapsed) return broken(elapsed.error());
        seconds[index] = *elapsed / static_cast<double>(sets_.size());
      }
      out.rounds.push_back(std::move(seconds));
    }
    return out;
  }

 private:
  void warn_of(const DeviceLock& lock) {
    if (lock.refusal().empty() || std::exchange(warned_, true)) return;
    log_.warning("times are taken without the lock of the device, others may time on it, too: " + lock.refusal());
  }

  /// One for all: a workspace is hot when the second kernel reads what the first has written, in a model too.
  /// `largest`: whose it is.
  expected<void> grow_workspace(const std::vector<PreparedOperation>& operations, std::size_t& largest) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      if (operations[i].workspace_bytes(shape_) <= bytes) continue;
      bytes = operations[i].workspace_bytes(shape_);
      largest = i;
    }
    if (bytes <= workspace_.bytes()) return {};
    workspace_ = DeviceBuffer();  // both might not fit
    auto larger = engine_.allocate(bytes);
    if (!larger) return larger.error();
    workspace_ = *std::move(larger);
    return {};
  }

  expected<void> launch(const PreparedOperation& operation, const TimingInputs& set) const {
    ForwardArguments arguments = set.arguments();
    arguments.workspace = workspace_.address();
    arguments.workspace_bytes = workspace_.bytes();
    return runtime::launch_pass(operation, arguments, timer_->stream());
  }

  expected<cuda::GraphExec> record(const PreparedOperation& operation) {
    // Once without a capture: what a driver does at the first launch of a kernel it may not do during one.
    auto done = launch(operation, sets_.front());
    if (done) done = engine_.synchronize(timer_->stream());
    if (!done) return done.error();
    return timer_->capture([&]() -> expected<void> {
      for (const TimingInputs& set : sets_) {
        if (auto launched = launch(operation, set); !launched) return launched;
      }
      return {};
    });
  }

  /// Until two times in a row are alike, or for so long.
  expected<void> warm_up(cuda::GraphExec graph) const {
    const auto end = Clock::now() + warm_up_time;
    double last = 0;
    int alike = 0;
    for (int i = 0; i < most_warm_ups && alike < 2 && Clock::now() < end; ++i) {
      auto seconds = timer_->time(graph);
      if (!seconds) return seconds.error();
      alike = std::fabs(*seconds - last) <= stable * last ? alike + 1 : 0;
      last = *seconds;
    }
    return {};
  }

  std::vector<std::size_t> shuffled(std::size_t count) {
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[order_.bits() % i]);
    return order;
  }

  Engine engine_;
  Shape shape_;
  std::string lock_file_;
  runtime::Log log_;
  bool warned_ = false;
  Random order_;
  std::unique_ptr<EventTimer> timer_;
  std::vector<TimingInputs> sets_;
  DeviceBuffer workspace_;
};

}  // namespace

expected<std::unique_ptr<Stopwatch>> events_stopwatch(const StopwatchSettings& settings) {
  Engine engine = settings.engine;
  const runtime::DeviceContext& device = engine.state()->device();
  const runtime::ContextScope scope(device);
  auto timer = EventTimer::make(device);
  if (!timer) return timer.error();
  std::vector<TimingInputs> sets;
  auto first = TimingInputs::make(engine, settings.problem, settings.shape);
  if (!first) return first.error();
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  const auto result = device.driver().memory_get_info(&free_bytes, &total_bytes);
  if (result != cuda::success) return device.driver().error(result, "asking for free memory");
  const std::size_t count = sets_for(std::max<std::size_t>(first->bytes(), 1), engine.device(), free_bytes);
  sets.push_back(*std::move(first));
  while (sets.size() < count) {
    auto twin = sets.front().twin(engine);
    if (!twin && twin.error().code == ErrorCode::out_of_memory) break;  // somebody else took it: fewer will do
    if (!twin) return twin.error();
    sets.push_back(*std::move(twin));
  }
  // Copies on the device need not be done yet, and the timer's stream waits for no other.
  if (const auto done = device.driver().context_synchronize(); done != cuda::success) {
    return device.driver().error(done, "making the inputs");
  }
  return std::unique_ptr<Stopwatch>(std::make_unique<Events>(settings, *std::move(timer), std::move(sets)));
}

}  // namespace osdn::autotune
