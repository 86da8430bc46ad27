#include "bench/device/supervise.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

extern char** environ;

namespace osdn::bench {
namespace {

/// One run of the process.
class Child {
 public:
  explicit Child(const std::vector<std::string>& command) {
    int ends[2];
    if (::pipe(ends) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    std::vector<char*> arguments;
    for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    if (::posix_spawn(&process_, arguments[0], &actions, nullptr, arguments.data(), environ) != 0) process_ = -1;
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    output_ = ends[0];
  }
  ~Child() {
    if (output_ >= 0) ::close(output_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] bool started() const { return process_ > 0; }

  enum class Read { line, end, nothing };
  Read line(std::string& out, int patience_seconds) {
    for (;;) {
      if (const auto end = buffer_.find('\n'); end != std::string::npos) {
        out = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return Read::line;
      }
      pollfd waiting{output_, POLLIN, 0};
      const int ready = ::poll(&waiting, 1, 1000 * patience_seconds);
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0) return Read::nothing;
      char some[4096];
      const ssize_t count = ::read(output_, some, sizeof some);
      if (count <= 0) return Read::end;
      buffer_.append(some, static_cast<std::size_t>(count));
    }
  }

  int wait(bool kill) const {
    if (kill) ::kill(process_, SIGKILL);
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  }

 private:
  pid_t process_ = -1;
  int output_ = -1;
  std::string buffer_;
};

std::optional<std::string> begun(const std::string& line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object() || !json.contains("doing")) return {};
  return json["doing"].get<std::string>();
}

}  // namespace

int supervise(const Supervision& supervision) {
  for (;;) {
    Child child(supervision.command);
    if (!child.started()) return 127;
    std::string doing;
    std::string line;
    auto read = Child::Read::line;
    while ((read = child.line(line, supervision.patience_seconds)) == Child::Read::line) {
      if (const auto next = begun(line)) {
        doing = *next;
      } else {
        supervision.on_line(line);
      }
    }
    const bool hung = read == Child::Read::nothing;
    const int status = child.wait(hung);
    if (!hung && WIFEXITED(status)) return WEXITSTATUS(status);
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (doing.empty()) return 128 + signal;
    supervision.on_loss(doing, hung ? fmt::format("hung: nothing for {} s", supervision.patience_seconds)
                                    : fmt::format("died: {}", strsignal(signal)));
  }
}

}  // namespace osdn::bench
