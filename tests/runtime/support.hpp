// What the runtime's tests share.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "null_driver.hpp"
#include "osdn/engine.hpp"
#include "tests/temporary_directory.hpp"

namespace osdn::runtime::testing {

using osdn::test::TemporaryDirectory;

/// Sets a variable for a scope.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value);
  ~ScopedVariable();
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  const char* name_;
  std::string before_;
  bool was_set_;
};

/// Collects messages.
class Messages {
 public:
  [[nodiscard]] LogCallback callback();
  [[nodiscard]] std::vector<std::string> warnings() const;
  [[nodiscard]] std::string all() const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<LogLevel, std::string>> messages_;
};

/// The null driver's books, as one Engine after another sees them; everything reset.
null_driver::Books& fresh_books();
null_driver::SetCurrent set_current();
null_driver::GetContext primary_context();
null_driver::GetContext other_context();

/// An Engine's options on the null driver and the fake NVRTC, without a disk cache.
EngineOptions null_options();

/// OSDN with K = V = 64 and all defaults: two kernels.
Problem small_problem();

/// Arguments that are right on sight; the null driver never follows the pointers.
ForwardArguments some_arguments(const PreparedOperation& operation);

std::string read_all(const std::string& path);
void write_all(const std::string& path, const std::string& bytes);

}  // namespace osdn::runtime::testing
