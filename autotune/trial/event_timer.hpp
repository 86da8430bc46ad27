// A graph of launches that can be replayed and timed by device events.
#pragma once

#include <functional>
#include <memory>

#include "osdn/error.hpp"
#include "runtime/device.hpp"

namespace osdn::autotune {

/// A stream of its own and a pair of events on it. The device's context must be current.
class EventTimer {
 public:
  /// Errors: driver.
  static expected<std::unique_ptr<EventTimer>> make(const runtime::DeviceContext& device);
  ~EventTimer();
  EventTimer(const EventTimer&) = delete;
  EventTimer& operator=(const EventTimer&) = delete;

  [[nodiscard]] runtime::cuda::Stream stream() const { return stream_; }
  /// What `enqueue` puts on the stream, as a graph. Errors: those of `enqueue`, driver.
  expected<runtime::cuda::GraphExec> capture(const std::function<expected<void>()>& enqueue) const;
  /// Seconds between an event before and one behind a replay. Errors: driver.
  expected<double> time(runtime::cuda::GraphExec graph) const;
  void destroy(runtime::cuda::GraphExec graph) const { driver_.graph_exec_destroy(graph); }

 private:
  explicit EventTimer(const runtime::Driver& driver) : driver_(driver) {}

  const runtime::Driver& driver_;
  runtime::cuda::Stream stream_ = nullptr;
  runtime::cuda::Event start_ = nullptr;
  runtime::cuda::Event end_ = nullptr;
};

}  // namespace osdn::autotune
