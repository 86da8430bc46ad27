// What Ctrl-C does.
#pragma once

namespace osdn::cli {

/// From now on SIGINT, SIGTERM and SIGHUP remove what is half written and end the process as they would have. To be
/// called before any other thread begins: every thread must block them.
void watch_interruptions();

/// From now on the first of them only asks the program to finish with what it has; the second ends it.
void finish_on_interruption();

/// Whether it was asked to.
[[nodiscard]] bool interrupted();

}  // namespace osdn::cli
