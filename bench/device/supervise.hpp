// A process that is replaced when what it checks takes it along: a kernel that hangs, faults, or kills.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace osdn::bench {

struct Supervision {
  std::vector<std::string> command;  ///< program and arguments
  int patience_seconds = 60;         ///< without a line: hung
  /// Called with each line of the process's stdout, and with what it began last ({"doing": …}) when it is lost.
  std::function<void(const std::string& line)> on_line;
  std::function<void(const std::string& doing, const std::string& why)> on_loss;
};

/// Runs the command again after each loss, until it ends by itself. Its exit status; that of a loss before it began
/// anything is 128 + the signal.
int supervise(const Supervision& supervision);

}  // namespace osdn::bench
