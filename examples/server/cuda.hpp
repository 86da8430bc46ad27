// The few calls of the CUDA driver that a server makes beside osdn's: a context, streams, copies, graphs. A program
// that is linked with the CUDA runtime uses cudaSetDevice, cudaStreamCreate, … in their place; this one is built on
// machines without a toolkit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "osdn/arguments.hpp"
#include "osdn/engine.hpp"

namespace server {

struct DriverTable;

/// One device of the driver. Its primary context is what osdn's Engine works in, too.
class Cuda {
 public:
  /// Throws std::runtime_error naming the library or the call that failed; so does everything below.
  Cuda(const std::string& library, int ordinal);
  ~Cuda();
  Cuda(const Cuda&) = delete;
  Cuda& operator=(const Cuda&) = delete;

  /// Every thread does so once before it works with streams.
  void make_current() const;
  const DriverTable& table() const { return *table_; }

 private:
  std::unique_ptr<DriverTable> table_;
  int device_ = 0;
  void* context_ = nullptr;
};

/// A stream, and what is put into it.
class Queue {
 public:
  explicit Queue(const Cuda& cuda);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  osdn::Stream stream() const { return stream_; }
  void upload(osdn::DevicePointer to, const void* from, std::size_t bytes) const;
  void download(void* to, osdn::DevicePointer from, std::size_t bytes) const;
  void wait() const;

 private:
  const Cuda& cuda_;
  osdn::Stream stream_ = nullptr;
};

/// What `enqueue` puts into the queue, recorded once and replayed.
class Graph {
 public:
  Graph(const Cuda& cuda, const Queue& queue, const std::function<void()>& enqueue);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void launch(const Queue& queue) const;

 private:
  const Cuda& cuda_;
  void* graph_ = nullptr;
  void* executable_ = nullptr;
};

}  // namespace server
