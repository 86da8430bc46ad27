// What the driver knows: devices, contexts, streams, events, and the tables from handles to them.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "driver/allocations.hpp"
#include "driver/entries.hpp"
#include "driver/handles.hpp"
#include "driver/scheduler.hpp"
#include "driver/settings.hpp"
#include "driver/statistics.hpp"
#include "memory/memory.hpp"

namespace emulator {

struct Capture;
struct Graph;
struct GraphExec;
struct LibraryObject;
struct ModuleObject;
struct Function;
struct LibraryKernel;
struct Node;
struct Stream;
using NodePtr = std::shared_ptr<Node>;
using StreamPtr = std::shared_ptr<Stream>;
using ContextPtr = std::shared_ptr<Context>;

/// A memory pool: its figures only, since every allocation goes straight to the device's memory.
struct Pool {
  CUmemoryPool handle = nullptr;
  int device = 0;
  std::map<CUmemPool_attribute, std::uint64_t> attributes;
  std::atomic<std::size_t> used{0};
  std::atomic<std::size_t> used_high{0};
};

struct Device {
  Device(int number, const Architecture& kind, std::size_t memory_bytes, bool strict)
      : ordinal(number), architecture(kind), memory(memory_bytes, strict) {}
  const int ordinal;
  Architecture architecture;
  Memory memory;
  std::shared_ptr<Pool> default_pool;
  std::shared_ptr<Pool> pool;

  // Guarded by Driver::mutex.
  ContextPtr primary;                  ///< null while inactive
  CUcontext primary_handle = nullptr;  ///< the same in every life of the primary context
  unsigned primary_flags = 0;
  int primary_references = 0;
};

struct Context {
  Context(Device& owner, unsigned creation_flags, std::uint64_t number)
      : device(owner), flags(creation_flags), id(number) {}
  /// The first error sticks: every later call in this context returns it.
  void poison(CUresult error) {
    CUresult none = CUDA_SUCCESS;
    sticky.compare_exchange_strong(none, error);
  }

  CUcontext handle = nullptr;
  Device& device;
  unsigned flags;
  const std::uint64_t id;
  std::atomic<CUresult> sticky{CUDA_SUCCESS};
  std::atomic<bool> destroyed{false};
  std::size_t outstanding = 0;  ///< operations submitted and not done; the scheduler's
  mutable Printer printer;      ///< what kernels printed since somebody last waited for them

  // Guarded by Driver::mutex.
  StreamPtr legacy;  ///< the default stream, which waits for all blocking streams
  std::map<std::thread::id, StreamPtr> per_thread;
  std::vector<StreamPtr> streams;     ///< all but the legacy stream
  std::vector<OperationPtr> orphans;  ///< unfinished work of destroyed blocking streams
  std::map<CUlimit, std::size_t> limits;
  CUfunc_cache cache_config = CU_FUNC_CACHE_PREFER_NONE;
  CUsharedconfig shared_config = CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE;
};

struct Stream {
  CUstream handle = nullptr;
  ContextPtr context;
  unsigned flags = CU_STREAM_DEFAULT;
  int priority = 0;
  std::uint64_t id = 0;
  bool legacy = false;
  [[nodiscard]] bool blocking() const { return (flags & CU_STREAM_NON_BLOCKING) == 0; }

  // Guarded by Driver::mutex.
  OperationPtr tail;                 ///< the newest operation
  std::shared_ptr<Capture> capture;  ///< null when not capturing
  std::vector<NodePtr> frontier;     ///< what the next captured node depends on
};

struct Event {
  CUevent handle = nullptr;
  ContextPtr context;
  unsigned flags = CU_EVENT_DEFAULT;
  // Guarded by Driver::mutex.
  OperationPtr recorded;             ///< null before the first record
  std::shared_ptr<Capture> capture;  ///< when the newest record was captured
  std::vector<NodePtr> captured;
};

/// Everything. Lives as long as the process.
struct Driver {
  explicit Driver(const Settings& read);

  Settings settings;
  std::vector<std::unique_ptr<Device>> devices;
  Scheduler scheduler;
  Allocations allocations;
  LaunchStatistics statistics;
  std::atomic<std::uint64_t> seed;
  std::atomic<bool> perturb;
  std::atomic<std::uint64_t> launches{0};
  std::atomic<std::uint64_t> serial{0};  ///< ids of contexts, streams, captures, buffers

  Handles<CUcontext, Context, HandleKind::context> contexts;
  Handles<CUstream, Stream, HandleKind::stream> streams;
  Handles<CUevent, Event, HandleKind::event> events;
  Handles<CUmodule, ModuleObject, HandleKind::module> modules;
  Handles<CUfunction, Function, HandleKind::function> functions;
  Handles<CUlibrary, LibraryObject, HandleKind::library> libraries;
  Handles<CUkernel, LibraryKernel, HandleKind::kernel> kernels;
  Handles<CUgraph, Graph, HandleKind::graph> graphs;
  Handles<CUgraphNode, Node, HandleKind::graph_node> nodes;
  Handles<CUgraphExec, GraphExec, HandleKind::graph_exec> graph_execs;
  Handles<CUmemoryPool, Pool, HandleKind::memory_pool> pools;

  /// Guards the order of work: streams, events, captures, graphs, and which contexts live.
  std::mutex mutex;
  std::vector<std::shared_ptr<Capture>> captures;  ///< those under way
};

/// Creates a context with its default stream and gives it a handle, or revives `handle`. Driver::mutex is held.
ContextPtr create_context(Device& device, unsigned flags, CUcontext handle = nullptr);

/// Makes a context's handle invalid. False when that was done before. Driver::mutex is held.
bool retire_context(const ContextPtr& context);

/// Waits for a retired context's work and takes everything that belongs to it away. Driver::mutex is not held.
void destroy_context(const ContextPtr& context);

/// The text of the newest fault, for osdn_emulator_last_fault.
void report_fault(const std::string& text, bool to_stderr);
std::string last_fault();

}  // namespace emulator
