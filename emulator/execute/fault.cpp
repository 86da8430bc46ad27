// Faults: what happened, where, and which thread did it.
#include <fmt/format.h>

#include <cinttypes>
#include <cstdio>

#include "execute/block.hpp"

namespace emulator {
namespace {

const char* name_of(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::syntax:
      return "syntax error";
    case Fault::Kind::unsupported:
      return "unsupported";
    case Fault::Kind::memory:
      return "out of device memory";
    case Fault::Kind::out_of_bounds:
      return "out of bounds";
    case Fault::Kind::misaligned:
      return "misaligned";
    case Fault::Kind::deadlock:
      return "deadlock";
    case Fault::Kind::divergent_barrier:
      return "divergent barrier";
    case Fault::Kind::trap:
      return "trap";
    case Fault::Kind::assertion:
      return "assertion";
    case Fault::Kind::instruction_limit:
      return "instruction limit";
    case Fault::Kind::undefined:
      return "undefined value";
    case Fault::Kind::race:
      return "race";
    case Fault::Kind::mbarrier:
      return "mbarrier";
    case Fault::Kind::registers:
      return "register counts";
    case Fault::Kind::proxy:
      return "missing proxy fence";
    case Fault::Kind::in_flight:
      return "asynchronous operation in flight";
    case Fault::Kind::tensor_map:
      return "tensor map";
  }
  return "fault";
}

}  // namespace

Fault fault_at(const Warp& warp, const Instruction& in, unsigned lane, Fault::Kind kind, std::string message) {
  Fault fault;
  fault.kind = kind;
  fault.kernel = warp.program->name;
  fault.block = warp.block->place().block;
  fault.thread = thread_of(warp, lane);
  fault.line = warp.program->notes[static_cast<std::size_t>(&in - warp.code)].line;
  fault.message = std::move(message);
  return fault;
}

namespace {

[[noreturn]] void raise_text(const Warp& warp, const Instruction& in, unsigned lane, Fault::Kind kind,
                             std::string message) {
  throw FaultRaised{fault_at(warp, in, lane, kind, std::move(message))};
}

/// The allocation closest to `address`, looked for 16 MiB in both directions. Allocations start at multiples of 256, so
/// probing those misses none.
Extent nearest(const Memory& memory, std::uint64_t address) {
  const std::uint64_t line = address & ~std::uint64_t{255};
  for (std::uint64_t distance = 0; distance < (std::uint64_t{1} << 24); distance += 256) {
    if (line >= distance) {
      if (const Extent found = memory.find(line - distance); found.end != 0) return found;
    }
    if (const Extent found = memory.find(line + distance); found.end != 0) return found;
  }
  return {};
}

}  // namespace

std::string Fault::text() const {
  std::string result = name_of(kind);
  if (!kernel.empty()) {
    result += fmt::format(" in kernel {}, block ({}, {}, {}), thread ({}, {}, {})", kernel, block[0], block[1],
                          block[2], thread[0], thread[1], thread[2]);
  }
  if (line != 0) result += fmt::format(", PTX line {}", line);
  if (!instruction.empty()) result += fmt::format(": {}", instruction);
  if (!message.empty()) result += fmt::format(": {}", message);
  for (const Event& event : related) {
    result += fmt::format("; {}", event.what);
    if (event.has_thread) {
      result += fmt::format(" by block ({}, {}, {}), thread ({}, {}, {})", event.block[0], event.block[1],
                            event.block[2], event.thread[0], event.thread[1], event.thread[2]);
    }
    if (event.line != 0) result += fmt::format(" at PTX line {}", event.line);
    if (!event.instruction.empty()) result += fmt::format(": {}", event.instruction);
  }
  return result;
}

void raise(const Warp& warp, const Instruction& in, unsigned lane, Fault::Kind kind, const char* message) {
  raise_text(warp, in, lane, kind, message);
}

void raise_absent(const Warp& warp, const Instruction& in, std::uint32_t group) {
  raise(warp, in, static_cast<unsigned>(__builtin_ctz(group)), Fault::Kind::divergent_barrier,
        "the member mask names lanes that have exited");
}

void raise_bounds(const Warp& warp, const Instruction& in, unsigned lane, const char* space, std::uint64_t address,
                  std::size_t bytes, std::uint64_t limit) {
  raise_text(warp, in, lane, Fault::Kind::out_of_bounds,
             fmt::format("{} bytes at offset {:#x} of {}, which has {} bytes", bytes, address, space, limit));
}

void raise_misaligned(const Warp& warp, const Instruction& in, unsigned lane, std::uint64_t address,
                      std::size_t bytes) {
  raise_text(warp, in, lane, Fault::Kind::misaligned, fmt::format("an access of {} bytes at {:#x}", bytes, address));
}

std::byte* resolve_global(Warp& warp, const Instruction& in, unsigned lane, std::uint64_t address, std::size_t bytes,
                          bool generic) {
  Memory& memory = warp.block->memory();
  const Extent extent = (address & kWindowMask) == 0 ? memory.find(address) : Extent{};
  if (extent.end != 0 && extent.holds(address, bytes)) {
    warp.hints[&in - warp.code] = extent;
    return reinterpret_cast<std::byte*>(address);
  }
  std::string message = fmt::format("{} bytes at {}address {:#x}", bytes, generic ? "generic " : "", address);
  if (const Extent near = nearest(memory, address); near.end != 0) {
    const std::uint64_t size = near.end - near.begin;
    if (address >= near.end) {
      message += fmt::format(", {} bytes behind the end of the allocation of {} bytes at {:#x}", address - near.end,
                             size, near.begin);
    } else if (address < near.begin) {
      message +=
          fmt::format(", {} bytes before the allocation of {} bytes at {:#x}", near.begin - address, size, near.begin);
    } else {
      message += fmt::format(", across the end of the allocation of {} bytes at {:#x}", size, near.begin);
    }
  }
  raise_text(warp, in, lane, Fault::Kind::out_of_bounds, std::move(message));
}

}  // namespace emulator
