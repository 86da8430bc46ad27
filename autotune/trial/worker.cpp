#include "autotune/trial/worker.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "autotune/trial/bench.hpp"
#include "autotune/trial/build_id.hpp"
#include "autotune/trial/candidate.hpp"
#include "autotune/trial/lines.hpp"
#include "autotune/trial/messages.hpp"

namespace osdn::autotune {
namespace {

constexpr int ended_well = 0;
constexpr int misused = 2;
constexpr int most_rounds = 10000;

class Worker {
 public:
  Worker(int descriptor, const WorkerHooks& hooks) : descriptor_(descriptor), hooks_(hooks) {}

  int run() {
    while (auto line = receive_line(descriptor_, buffer_)) {
      const Json request = Json::parse(*line, nullptr, false);
      if (!request.is_object()) return refuse("a request is one JSON object a line");
      const auto what = request.find("request");
      if (what == request.end() || !what->is_string()) return refuse("a request names what is asked in 'request'");
      if (auto answered = answer(what->get<std::string>(), request); !answered) return refuse(answered.error().message);
    }
    return buffer_.overlong() ? refuse("a request is longer than a line may be") : ended_well;
  }

 private:
  void say(const Json& json) {
    const std::lock_guard lock(mutex_);  // messages come from threads that compile
    send_line(descriptor_, to_line(json));
  }

  void say_error(const Error& error) {
    say({{"error", {{"code", name(error.code)}, {"message", error.message}, {"context", error.context}}}});
  }

  int refuse(const std::string& why) {
    say_error({ErrorCode::invalid_argument, "malformed request: " + why, {}});
    return misused;
  }

  /// Errors: the request is not one.
  expected<void> answer(const std::string& what, const Json& request) {
    if (what == "setup") return set_up(request);
    if (what == "compile" && compiler_) return compile(request);
    if (what == "gate" && bench_) return gate(request);
    if (what == "measure" && bench_) return measure(request);
    return Error{ErrorCode::invalid_argument, fmt::format("'{}' is not what this worker does", one_line(what)), {}};
  }

  expected<void> set_up(const Json& request) {
    if (compiler_ || bench_) return Error{ErrorCode::invalid_argument, "it is set up already", {}};
    auto setup = read_setup(request);
    if (!setup) return setup.error();
    const LogCallback log = [this](LogLevel level, std::string_view text) {
      if (level == LogLevel::warning) say({{"warning", text}});
    };
    Json result = Json::object();
    if (setup->role == Role::compile) {
      compiler_ = std::make_unique<CandidateCompiler>(*setup, hooks_, log);
    } else {
      auto bench = Bench::open(*setup, hooks_, log);
      if (!bench) {
        say_error(bench.error());
        return {};
      }
      bench_ = *std::move(bench);
      result = to_json(bench_->ready());
    }
    result["build"] = build_id();
    say({{"result", result}});
    return {};
  }

  static expected<Config> config_of(const Json& text) {
    if (!text.is_string()) return Error{ErrorCode::invalid_argument, "a configuration is a text", {}};
    return parse_config(text.get<std::string>());
  }

  void about(const char* doing, std::size_t index) { say({{"doing", doing}, {"index", index}}); }

  expected<void> compile(const Json& request) {
    auto config = config_of(request.value("config", Json()));
    if (!config) return config.error();
    about("preparing", 0);
    const Compiled compiled = compiler_->compile(*config);
    say({{"result", {{"verdict", to_json(compiled.verdict)}, {"resources", to_json(compiled.resources)}}}});
    return {};
  }

  expected<void> gate(const Json& request) {
    auto config = config_of(request.value("config", Json()));
    if (!config) return config.error();
    const Bench::Checked checked =
        bench_->gate(*config, [this](const char* doing, std::size_t index) { about(doing, index); });
    say({{"result", {{"verdict", to_json(checked.verdict)}, {"lost", checked.lost}}}});
    return {};
  }

  /// The inputs of a large shape may be more than the host can hold, which is no candidate's fault.
  expected<Measurement> measured_by_bench(const std::vector<Config>& configs, int rounds) {
    try {
      return bench_->measure(configs, rounds, [this](const char* doing, std::size_t index) { about(doing, index); });
    } catch (const std::bad_alloc&) {
    } catch (const std::length_error&) {
    }
    return Error{
        ErrorCode::out_of_memory, "the host has no memory for inputs of these sizes; tune for smaller ones", {}};
  }

  expected<void> measure(const Json& request) {
    const Json texts = request.value("configs", Json());
    const Json rounds = request.value("rounds", Json());
    if (!texts.is_array()) return Error{ErrorCode::invalid_argument, "'configs' is not an array", {}};
    if (!rounds.is_number_integer() || rounds.get<long long>() < 1 || rounds.get<long long>() > most_rounds) {
      return Error{ErrorCode::invalid_argument, fmt::format("'rounds' is not from 1 to {}", most_rounds), {}};
    }
    std::vector<Config> configs;
    for (const Json& text : texts) {
      auto config = config_of(text);
      if (!config) return config.error();
      configs.push_back(*config);
    }
    const auto measured = measured_by_bench(configs, rounds.get<int>());
    if (measured)
      say({{"result", to_json(*measured)}});
    else
      say_error(measured.error());
    return {};
  }

  int descriptor_;
  const WorkerHooks& hooks_;
  std::mutex mutex_;
  LineBuffer buffer_;
  std::unique_ptr<CandidateCompiler> compiler_;
  std::unique_ptr<Bench> bench_;
};

std::optional<int> number(const char* text) {
  int value = 0;
  const char* const end = text + std::strlen(text);
  const auto [at, bad] = std::from_chars(text, end, value);
  if (bad != std::errc() || at != end) return std::nullopt;
  return value;
}

/// Ends the process when nobody holds the other end any more, whatever it is doing.
void end_with(int descriptor) {
  std::thread([descriptor] {
    pollfd waited{descriptor, POLLRDHUP, 0};
    while (::poll(&waited, 1, -1) < 0 || (waited.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0) continue;
    // A worker that is idle ends by itself at once, and better than so.
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ::_exit(ended_well);
  }).detach();
}

}  // namespace

sigset_t signals_of_groups() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::sigaddset(&signals, number);
  return signals;
}

int run_worker(int descriptor, const WorkerHooks& hooks) {
  return Worker(descriptor, hooks).run();
}

int worker_main(int argc, char** argv, const WorkerHooks& hooks) {
  const auto descriptor = argc == 3 ? number(argv[1]) : std::nullopt;
  const auto parent = argc == 3 ? number(argv[2]) : std::nullopt;
  if (!descriptor || !parent || *descriptor < 0) {
    std::fputs("osdn-tune-worker is started by a sweep (osdn tune), not by hand\n", stderr);
    return misused;
  }
  // A whole group of processes gets a Ctrl-C, or the end that a batch system or a time limit sends; what becomes of
  // this one is its parent's to say, and the candidate at work is not to blame.
  const sigset_t blocked = signals_of_groups();
  ::sigprocmask(SIG_SETMASK, &blocked, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != *parent) return ended_well;  // it died before this was asked for
  // Files that the user's own process is to write.
  ::unsetenv("OSDN_EMULATOR_PROFILE");  // NOLINT(concurrency-mt-unsafe): no threads yet
  ::unsetenv("OSDN_EMULATOR_TRACE");    // NOLINT(concurrency-mt-unsafe): likewise
  end_with(*descriptor);
  return run_worker(*descriptor, hooks);
}

}  // namespace osdn::autotune
