// Runs an example as a user would and keeps what it printed.
#pragma once

#include <array>
#include <cstdio>
#include <string>

namespace osdn::test {

struct Finished {
  int status = -1;
  std::string output{};
};

inline Finished run(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  Finished result;
  std::array<char, 256> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) result.output += part.data();
  result.status = pclose(pipe);
  return result;
}

}  // namespace osdn::test
