// What Ctrl-C does.
#pragma once

namespace osdn::cli {

/// From now on SIGINT, SIGTERM and SIGHUP remove what is half written and end the process as they would have. To be
/// called before any other thread begins: every thread must block them.
void watch_interruptions();

}  // namespace osdn::cli
