// Bulk asynchronous copies: what nobody wrote stays so in shared memory, and must not leave it.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "execute/block.hpp"
#include "strict/definedness.hpp"

namespace emulator {

std::uint8_t* Definedness::written(std::uint64_t address, std::size_t bytes) {
  if (!extent_.holds(address, bytes)) extent_ = block_.memory().find(address);
  if (extent_.written == nullptr || !extent_.holds(address, bytes)) return nullptr;
  return extent_.written + (address - extent_.begin);
}

/// The first of the bytes at `at` in shared memory that is undefined, or `bytes`.
std::size_t Definedness::first_undefined(std::uint64_t at, std::size_t bytes) const {
  const std::uint8_t* bits = shared_.bits(at);
  return static_cast<std::size_t>(std::find_if(bits, bits + bytes, [](std::uint8_t b) { return b != 0; }) - bits);
}

void Definedness::issued(const BulkCopy& copy) {
  const auto number = static_cast<std::uint32_t>(copy.issued - copy.warp->code);
  const bool reduces = copy.op == BulkOp::reduce;
  for (const BulkRun& run : copy.runs) {
    if (copy.op == BulkOp::load || copy.op == BulkOp::share) {
      shared_.undefine(run.shared, run.bytes, origins_.add(Origin::Kind::in_flight, number, run.shared));
    } else if (copy.op == BulkOp::store || reduces) {
      check_source(copy, run);
    }
    if (!reduces) continue;
    const std::uint8_t* marks = written(run.global, run.bytes);
    const void* first = marks == nullptr ? nullptr : std::memchr(marks, 0, run.bytes);
    if (first == nullptr) continue;
    const std::uint64_t at = run.global + static_cast<std::uint64_t>(static_cast<const std::uint8_t*>(first) - marks);
    throw_fault(fault_at(*copy.warp, *copy.issued, copy.lane, Fault::Kind::undefined,
                         "a bulk reduction depends on global memory that nobody wrote"),
                origins_.add(Origin::Kind::global, number, at));
  }
}

void Definedness::check_source(const BulkCopy& copy, const BulkRun& run) {
  const std::size_t first = first_undefined(run.shared, run.bytes);
  if (first == run.bytes) return;
  const auto number = static_cast<std::uint32_t>(copy.issued - copy.warp->code);
  OriginId origin = shared_.origin(run.shared + first);
  if (origin == kNoOrigin) origin = origins_.add(Origin::Kind::shared, number, run.shared + first);
  throw_fault(fault_at(*copy.warp, *copy.issued, copy.lane, Fault::Kind::undefined,
                       fmt::format("a bulk copy takes an undefined byte from offset {:#x} of shared memory to global "
                                   "memory at {:#x}",
                                   run.shared + first, run.global + first)),
              origin);
}

void Definedness::landed(const BulkCopy& copy) {
  const auto number = static_cast<std::uint32_t>(copy.issued - copy.warp->code);
  for (const BulkRun& run : copy.runs) {
    if (!copy.to_shared()) {
      if (std::uint8_t* marks = written(run.global, run.bytes)) std::memset(marks, 1, run.bytes);
      continue;
    }
    std::uint8_t* bits = shared_.bits(run.shared);
    if (copy.op != BulkOp::load) {
      std::copy_n(shared_.bits(copy.source), run.bytes, bits);
      continue;
    }
    std::memset(bits, 0, run.bytes);
    const std::uint8_t* marks = run.global == 0 ? nullptr : written(run.global, run.bytes);
    if (marks == nullptr || std::memchr(marks, 0, run.bytes) == nullptr) continue;
    for (std::uint32_t k = 0; k < run.bytes; ++k) {
      if (marks[k] != 0) continue;
      bits[k] = 0xFF;
      shared_.origin(run.shared + k) = origins_.add(Origin::Kind::copied, number, run.global + k);
    }
  }
}

/// The addresses, the coordinates, and how much is copied.
void Definedness::check_bulk(const Look& look) {
  const Instruction& in = look.in;
  for (unsigned k = 0; k < 3; ++k) {
    if (in.list[3 * k] != 2) check(look, in.operand[k], look.mask, "forms an address");
  }
  if (in.size == 0) check(look, in.operand[3], look.mask, "decides how much is copied");
  for (unsigned k = 0; k < in.size; ++k) {
    check(look, in.list[kBulkCoordinates + k], look.mask, "is a coordinate of a tensor");
  }
}

}  // namespace emulator
