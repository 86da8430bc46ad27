#include "autotune/trial/event_timer.hpp"

namespace osdn::autotune {

namespace cuda = runtime::cuda;

expected<std::unique_ptr<EventTimer>> EventTimer::make(const runtime::DeviceContext& device) {
  const runtime::Driver& driver = device.driver();
  std::unique_ptr<EventTimer> timer(new EventTimer(driver));
  auto result = driver.stream_create(&timer->stream_, cuda::stream_non_blocking);
  if (result == cuda::success) result = driver.event_create(&timer->start_, cuda::event_default);
  if (result == cuda::success) result = driver.event_create(&timer->end_, cuda::event_default);
  if (result != cuda::success) return driver.error(result, "making a stream and events");
  return timer;
}

EventTimer::~EventTimer() {
  if (end_ != nullptr) driver_.event_destroy(end_);
  if (start_ != nullptr) driver_.event_destroy(start_);
  if (stream_ != nullptr) driver_.stream_destroy(stream_);
}

expected<cuda::GraphExec> EventTimer::capture(const std::function<expected<void>()>& enqueue) const {
  auto result = driver_.stream_begin_capture(stream_, cuda::capture_mode_thread_local);
  if (result != cuda::success) return driver_.error(result, "beginning a capture");
  auto done = enqueue();
  cuda::Graph graph = nullptr;
  result = driver_.stream_end_capture(stream_, &graph);
  cuda::GraphExec executable = nullptr;
  if (done && result == cuda::success) result = driver_.graph_instantiate(&executable, graph, 0);
  if (graph != nullptr) driver_.graph_destroy(graph);
  if (!done) return done.error();
  if (result != cuda::success) return driver_.error(result, "making a graph of launches");
  return executable;
}

expected<double> EventTimer::time(cuda::GraphExec graph) const {
  auto result = driver_.event_record(start_, stream_);
  if (result == cuda::success) result = driver_.graph_launch(graph, stream_);
  if (result == cuda::success) result = driver_.event_record(end_, stream_);
  if (result == cuda::success) result = driver_.event_synchronize(end_);
  float milliseconds = 0;
  if (result == cuda::success) result = driver_.event_elapsed_time(&milliseconds, start_, end_);
  if (result != cuda::success) return driver_.error(result, "timing a replay");
  return 1e-3 * static_cast<double>(milliseconds);
}

}  // namespace osdn::autotune
