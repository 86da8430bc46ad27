#include "server/cuda.hpp"

#include <dlfcn.h>

#include <stdexcept>

namespace server {

/// Named as cuda.h's macros map them: the plain name of some is an older call with another signature.
struct DriverTable {
  void* library = nullptr;
  int (*init)(unsigned) = nullptr;
  int (*device_get)(int*, int) = nullptr;
  int (*context_retain)(void**, int) = nullptr;
  int (*context_release)(int) = nullptr;
  int (*context_set)(void*) = nullptr;
  int (*stream_create)(void**, unsigned) = nullptr;
  int (*stream_destroy)(void*) = nullptr;
  int (*stream_synchronize)(void*) = nullptr;
  int (*upload)(osdn::DevicePointer, const void*, std::size_t, void*) = nullptr;
  int (*download)(void*, osdn::DevicePointer, std::size_t, void*) = nullptr;
  int (*begin_capture)(void*, int) = nullptr;
  int (*end_capture)(void*, void**) = nullptr;
  int (*instantiate)(void**, void*, unsigned long long) = nullptr;
  int (*graph_launch)(void*, void*) = nullptr;
  int (*graph_destroy)(void*) = nullptr;
  int (*executable_destroy)(void*) = nullptr;
};

namespace {

constexpr int capture_thread_local = 1;     // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
constexpr unsigned stream_nonblocking = 1;  // CU_STREAM_NON_BLOCKING

void check(int result, const char* call) {
  if (result != 0) throw std::runtime_error(std::string(call) + " returned CUresult " + std::to_string(result));
}

template <class F>
void find(void* library, F& function, const char* name) {
  function = reinterpret_cast<F>(dlsym(library, name));
  if (function == nullptr) throw std::runtime_error(std::string("the driver has no ") + name);
}

std::unique_ptr<DriverTable> open(const std::string& library) {
  auto table = std::make_unique<DriverTable>();
  table->library = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (table->library == nullptr) throw std::runtime_error(dlerror());
  find(table->library, table->init, "cuInit");
  find(table->library, table->device_get, "cuDeviceGet");
  find(table->library, table->context_retain, "cuDevicePrimaryCtxRetain");
  find(table->library, table->context_release, "cuDevicePrimaryCtxRelease_v2");
  find(table->library, table->context_set, "cuCtxSetCurrent");
  find(table->library, table->stream_create, "cuStreamCreate");
  find(table->library, table->stream_destroy, "cuStreamDestroy_v2");
  find(table->library, table->stream_synchronize, "cuStreamSynchronize");
  find(table->library, table->upload, "cuMemcpyHtoDAsync_v2");
  find(table->library, table->download, "cuMemcpyDtoHAsync_v2");
  find(table->library, table->begin_capture, "cuStreamBeginCapture_v2");
  find(table->library, table->end_capture, "cuStreamEndCapture");
  find(table->library, table->instantiate, "cuGraphInstantiateWithFlags");
  find(table->library, table->graph_launch, "cuGraphLaunch");
  find(table->library, table->graph_destroy, "cuGraphDestroy");
  find(table->library, table->executable_destroy, "cuGraphExecDestroy");
  return table;
}

}  // namespace

Cuda::Cuda(const std::string& library, int ordinal) : table_(open(library)) {
  check(table_->init(0), "cuInit");
  check(table_->device_get(&device_, ordinal), "cuDeviceGet");
  check(table_->context_retain(&context_, device_), "cuDevicePrimaryCtxRetain");
  make_current();
}

Cuda::~Cuda() {
  table_->context_set(nullptr);  // nothing that may be destroyed stays current
  table_->context_release(device_);
}

void Cuda::make_current() const {
  check(table_->context_set(context_), "cuCtxSetCurrent");
}

Queue::Queue(const Cuda& cuda) : cuda_(cuda) {
  check(cuda_.table().stream_create(&stream_, stream_nonblocking), "cuStreamCreate");
}

Queue::~Queue() {
  cuda_.table().stream_destroy(stream_);
}

void Queue::upload(osdn::DevicePointer to, const void* from, std::size_t bytes) const {
  check(cuda_.table().upload(to, from, bytes, stream_), "cuMemcpyHtoDAsync");
}

void Queue::download(void* to, osdn::DevicePointer from, std::size_t bytes) const {
  check(cuda_.table().download(to, from, bytes, stream_), "cuMemcpyDtoHAsync");
}

void Queue::wait() const {
  check(cuda_.table().stream_synchronize(stream_), "cuStreamSynchronize");
}

Graph::Graph(const Cuda& cuda, const Queue& queue, const std::function<void()>& enqueue) : cuda_(cuda) {
  check(cuda_.table().begin_capture(queue.stream(), capture_thread_local), "cuStreamBeginCapture");
  try {
    enqueue();
  } catch (...) {  // a stream must not stay in capture
    void* unfinished = nullptr;
    cuda_.table().end_capture(queue.stream(), &unfinished);
    if (unfinished != nullptr) cuda_.table().graph_destroy(unfinished);
    throw;
  }
  check(cuda_.table().end_capture(queue.stream(), &graph_), "cuStreamEndCapture");
  const int result = cuda_.table().instantiate(&executable_, graph_, 0);
  if (result != 0) cuda_.table().graph_destroy(graph_);
  check(result, "cuGraphInstantiateWithFlags");
}

Graph::~Graph() {
  cuda_.table().executable_destroy(executable_);
  cuda_.table().graph_destroy(graph_);
}

void Graph::launch(const Queue& queue) const {
  check(cuda_.table().graph_launch(executable_, queue.stream()), "cuGraphLaunch");
}

}  // namespace server
