#include "autotune/trial/crew.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "autotune/trial/capacity.hpp"
#include "autotune/trial/post.hpp"
#include "autotune/trial/scratch_directory.hpp"
#include "runtime/cache_directory.hpp"

namespace osdn::autotune {
namespace {

using namespace std::chrono_literals;

// What a worker has loaded it keeps, about 1.5 MB a candidate on the emulator: after so many a fresh one takes over.
constexpr std::size_t candidates_of_a_worker = 512;

int compilers_of(int asked) {
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return asked > 0 ? asked : compilers_that_fit(cores, available_memory());
}

/// Whether compiled kernels can be left in this directory for other processes to find.
std::string problem_of_cache(const EngineOptions& options) {
  if (!options.disk_cache) return "it is switched off";
  const std::string directory = runtime::cache_directory(options.cache_directory);
  if (std::string refusal = runtime::prepare_cache_directory(directory); !refusal.empty()) return refusal;
  return ::access(directory.c_str(), W_OK) == 0 ? "" : fmt::format("{} cannot be written", directory);
}

/// Null where there is none.
const Json& field(const Json& json, const char* name) {
  static const Json null;
  const auto found = json.is_object() ? json.find(name) : json.end();
  return json.is_object() && found != json.end() ? *found : null;
}

bool flag(const Json& json, const char* name, bool otherwise) {
  const Json& found = field(json, name);
  return found.is_boolean() ? found.get<bool>() : otherwise;
}

Verdict verdict_of(const Post::Answer& answer) {
  if (answer.end == Post::Answer::End::hung) return {Outcome::hung, answer.reason};
  // Without a worker, or with one that does not take what it is asked, nothing is known of the candidate.
  return {Outcome::died, answer.reason, answer.error.has_value()};
}

/// Where no worker can be started, what keeps it from that may pass: descriptors, memory, processes.
Post::Answer insist(Post& post, const Json& request) {
  for (const auto pause : {200ms, 800ms, 2000ms}) {
    Post::Answer answer = post.ask(request);
    if (answer.end != Post::Answer::End::absent) return answer;
    std::this_thread::sleep_for(pause);
  }
  return post.ask(request);
}

class Crew : public Laboratory {
 public:
  Crew(const CrewOptions& options, std::string program) {
    facts_.program = std::move(program);
    facts_.setup.problem = options.problem;
    facts_.setup.shape = options.shape;
    facts_.setup.engine = options.engine;
    facts_.setup.engine.log = {};
    facts_.setup.arch = options.arch;
    facts_.setup.seed = options.seed;
    facts_.compile_patience = std::chrono::duration<double>(options.compile_seconds);
    facts_.run_patience = std::chrono::duration<double>(options.run_seconds);
    facts_.log = options.log;
    most_compilers_ = compilers_of(options.compilers);
  }

  expected<void> start(const CrewOptions& options) {
    set_cache();
    gate_.emplace(facts_, spawner_, Role::gate);
    auto answered = gate_->man();
    if (!answered) return answered.error();
    auto ready = read_ready(*answered);
    if (!ready) return ready.error();
    const bool emulated = ready->device.emulated;
    facts_.setup.architecture = ready->architecture;
    // A software device runs PTX, whatever compiled it; a real one machine code of its own major version or older.
    facts_.setup.driver_version = emulated ? 0 : ready->device.driver_version;
    facts_.setup.modelled = stopwatch_name(options.stopwatch, emulated) == "modelled";
    if (facts_.setup.modelled && !emulated) {
      return Error{ErrorCode::invalid_argument,
                   fmt::format("the stopwatch is the emulator's timing model, but the device is {}; allowed: events",
                               ready->device.name),
                   {}};
    }
    timer_.emplace(facts_, spawner_, Role::time);
    return {};
  }

  Compiled compile(const Config& config) override {
    std::unique_ptr<Post> post = acquire();
    const Post::Answer answer = insist(*post, {{"request", "compile"}, {"config", to_string(config)}});
    release(std::move(post));
    if (answer.end != Post::Answer::End::result) return {verdict_of(answer), {}};
    auto verdict = read_verdict(field(answer.json, "verdict"));
    auto resources = read_resources(field(answer.json, "resources"));
    if (!verdict || !resources) {
      const Error& error = !verdict ? verdict.error() : resources.error();
      return {{Outcome::died, "the worker answered nonsense: " + error.message}, {}};
    }
    return {*verdict, *resources};
  }

