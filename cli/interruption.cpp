#include "cli/interruption.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <system_error>
#include <thread>

#include "reference/whole_file.hpp"

namespace osdn::cli {
namespace {

/// The signals that end the program; one that is ignored (nohup, a job in the background) stays ignored.
sigset_t interruptions() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction found {};
    if (::sigaction(number, nullptr, &found) == 0 && found.sa_handler != SIG_IGN) sigaddset(&signals, number);
  }
  return signals;
}

std::atomic<bool> finishing_on_interruption{false};
std::atomic<bool> asked_to_finish{false};

void wait_for(const sigset_t& signals) {
  int number = 0;
  do {
    if (::sigwait(&signals, &number) != 0) return;
    // The first one asks; whoever asks twice means it.
  } while (finishing_on_interruption && !asked_to_finish.exchange(true));
  reference::abandon_unfinished_files();
  std::signal(number, SIG_DFL);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  std::raise(number);  // whoever started the program sees which signal ended it
  ::_exit(128 + number);
}

}  // namespace

// A thread and not a handler: while NVRTC's front end works it puts handlers of its own in place of everybody's, and
// they end the process with exit code 4. No handler is called for a signal that every thread blocks.
void watch_interruptions() {
  const sigset_t signals = interruptions();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  try {
    std::thread([signals] { wait_for(signals); }).detach();
  } catch (const std::system_error&) {  // no thread to be had: then they do what they did
    ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  }
}

void finish_on_interruption() {
  finishing_on_interruption = true;
}

bool interrupted() {
  return asked_to_finish;
}

}  // namespace osdn::cli
