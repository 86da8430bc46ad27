// How long launches take: by device events around graph replays, or by the emulator's timing model.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "osdn/engine.hpp"

namespace osdn::bench {

/// Puts its work with the given set of inputs on the stream.
using Enqueue = std::function<expected<void>(std::size_t set, Stream stream)>;

class Clock {
 public:
  virtual ~Clock() = default;
  /// What its seconds are: "device events", "host" (events of a software device: they say nothing), "modelled".
  [[nodiscard]] virtual std::string name() const = 0;
  /// Whether copies on the device take time by this clock.
  [[nodiscard]] virtual bool times_copies() const = 0;
  /// Makes something that can be timed, of `launches` launches that go through the sets in turn, and warms it up.
  virtual expected<std::size_t> add(const Enqueue& enqueue, std::size_t sets, std::size_t launches) = 0;
  /// Seconds of one launch: the mean over the graph's.
  virtual expected<double> time(std::size_t what) = 0;
};

/// Errors: driver.
expected<std::unique_ptr<Clock>> events_clock(Engine engine);
/// Errors: library_not_found when the engine's driver is not the emulator.
expected<std::unique_ptr<Clock>> modelled_clock(Engine engine);

}  // namespace osdn::bench
