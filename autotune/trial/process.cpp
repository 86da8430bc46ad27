#include "autotune/trial/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "autotune/trial/worker.hpp"

namespace osdn::autotune {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kept_tail = 4096;
constexpr std::chrono::milliseconds longest_wait{1000};
constexpr int worker_descriptor = 3;  // what the worker speaks on

std::string words(int number) {
  return std::generic_category().message(number);
}

/// A pair of descriptors that no other program inherits.
struct Pair {
  int ours = -1;
  int theirs = -1;
  ~Pair() {
    if (ours >= 0) ::close(ours);
    if (theirs >= 0) ::close(theirs);
  }
  Pair() = default;
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
};

int open_socket(Pair& pair) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return errno;
  pair.ours = ends[0];
  pair.theirs = ends[1];
  return ::fcntl(pair.ours, F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

int open_pipe(Pair& pair) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
  pair.ours = ends[0];
  pair.theirs = ends[1];
  return ::fcntl(pair.ours, F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

/// What the child finds: the socket as descriptor 3, the pipe as stderr, nothing on stdin and stdout, no other
/// descriptor of ours; the signals of groups blocked, as they stay.
class SpawnSettings {
 public:
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  int set(int socket, int errors) {
    const sigset_t mask = signals_of_groups();
    sigset_t defaults;
    ::sigemptyset(&defaults);
    for (const int signal : {SIGPIPE, SIGCHLD, SIGALRM, SIGUSR1, SIGUSR2}) {
      ::sigaddset(&defaults, signal);
    }
    const std::array<int, 9> results = {
      ::posix_spawnattr_setsigmask(&attributes_, &mask),
      ::posix_spawnattr_setsigdefault(&attributes_, &defaults),
      ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF),
      ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0),
      ::posix_spawn_file_actions_addopen(&actions_, 1, "/dev/null", O_WRONLY, 0),
      ::posix_spawn_file_actions_adddup2(&actions_, errors, 2),
      ::posix_spawn_file_actions_adddup2(&actions_, socket, worker_descriptor),
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
      ::posix_spawn_file_actions_addclosefrom_np(&actions_, worker_descriptor + 1),
#else
      0,
#endif
      0
    };
    for (const int result : results) {
      if (result != 0) return result;
    }
    return 0;
  }

  [[nodiscard]] const posix_spawn_file_actions_t* actions() const {
    return &actions_;
  }
  [[nodiscard]] const posix_spawnattr_t* attributes() const {
    return &attributes_;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// 0, or why not.
int spawn(const std::string& program, int socket, int errors, pid_t& pid) {
  SpawnSettings settings;
  // A descriptor that is 3 or less would be overwritten by one of the others before it is put in its place.
  const int high_socket = ::fcntl(socket, F_DUPFD_CLOEXEC, 16);
  const int high_errors = ::fcntl(errors, F_DUPFD_CLOEXEC, 16);
  int result = high_socket < 0 || high_errors < 0 ? errno : settings.set(high_socket, high_errors);
  if (result == EINVAL) result = EMFILE;  // what fcntl says where 16 descriptors are not allowed
  if (result == 0) {
    const std::string parent = fmt::format("{}", ::getpid());
    const std::string descriptor = fmt::format("{}", worker_descriptor);
    const std::array<const char*, 4> arguments = {program.c_str(), descriptor.c_str(), parent.c_str(), nullptr};
    result = ::posix_spawn(&pid, program.c_str(), settings.actions(), settings.attributes(),
                           const_cast<char* const*>(arguments.data()), environ);
  }
  if (high_socket >= 0) ::close(high_socket);
  if (high_errors >= 0) ::close(high_errors);
  return result;
}

std::string last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  const std::size_t end = text.rfind('\n');
  if (end != std::string_view::npos) text.remove_prefix(end + 1);
  return std::string(text.substr(0, 400));
}

}  // namespace

Spawner::~Spawner() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Spawner::run(const std::function<void()>& task) {
  bool finished = false;
  const std::function<void()> whole = [&] {
    task();
    const std::lock_guard lock(mutex_);
    finished = true;
  };
  std::unique_lock lock(mutex_);
  tasks_.push(&whole);
  changed_.notify_all();
  changed_.wait(lock, [&] { return finished; });
}

void Spawner::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ended_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const auto* const task = tasks_.front();
    tasks_.pop();
    lock.unlock();
    (*task)();
    lock.lock();
    changed_.notify_all();
  }
}

