// Worker processes as their parent holds them: started without a fork of this (threaded) process, spoken to over one
// socket, killed when they are late.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <string>
#include <thread>

#include "autotune/trial/lines.hpp"
#include "osdn/error.hpp"

namespace osdn::autotune {

using Deadline = std::chrono::steady_clock::time_point;

/// The thread that starts processes. The kernel tells a child of its parent's death when the *thread* that made it ends
/// (prctl(2), PR_SET_PDEATHSIG): this one lives as long as the crew.
class Spawner {
 public:
  Spawner() : thread_([this] { work(); }) {}
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  /// Runs it on the thread and waits.
  void run(const std::function<void()>& task);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::queue<const std::function<void()>*> tasks_;  // guarded by mutex_
  bool ended_ = false;                              // likewise
  std::thread thread_;
};

/// One thread at a time.
class WorkerProcess {
 public:
  /// Errors: io with the system's words.
  static expected<std::unique_ptr<WorkerProcess>> start(const std::string& program, Spawner& spawner);
  /// Tells it to end by closing the socket; kills it when it does not within half a second.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// False when it is gone or does not read in time.
  bool send(std::string line, Deadline deadline);

  enum class Event { line, late, ended, nonsense };
  struct Heard {
    Event event = Event::line;
    std::string line;
  };
  /// Time in which this process itself was stopped is added to the deadline.
  Heard receive(Deadline& deadline);

  /// Ends it for sure, after so much patience. How it ended ("was ended by signal 6 (SIGABRT)"), with the last line it
  /// wrote to stderr.
  std::string kill(std::chrono::milliseconds patience);
  /// After it has ended by itself: by a signal that no program sends itself by a fault. Somebody did, or the system had
  /// no memory left.
  [[nodiscard]] bool killed_from_outside() const;

 private:
  WorkerProcess(pid_t pid, int socket, int errors) : pid_(pid), socket_(socket), errors_(errors) {}
  /// Waits for readiness of the socket and takes what comes on stderr meanwhile. False: the deadline passed.
  bool wait_for(short what, Deadline& deadline);
  void drain_errors();
  /// Its status if it has ended by then.
  bool reap(Deadline deadline);

  pid_t pid_;
  int socket_;
  int errors_;
  bool reaped_ = false;
  bool status_known_ = false;
  int status_ = 0;
  LineBuffer lines_;
  std::string tail_;  // of stderr
};

}  // namespace osdn::autotune
