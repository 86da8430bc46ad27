// cuMemset*.
#include <fmt/format.h>

#include <cstring>

#include "driver/capture.hpp"
#include "driver/copy.hpp"

namespace emulator {
namespace {

/// True while the whole of it lies in one live extent.
bool reachable(const Fill& fill) {
  std::size_t row = 0;
  std::size_t rows = 0;
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(fill.width, std::size_t{fill.element}, &row) ||
      __builtin_mul_overflow(fill.height - 1, fill.pitch, &rows) || __builtin_add_overflow(row, rows, &bytes))
    return false;
  for (const auto& device : driver_if_initialized()->devices)
    if (const Extent extent = device->memory.find(fill.address); extent.end != 0)
      return extent.holds(fill.address, bytes);
  return false;
}

template <class Element>
void fill_rows(const Fill& fill) {
  for (std::size_t y = 0; y < fill.height; ++y) {
    auto* row = reinterpret_cast<Element*>(fill.address + y * fill.pitch);
    std::fill_n(row, fill.width, static_cast<Element>(fill.value));
  }
}

CUresult run(const Fill& fill) {
  if (!reachable(fill)) {
    report_fault(fmt::format("a fill at {:#x} met memory that was released before it ran", fill.address), true);
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  for (const auto& device : driver_if_initialized()->devices) {
    for (std::size_t y = 0; y < fill.height; ++y)
      device->memory.mark_written(fill.address + y * fill.pitch, fill.width * fill.element);
  }
  if (fill.element == 1) fill_rows<std::uint8_t>(fill);
  if (fill.element == 2) fill_rows<std::uint16_t>(fill);
  if (fill.element == 4) fill_rows<std::uint32_t>(fill);
  return CUDA_SUCCESS;
}

CUresult fill_later(const Fill& fill, CUstream stream) {
  const ContextPtr context = current_context();
  const std::lock_guard lock(driver().mutex);
  submit(*stream_of(context, stream), fill_task(fill));
  return CUDA_SUCCESS;
}

/// Fills of device memory are asynchronous even without a stream.
CUresult fill_now(const Fill& fill) {
  const ContextPtr context = current_context();
  const std::lock_guard lock(driver().mutex);
  forbid_implicit_dependency(*context->legacy);
  forbid_during_capture();
  submit_now(*context->legacy, fill_task(fill));
  return CUDA_SUCCESS;
}

}  // namespace

Task fill_task(const Fill& fill) {
  Task task;
  task.type = CU_GRAPH_NODE_TYPE_MEMSET;
  require(fill.element == 1 || fill.element == 2 || fill.element == 4);
  if (fill.width == 0 || fill.height == 0) return task;
  require(fill.height == 1 || fill.pitch >= fill.width * fill.element);
  require(fill.address % fill.element == 0 && (fill.height == 1 || fill.pitch % fill.element == 0));
  require(reachable(fill));
  task.run = [fill](Context&) { return run(fill); };
  return task;
}

CUresult cuMemsetD8_v2(CUdeviceptr at, unsigned char value, size_t count) {
  return entry([&] { return fill_now({at, 0, value, 1, count, 1}); });
}

CUresult cuMemsetD16_v2(CUdeviceptr at, unsigned short value, size_t count) {
  return entry([&] { return fill_now({at, 0, value, 2, count, 1}); });
}

CUresult cuMemsetD32_v2(CUdeviceptr at, unsigned value, size_t count) {
  return entry([&] { return fill_now({at, 0, value, 4, count, 1}); });
}

CUresult cuMemsetD8Async(CUdeviceptr at, unsigned char value, size_t count, CUstream stream) {
  return entry([&] { return fill_later({at, 0, value, 1, count, 1}, stream); });
}

CUresult cuMemsetD16Async(CUdeviceptr at, unsigned short value, size_t count, CUstream stream) {
  return entry([&] { return fill_later({at, 0, value, 2, count, 1}, stream); });
}

CUresult cuMemsetD32Async(CUdeviceptr at, unsigned value, size_t count, CUstream stream) {
  return entry([&] { return fill_later({at, 0, value, 4, count, 1}, stream); });
}

CUresult cuMemsetD2D8_v2(CUdeviceptr at, size_t pitch, unsigned char value, size_t width, size_t height) {
  return entry([&] { return fill_now({at, pitch, value, 1, width, height}); });
}

CUresult cuMemsetD2D16_v2(CUdeviceptr at, size_t pitch, unsigned short value, size_t width, size_t height) {
  return entry([&] { return fill_now({at, pitch, value, 2, width, height}); });
}

CUresult cuMemsetD2D32_v2(CUdeviceptr at, size_t pitch, unsigned value, size_t width, size_t height) {
  return entry([&] { return fill_now({at, pitch, value, 4, width, height}); });
}

CUresult cuMemsetD2D8Async(CUdeviceptr at, size_t pitch, unsigned char value, size_t width, size_t height,
                           CUstream stream) {
  return entry([&] { return fill_later({at, pitch, value, 1, width, height}, stream); });
}

CUresult cuMemsetD2D16Async(CUdeviceptr at, size_t pitch, unsigned short value, size_t width, size_t height,
                            CUstream stream) {
  return entry([&] { return fill_later({at, pitch, value, 2, width, height}, stream); });
}

CUresult cuMemsetD2D32Async(CUdeviceptr at, size_t pitch, unsigned value, size_t width, size_t height,
                            CUstream stream) {
  return entry([&] { return fill_later({at, pitch, value, 4, width, height}, stream); });
}

}  // namespace emulator
