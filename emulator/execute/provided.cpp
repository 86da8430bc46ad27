// Functions that the device brings along: vprintf, __assertfail, malloc and free. Their arguments lie in the caller's
// frame, where the call site says.
#include <fmt/format.h>

#include <cstdio>

#include "execute/block.hpp"
#include "execute/heap.hpp"
#include "execute/lanes/address.hpp"
#include "execute/operations.hpp"
#include "execute/print.hpp"
#include "strict/strict.hpp"

namespace emulator {

void Printer::add(std::string_view text) {
  constexpr std::size_t kMaxText = 1 << 20;  // CUDA's default FIFO; what it would overwrite is printed here
  const std::scoped_lock lock(mutex_);
  text_ += text;
  if (text_.size() < kMaxText) return;
  std::fwrite(text_.data(), 1, text_.size(), stdout);
  text_.clear();
}

void Printer::flush() {
  const std::scoped_lock lock(mutex_);
  if (text_.empty()) return;
  std::fwrite(text_.data(), 1, text_.size(), stdout);
  std::fflush(stdout);
  text_.clear();
}

namespace control {
namespace {

using namespace emulator::baseline;

constexpr std::size_t kMaxString = 1 << 20;

const CallSite& site_of(const Warp& warp, const Instruction& in) {
  return warp.program->calls[static_cast<std::size_t>(in.immediate)];
}

std::uint64_t argument(const Warp& warp, const Instruction& in, unsigned lane, std::size_t index) {
  const CallSite& site = site_of(warp, in);
  if (index >= site.arguments.size()) return 0;
  const Argument& where = site.arguments[index];
  std::uint64_t value = 0;
  std::memcpy(&value, warp.local + lane * warp.local_bytes + warp.frame_local + where.caller,
              std::min<std::size_t>(where.bytes, sizeof(value)));
  return value;
}

void result(const Warp& warp, const Instruction& in, unsigned lane, std::uint64_t value) {
  const CallSite& site = site_of(warp, in);
  if (site.results.empty()) return;
  const Argument& where = site.results[0];
  std::memcpy(warp.local + lane * warp.local_bytes + warp.frame_local + where.caller, &value,
              std::min<std::size_t>(where.bytes, sizeof(value)));
  if (warp.strict != nullptr) {
    warp.strict->definedness.provided(warp, lane, warp.frame_local + where.caller, where.bytes);
  }
}

std::string string_at(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t address) {
  std::string text;
  if (address == 0) return "(null)";
  while (text.size() < kMaxString) {
    const u8* at = locate_one(warp, in, lane, ptx::Space::generic, address++, 1);
    if (*at == 0) break;
    text += static_cast<char>(*at);
  }
  return text;
}

}  // namespace

/// vprintf(format, arguments).
void print(Warp& warp, const Instruction& in, std::uint32_t mask) {
  for_lanes(mask, [&](unsigned lane) {
    std::uint64_t at = argument(warp, in, lane, 1);
    const auto next = [&](std::size_t bytes) {
      at = (at + bytes - 1) / bytes * bytes;
      const u8* from = locate_one(warp, in, lane, ptx::Space::generic, at, bytes);
      at += bytes;
      std::uint64_t value = 0;
      std::memcpy(&value, from, bytes);
      return value;
    };
    const PrintArguments arguments{[&] { return static_cast<std::uint32_t>(next(4)); }, [&] { return next(8); },
                                   [&](std::uint64_t address) { return string_at(warp, in, lane, address); }};
    int count = 0;
    const std::string format = string_at(warp, in, lane, argument(warp, in, lane, 0));
    warp.block->printer().add(format_print(format, arguments, count));
    result(warp, in, lane, static_cast<std::uint64_t>(count));
  });
}

/// __assertfail(message, file, line, function, size of a character).
void assertion(Warp& warp, const Instruction& in, std::uint32_t mask) {
  const auto lane = static_cast<unsigned>(__builtin_ctz(mask));
  const auto text = [&](std::size_t index) { return string_at(warp, in, lane, argument(warp, in, lane, index)); };
  throw FaultRaised{fault_at(warp, in, lane, Fault::Kind::assertion,
                             fmt::format("{}:{}: {}: assertion `{}` failed", text(1),
                                         static_cast<std::uint32_t>(argument(warp, in, lane, 2)), text(3), text(0)))};
}

/// malloc(bytes): 0 when the device has no memory left, as on a device whose heap is full.
void allocate(Warp& warp, const Instruction& in, std::uint32_t mask) {
  for_lanes(mask, [&](unsigned lane) {
    const std::uint64_t bytes = argument(warp, in, lane, 0);
    result(warp, in, lane, warp.block->launch().heap->allocate(bytes));
  });
}

void release(Warp& warp, const Instruction& in, std::uint32_t mask) {
  for_lanes(mask, [&](unsigned lane) {
    const std::uint64_t address = argument(warp, in, lane, 0);
    if (address != 0 && !warp.block->launch().heap->release(address)) {
      raise(warp, in, lane, Fault::Kind::out_of_bounds,
            "free of an address that malloc did not return in this launch, or for the second time");
    }
  });
}

}  // namespace control
}  // namespace emulator
