#include "autotune/trial/post.hpp"

#include <fmt/format.h>

#include <utility>

#include "autotune/trial/build_id.hpp"
#include "generator/text.hpp"

namespace osdn::autotune {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto setup_patience = 60s;
constexpr auto send_patience = 10s;
constexpr auto ending_patience = 2000ms;  // a core dump takes its time

ErrorCode code_of(const std::string& text) {
  for (const ErrorCode code : {ErrorCode::invalid_argument, ErrorCode::unsupported, ErrorCode::constraint,
                               ErrorCode::library_not_found, ErrorCode::no_device, ErrorCode::compile_failed,
                               ErrorCode::driver, ErrorCode::out_of_memory, ErrorCode::io, ErrorCode::corrupt}) {
    if (text == name(code)) return code;
  }
  return ErrorCode::internal;
}

std::optional<Error> error_of(const Json& said) {
  const Json error = said.is_object() ? said.value("error", Json()) : Json();
  if (!error.is_object()) return std::nullopt;
  const auto text = [&error](const char* field) {
    const auto found = error.find(field);
    return found != error.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  return Error{code_of(text("code")), text("message"), text("context")};
}

/// What a worker answers to its set-up says which sources it was built from.
bool of_this_build(const Json& ready) {
  const auto build = ready.is_object() ? ready.find("build") : ready.end();
  return ready.is_object() && build != ready.end() && build->is_string() && build->get<std::string>() == build_id();
}

}  // namespace

Deadline Post::deadline_of(const std::string& doing) const {
  const auto patience = doing == "preparing" ? facts_.compile_patience : facts_.run_patience;
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(patience);
}

expected<Json> Post::man() {
  if (worker_) return Json::object();
  auto started = WorkerProcess::start(facts_.program, spawner_);
  if (!started) return started.error();
  worker_ = *std::move(started);
  Setup setup = facts_.setup;
  setup.role = role_;
  Json request = to_json(setup);
  request["request"] = "setup";
  worker_->send(to_line(request), Clock::now() + send_patience);
  Answer answer;
  Deadline deadline = Clock::now() + setup_patience;
  for (;;) {
    const auto heard = worker_->receive(deadline);
    if (heard.event == WorkerProcess::Event::line && !take(heard.line, answer, deadline)) continue;
    if (heard.event == WorkerProcess::Event::line && answer.end == Answer::End::result) {
      if (of_this_build(answer.json)) return std::move(answer.json);
      answer.reason =
          "belongs to another build of osdn; name the one of this build in OSDN_TUNE_WORKER (target "
          "osdn_tune_worker)";
    }
    const bool late = heard.event == WorkerProcess::Event::late;
    std::string why = answer.reason;
    if (heard.event == WorkerProcess::Event::nonsense) why = "said " + heard.line;
    if (late) why = fmt::format("did not answer within {} s", setup_patience.count());
    if (heard.event == WorkerProcess::Event::ended) why = worker_->kill(ending_patience);
    worker_->kill(0ms);
    worker_.reset();
    if (answer.error) return *answer.error;
    return Error{ErrorCode::io, fmt::format("the worker {} {}", facts_.program, why), {}};
  }
}

bool Post::take(const std::string& line, Answer& answer, Deadline& deadline) {
  const Json said = Json::parse(line, nullptr, false);
  const auto text = [&said](const char* field) {
    const auto found = said.find(field);
    return found != said.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (said.is_object() && said.contains("doing")) {
    answer.doing = text("doing");
    const auto index = said.find("index");
    answer.index = index != said.end() && index->is_number_unsigned() ? index->get<std::size_t>() : 0;
    deadline = deadline_of(answer.doing);
    return false;
  }
  if (said.is_object() && said.contains("warning")) {
    facts_.log.warning(text("warning"));
    return false;
  }
  if (said.is_object() && said.contains("result")) {
    answer.end = Answer::End::result;
    answer.json = said["result"];
    return true;
  }
  answer.end = Answer::End::died;
  answer.error = error_of(said);
  answer.reason = answer.error ? "the worker gave up: " + one_line(answer.error->message)
                               : "the worker answered " + generator::quoted(line) + ", which is no answer";
  return true;
}

Post::Answer Post::listen(bool& begun) {
  Answer answer;
  Deadline deadline = deadline_of("preparing");
  for (;;) {
    const auto heard = worker_->receive(deadline);
    switch (heard.event) {
      case WorkerProcess::Event::line:
        begun = true;
        if (take(heard.line, answer, deadline)) return answer;
        break;
      case WorkerProcess::Event::late:
        answer.end = Answer::End::hung;
        worker_->kill(0ms);
        return answer;
      case WorkerProcess::Event::ended:
        answer.end = Answer::End::died;
        answer.reason = "the worker " + worker_->kill(ending_patience);
        if (worker_->killed_from_outside()) begun = false;
        return answer;
      case WorkerProcess::Event::nonsense:
        answer.end = Answer::End::died;
        answer.reason = "the worker said " + heard.line;
        return answer;
    }
  }
}

Post::Answer Post::ask(const Json& request) {
  for (int attempt = 0;; ++attempt) {
    if (auto manned = man(); !manned) {
      return {Answer::End::absent, {}, manned.error(), manned.error().message, {}, 0};
    }
    bool begun = false;
    Answer answer;
    answer.end = Answer::End::died;
    answer.reason = "the worker does not listen";
    if (worker_->send(to_line(request), Clock::now() + send_patience)) answer = listen(begun);
    if (answer.end == Answer::End::result) return answer;
    worker_.reset();
    if (answer.end == Answer::End::hung) {
      const auto patience = answer.doing == "preparing" ? facts_.compile_patience : facts_.run_patience;
      answer.reason = fmt::format("was not done within {:g} s ({}): killed", patience.count(),
                                  answer.doing.empty() ? "beginning" : answer.doing);
      return answer;
    }
    if (begun || attempt > 0) return answer;
  }
}

}  // namespace osdn::autotune