  [[nodiscard]] int compilers() const override { return most_compilers_; }

  Verdict gate(const Config& config) override {
    const Post::Answer answer = insist(*gate_, {{"request", "gate"}, {"config", to_string(config)}});
    if (answer.end != Post::Answer::End::result) return verdict_of(answer);
    if (flag(answer.json, "lost", true) || ++gated_ % candidates_of_a_worker == 0) gate_->dismiss();
    auto verdict = read_verdict(field(answer.json, "verdict"));
    if (!verdict) return {Outcome::died, "the worker answered nonsense: " + verdict.error().message};
    return *verdict;
  }

  expected<Measurement> measure(std::span<const Config> configs, int rounds) override {
    if (configs.empty()) return Measurement{std::vector<std::vector<double>>(static_cast<std::size_t>(rounds)), {}};
    Json request = {{"request", "measure"}, {"configs", Json::array()}, {"rounds", rounds}};
    for (const Config& config : configs) request["configs"].push_back(to_string(config));
    const Post::Answer answer = insist(*timer_, request);
    if (answer.error) {
      return Error{answer.error->code, "no candidate can be timed: " + answer.error->message, answer.error->context};
    }
    if (answer.end != Post::Answer::End::result) {
      Measurement broken;
      broken.broken = Measurement::Breakage{std::min(answer.index, configs.size() - 1), verdict_of(answer)};
      return broken;
    }
    auto measured = read_measurement(answer.json, configs.size());
    if (!measured) return measured.error();
    timed_ += configs.size();
    if (measured->broken || timed_ > candidates_of_a_worker) {
      timer_->dismiss();
      timed_ = 0;
    }
    if (measured->broken && measured->broken->verdict.laboratory_lost) {
      return Error{ErrorCode::io, "no candidate can be timed: " + measured->broken->verdict.reason, {}};
    }
    return measured;
  }

  [[nodiscard]] bool deterministic() const override { return facts_.setup.modelled; }

 private:
  /// Every candidate is compiled once and loaded by others: where there is no cache, a private one for the time being.
  void set_cache() {
    const std::string problem = problem_of_cache(facts_.setup.engine);
    if (problem.empty()) return;
    const std::string failed = scratch_.make();
    if (facts_.setup.engine.disk_cache || !failed.empty()) {
      facts_.log.warning(fmt::format("the compile cache is not used: {}; {}", problem,
                                     failed.empty() ? fmt::format("{} takes its place for this sweep", scratch_.path())
                                                    : "nor can a temporary one be made: " + failed));
    }
    if (!failed.empty()) return;
    facts_.setup.engine.disk_cache = true;
    facts_.setup.engine.cache_directory = scratch_.path();
  }

  std::unique_ptr<Post> acquire() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !idle_.empty() || compilers_ < most_compilers_; });
    if (idle_.empty()) {
      ++compilers_;
      return std::make_unique<Post>(facts_, spawner_, Role::compile);
    }
    auto post = std::move(idle_.back());
    idle_.pop_back();
    return post;
  }

  void release(std::unique_ptr<Post> post) {
    {
      const std::lock_guard lock(mutex_);
      idle_.push_back(std::move(post));
    }
    changed_.notify_one();
  }

  CrewFacts facts_;
  ScratchDirectory scratch_;  // goes after the workers
  Spawner spawner_;
  std::optional<Post> gate_;
  std::optional<Post> timer_;
  std::size_t gated_ = 0;
  std::size_t timed_ = 0;
  int most_compilers_ = 1;
  std::mutex mutex_;
  std::condition_variable changed_;
  int compilers_ = 0;                        // guarded by mutex_
  std::vector<std::unique_ptr<Post>> idle_;  // likewise
};

}  // namespace

expected<std::unique_ptr<Laboratory>> make_crew(const CrewOptions& options) {
  auto program = find_worker(options.worker);
  if (!program) return program.error();
  try {
    auto crew = std::make_unique<Crew>(options, *std::move(program));
    if (auto done = crew->start(options); !done) return done.error();
    return std::unique_ptr<Laboratory>(std::move(crew));
  } catch (const std::system_error& error) {
    return Error{ErrorCode::io, fmt::format("no thread for the workers: {}", error.what()), {}};
  }
}

}  // namespace osdn::autotune