expected<std::unique_ptr<WorkerProcess>> WorkerProcess::start(const std::string& program, Spawner& spawner) {
  Pair socket;
  Pair errors;
  pid_t pid = -1;
  int failed = open_socket(socket);
  if (failed == 0) failed = open_pipe(errors);
  if (failed == 0) spawner.run([&] { failed = spawn(program, socket.theirs, errors.theirs, pid); });
  if (failed != 0) {
    return Error{ErrorCode::io, fmt::format("the worker {} cannot be started: {}", program, words(failed)), {}};
  }
  return std::unique_ptr<WorkerProcess>(
      new WorkerProcess(pid, std::exchange(socket.ours, -1), std::exchange(errors.ours, -1)));
}

WorkerProcess::~WorkerProcess() {
  ::close(std::exchange(socket_, -1));
  kill(std::chrono::milliseconds(500));
  ::close(errors_);
}

void WorkerProcess::drain_errors() {
  std::array<char, 4096> bytes;
  for (int round = 0; round < 64; ++round) {
    const ssize_t got = ::read(errors_, bytes.data(), bytes.size());
    if (got <= 0) return;
    tail_.append(bytes.data(), static_cast<std::size_t>(got));
    if (tail_.size() > kept_tail) tail_.erase(0, tail_.size() - kept_tail);
  }
}

bool WorkerProcess::wait_for(short what, Deadline& deadline) {
  bool errors_open = true;
  for (;;) {
    const auto before = Clock::now();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - before).count();
    std::array<pollfd, 2> waited = {pollfd{socket_, what, 0}, pollfd{errors_open ? errors_ : -1, POLLIN, 0}};
    const int wait = static_cast<int>(std::clamp<std::int64_t>(left, 0, longest_wait.count()));
    const int ready = ::poll(waited.data(), waited.size(), wait);
    // Ctrl-Z stops this process and its workers alike: that time is not the candidate's.
    if (const auto stood_still = Clock::now() - before - longest_wait; stood_still > longest_wait) {
      deadline += stood_still;
    }
    if (ready < 0 && errno != EINTR) return true;  // the call that follows says what is wrong
    if (ready > 0 && waited[1].revents != 0) {
      drain_errors();
      errors_open = (waited[1].revents & POLLIN) != 0;
    }
    if (ready > 0 && waited[0].revents != 0) return true;
    if (Clock::now() >= deadline) return false;
  }
}

bool WorkerProcess::send(std::string line, Deadline deadline) {
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t put = ::send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (put > 0) {
      rest.remove_prefix(static_cast<std::size_t>(put));
      continue;
    }
    const bool full = put < 0 && (errno == EAGAIN || errno == EINTR);
    if (!full || !wait_for(POLLOUT, deadline)) return false;
  }
  return true;
}

WorkerProcess::Heard WorkerProcess::receive(Deadline& deadline) {
  for (;;) {
    if (auto line = lines_.next()) return {Event::line, *std::move(line)};
    if (lines_.overlong()) return {Event::nonsense, "a line without an end"};
    std::array<char, 65536> bytes;
    const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (got > 0) {
      lines_.append({bytes.data(), static_cast<std::size_t>(got)});
      continue;
    }
    const bool nothing_yet = got < 0 && (errno == EAGAIN || errno == EINTR);
    if (!nothing_yet) return {Event::ended, {}};
    if (!wait_for(POLLIN, deadline)) return {Event::late, {}};
  }
}

bool WorkerProcess::reap(Deadline deadline) {
  while (!reaped_) {
    const pid_t ended = ::waitpid(pid_, &status_, WNOHANG);
    // ECHILD: somebody else in this program waits for children, or ignores them.
    if (ended == pid_ || (ended < 0 && errno != EINTR)) {
      reaped_ = true;
      status_known_ = ended == pid_;
    } else if (Clock::now() >= deadline) {
      return false;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return true;
}

bool WorkerProcess::killed_from_outside() const {
  return status_known_ && WIFSIGNALED(status_) && WTERMSIG(status_) == SIGKILL;
}

std::string WorkerProcess::kill(std::chrono::milliseconds patience) {
  const bool by_itself = reap(Clock::now() + patience);
  if (!by_itself) {
    ::kill(pid_, SIGKILL);
    // In a driver that does not return, a process outlives this; the system takes it when it can.
    reap(Clock::now() + std::chrono::seconds(5));
  }
  drain_errors();
  std::string how = "was stopped";
  if (by_itself && !status_known_) how = "ended";
  if (by_itself && status_known_ && WIFEXITED(status_)) how = fmt::format("ended with status {}", WEXITSTATUS(status_));
  if (by_itself && status_known_ && WIFSIGNALED(status_)) {
    const char* const name = ::sigabbrev_np(WTERMSIG(status_));
    how = fmt::format("was ended by signal {} (SIG{})", WTERMSIG(status_), name != nullptr ? name : "?");
  }
  const std::string said = last_line(tail_);
  return said.empty() ? how : fmt::format("{}; its last words: {}", how, said);
}

}  // namespace osdn::autotune
