// Stream capture: what a stream does becomes nodes of a graph instead of work.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "driver/graph.hpp"

namespace emulator {

struct Capture {
  std::uint64_t id = 0;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  std::thread::id thread;
  std::shared_ptr<Graph> graph;
  std::weak_ptr<Stream> origin;
  std::vector<std::weak_ptr<Stream>> members;  ///< the origin and the streams that joined
  bool into_existing_graph = false;
  bool invalid = false;
};

/// Makes a capture fail: every further operation on its streams does, and so does its end. Driver::mutex is held.
void invalidate(Capture& capture);

/// Takes all its streams out of it. Driver::mutex is held.
void finish(const std::shared_ptr<Capture>& capture);

/// For calls that a capture may not see (allocation, queries, …): throws CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED and
/// invalidates the captures that the calling thread's capture mode says it would disturb. Driver::mutex is held.
void forbid_during_capture();

/// For calls on a whole context: throws if any stream of it is capturing. Driver::mutex is held.
void forbid_capture_in(const Context& context);

/// For calls on one stream. Driver::mutex is held.
void forbid_capture_of(const Stream& stream);

/// Captures a task as a node. Driver::mutex is held.
NodePtr capture(Stream& stream, Task task);

/// Makes the stream wait for an event, across the borders of captures. Driver::mutex is held.
void wait_event(const StreamPtr& stream, const std::shared_ptr<Event>& event, bool external);

/// Records the event in the stream, captured or not. Driver::mutex is held.
void record_event(Stream& stream, const std::shared_ptr<Event>& event, bool external);

}  // namespace emulator
