// Where the library's messages go.
#pragma once

#include <cstdio>
#include <string_view>
#include <utility>

#include "osdn/engine.hpp"

namespace osdn::runtime {

/// The caller's callback; without one, warnings go to stderr and the rest nowhere.
class Log {
 public:
  Log() = default;
  explicit Log(LogCallback callback) : callback_(std::move(callback)) {}

  void warning(std::string_view text) const { write(LogLevel::warning, text); }
  void info(std::string_view text) const { write(LogLevel::info, text); }
  void debug(std::string_view text) const { write(LogLevel::debug, text); }

 private:
  void write(LogLevel level, std::string_view text) const {
    if (callback_) {
      callback_(level, text);
    } else if (level == LogLevel::warning) {
      std::fprintf(stderr, "osdn: warning: %.*s\n", static_cast<int>(text.size()), text.data());
    }
  }
  LogCallback callback_;
};

}  // namespace osdn::runtime
