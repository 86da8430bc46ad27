// Runs the built program as a user does: as a process.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace osdn::test {

struct Ran {
  int exit_code = -1;  ///< 128 + signal when one ended it
  std::string out;
  std::string err;

  /// stdout as JSON; a test failure when it is not one.
  [[nodiscard]] nlohmann::json json() const;
};

using Environment = std::map<std::string, std::string>;

/// `osdn arguments…` while it runs; killed when it goes out of scope.
class Running {
 public:
  explicit Running(const std::vector<std::string>& arguments, const Environment& environment = {},
                   std::optional<std::uint64_t> file_limit = {});
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  void signal(int number) const;
  [[nodiscard]] std::string err() const;  ///< so far
  Ran wait();

 private:
  std::string folder_;
  int child_ = 0;
};

/// Runs `osdn arguments…` with these variables changed; `file_limit`: no file may grow beyond (a full disk).
Ran osdn(const std::vector<std::string>& arguments, const Environment& environment = {},
         std::optional<std::uint64_t> file_limit = {});

/// Begins `osdn arguments…` with this cache and sends `signal` after `delay`; 128 + signal when one ended it.
int interrupted_osdn(const std::vector<std::string>& arguments, const std::string& cache, int signal,
                     std::chrono::milliseconds delay);

/// tests/data/golden/NAME.safetensors
[[nodiscard]] std::string golden(const std::string& name);

/// A test with a folder of its own; the compile cache is shared by the tests of this process and starts empty.
class Program : public testing::Test {
 protected:
  Program();
  ~Program() override;
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  /// Names of what is in the folder.
  [[nodiscard]] std::vector<std::string> files() const;

  std::filesystem::path folder_;
};

}  // namespace osdn::test
