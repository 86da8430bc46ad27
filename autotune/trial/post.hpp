// A post in the crew: a worker process that is started when it is needed, watched while it works, and replaced when it
// is gone.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "autotune/trial/messages.hpp"
#include "autotune/trial/process.hpp"
#include "runtime/log.hpp"

namespace osdn::autotune {

/// What all posts of a crew have in common.
struct CrewFacts {
  std::string program;
  Setup setup;  ///< but for the role
  std::chrono::duration<double> compile_patience{120};
  std::chrono::duration<double> run_patience{60};
  runtime::Log log;
};

/// One thread at a time.
class Post {
 public:
  Post(const CrewFacts& facts, Spawner& spawner, Role role) : facts_(facts), spawner_(spawner), role_(role) {}

  /// Starts and sets up a worker if there is none. What it answered to the set-up. Errors: io, and what the worker
  /// says.
  expected<Json> man();

  struct Answer {
    enum class End {
      result,  ///< `json`
      hung,    ///< did not answer in time: killed
      died,    ///< ended before it answered, or said what is not an answer
      absent,  ///< no worker could be started: nothing was tried
    } end = End::result;
    Json json;
    std::optional<Error> error{};  ///< what the worker, or the system, said was wrong, when it said so
    std::string reason;            ///< but for result
    std::string doing;             ///< what it said last that it was about to do
    std::size_t index = 0;         ///< with which of the candidates
  };
  /// A worker that is lost between requests, without having said that it begins, or that somebody killed, is replaced
  /// once without a word.
  Answer ask(const Json& request);

  /// The next request gets a fresh worker.
  void dismiss() { worker_.reset(); }
  /// For tests: 0 when there is none.
  [[nodiscard]] pid_t pid() const { return worker_ ? worker_->pid() : 0; }

 private:
  [[nodiscard]] Deadline deadline_of(const std::string& doing) const;
  /// One line of the worker: true when `answer` is final.
  bool take(const std::string& line, Answer& answer, Deadline& deadline);
  Answer listen(bool& begun);

  const CrewFacts& facts_;
  Spawner& spawner_;
  Role role_;
  std::unique_ptr<WorkerProcess> worker_;
};

}  // namespace osdn::autotune
