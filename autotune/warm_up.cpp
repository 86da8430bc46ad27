// Preparing many problems before the first of them is needed.
#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "autotune/tuner_state.hpp"
#include "osdn/tuner.hpp"
#include "runtime/in_parallel.hpp"

namespace osdn {
namespace {

struct Step {
  const Problem* problem = nullptr;
  const Shape* shape = nullptr;
};

class WarmUp {
 public:
  WarmUp(TunerState& tuner, std::vector<Step> steps, const WarmUpOptions& options)
      : tuner_(tuner), steps_(std::move(steps)), options_(options) {}

  WarmUpReport run(int threads) {
    runtime::in_parallel(steps_.size(), threads, [this](std::size_t index) { work(steps_[index]); });
    report_.skipped = steps_.size() - report_.prepared - report_.failures.size();
    return std::move(report_);
  }

 private:
  void work(const Step& step) {
    if (stopped()) return;
    const auto done = tuner_.prepare(*step.problem, *step.shape, nullptr);
    const std::lock_guard lock(mutex_);
    if (done)
      ++report_.prepared;
    else
      report_.failures.push_back(
          fmt::format("{} at {}: {}", to_string(*step.problem), to_string(*step.shape), done.error().message));
    if (options_.progress) options_.progress(report_.prepared + report_.failures.size(), steps_.size());
  }

  bool stopped() {
    if (!options_.cancelled) return false;
    const std::lock_guard lock(mutex_);
    stopped_ = stopped_ || options_.cancelled();
    return stopped_;
  }

  TunerState& tuner_;
  std::vector<Step> steps_;
  const WarmUpOptions& options_;
  std::mutex mutex_;
  bool stopped_ = false;
  WarmUpReport report_;
};

}  // namespace

expected<WarmUpReport> Tuner::warm_up(std::span<const WarmUpItem> items, const WarmUpOptions& options) const {
  std::vector<Step> steps;
  for (const WarmUpItem& item : items) {
    for (const Shape& shape : item.shapes) steps.push_back({&item.problem, &shape});
  }
  int threads = options.threads > 0 ? options.threads : static_cast<int>(std::thread::hardware_concurrency());
  // Ranks agree in the order in which they ask.
  if (state_->options().agree) threads = 1;
  threads = std::clamp(threads, 1, std::max(1, static_cast<int>(steps.size())));
  return WarmUp(*state_, std::move(steps), options).run(threads);
}

}  // namespace osdn
