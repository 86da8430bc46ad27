// Telling a host what took how long.
#pragma once

#include <chrono>
#include <string_view>
#include <utility>

#include "osdn/error.hpp"
#include "osdn/host.hpp"

namespace osdn::runtime {

/// Times a scope; costs nothing where nobody listens.
class Span {
 public:
  Span(const TraceCallback& callback, TraceEvent::Kind kind)
      : callback_(callback), begin_(callback ? Clock::now() : Clock::time_point()), kind_(kind) {}

  [[nodiscard]] bool heard() const { return static_cast<bool>(callback_); }
  void ended(std::string_view subject, std::string_view detail, bool failed = false) const {
    ended_as(kind_, subject, detail, failed);
  }
  void ended_as(TraceEvent::Kind kind, std::string_view subject, std::string_view detail, bool failed = false) const {
    if (!heard()) return;
    try {
      callback_({.kind = kind,
                 .failed = failed,
                 .seconds = std::chrono::duration<double>(Clock::now() - begin_).count(),
                 .subject = subject,
                 .detail = detail});
    } catch (...) {  // a listener decides nothing
    }
  }

 private:
  using Clock = std::chrono::steady_clock;
  const TraceCallback& callback_;
  Clock::time_point begin_;
  TraceEvent::Kind kind_;
};

}  // namespace osdn::runtime
