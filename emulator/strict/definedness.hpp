// Who wrote what: a shadow of registers, shared and local memory that follows values through the instructions, and of
// global memory the bytes that nobody wrote. Undefined values may be moved about freely. It is an error when one
// decides control flow or a guard, forms an address, or is stored to global memory.
#pragma once

#include <cstdint>
#include <string>

#include "execute/access.hpp"
#include "strict/look.hpp"

namespace emulator {

struct BulkCopy;
struct BulkRun;

class Definedness {
 public:
  explicit Definedness(Block& block);
  void reset();
  /// Raises when a lane of `asked` hangs on a predicate that nobody wrote.
  void guard(Warp& warp, const Instruction& in, std::uint32_t asked) {
    if ((in.guard & 1) != 0) return;
    const auto offset = static_cast<std::uint32_t>(in.guard);
    const RegisterShadow shadow = registers_.of(warp);
    if ((shadow.predicate(offset) & asked) != 0) raise_guard(warp, in, shadow.predicate(offset) & asked);
  }
  void before(Warp& warp, const Instruction& in, std::uint32_t mask, const Access* accesses, unsigned count);
  void after(Warp& warp, const Instruction& in, std::uint32_t done);
  /// Lanes of different paths meet in one collective: before() and after() of each path follow, with what all of them
  /// brought.
  void meet(Warp& warp, const Instruction& in, std::uint32_t mask);
  void met(Warp& warp);
  /// Bytes of a call's arguments or results, in each lane's local memory.
  void argument(Warp& warp, std::uint32_t mask, std::uint32_t from, std::uint32_t to, std::uint32_t bytes);
  /// A function that the device brings along has written its result to the lane's local memory.
  void provided(const Warp& warp, unsigned lane, std::uint32_t at, std::uint32_t bytes);
  /// The lanes enter a function, whose registers and variables hold nothing yet.
  void called(Warp& warp, std::uint32_t mask, const Frame& frame);
  /// The machine itself wrote these bytes of the block's shared memory.
  void initialised(std::uint64_t offset, std::size_t bytes);
  /// An asynchronous copy has landed.
  void landed(Warp& warp, const PendingCopy& copy, unsigned lane);
  // Bulk copies (definedness_bulk.cpp).
  void issued(const BulkCopy& copy);
  void landed(const BulkCopy& copy);

 private:
  // definedness.cpp
  [[nodiscard]] Look look_at(Warp& warp, const Instruction& in, std::uint32_t mask);
  /// True when a register that the instruction reads may be undefined.
  [[nodiscard]] bool reads_dirty(const Look& look) const;
  [[nodiscard]] bool writes_dirty(const Look& look) const;
  void apply(const Look& look);
  void check_operands(const Look& look);
  void enter(const Warp& warp, std::uint32_t mask, std::uint32_t function, std::uint32_t registers,
             std::uint32_t local);
  [[nodiscard]] std::size_t local_at(const Warp& warp, unsigned lane, std::uint64_t offset) const {
    return (warp.index * kLanes + lane) * warp.local_bytes + offset;
  }

  // definedness_warpgroup.cpp
  /// wgmma has more results than an Outcome holds, and reads shared memory: its rule changes the shadow itself.
  void warpgroup_product(const Look& look);

  // definedness_memory.cpp
  /// The shadow of the lane's bytes of shared or local memory; null for others.
  [[nodiscard]] MemoryShadow* memory_of(const Access& access, unsigned lane, const Warp& warp, std::size_t& at);
  /// For bytes of global memory whether they were written; null when that is not known.
  [[nodiscard]] std::uint8_t* written(const Look& look, std::uint64_t address, std::size_t bytes);
  /// The shadow of the lane's bytes; true when some are undefined, then `origin` says why.
  bool fetch(const Look& look, const Access& access, unsigned lane, std::uint8_t* bits, OriginId& origin);
  [[nodiscard]] bool intact(const Look& look, const Access& access, unsigned lane);
  [[nodiscard]] std::uint32_t undefined_lanes(const Look& look, const Access& access);
  void define(const Look& look, const Access& access);
  void load(const Look& look, const Access& access);
  void store(const Look& look, const Access& access, bool dirty);
  /// Bytes of a lane arrive in memory with this shadow.
  void put(const Look& look, const Access& access, unsigned lane, const std::uint8_t* bits, OriginId origin);
  void load_matrices(const Look& look, const Access& access);
  void store_matrices(const Look& look, const Access& access);
  template <class T>
  void atomic_as(const Look& look, const Access& access);
  void atomic(const Look& look, const Access& access);
  void copy(const Look& look, const Access* accesses);

  // definedness_bulk.cpp
  [[nodiscard]] std::uint8_t* written(std::uint64_t address, std::size_t bytes);
  [[nodiscard]] std::size_t first_undefined(std::uint64_t at, std::size_t bytes) const;
  void check_source(const BulkCopy& copy, const BulkRun& run);
  void check_bulk(const Look& look);

  // definedness_fault.cpp
  [[noreturn]] void raise_guard(const Warp& warp, const Instruction& in, std::uint32_t lanes);
  [[noreturn]] void throw_fault(Fault fault, OriginId origin);
  [[noreturn]] void raise(const Look& look, unsigned lane, const std::string& message, OriginId origin);
  /// Raises when the operand is undefined in a lane: it `decides` something.
  void check(const Look& look, RowOperand operand, std::uint32_t lanes, const char* decides);
  void check_predicate(const Look& look, RowOperand operand, std::uint32_t lanes, const char* decides);
  /// `partly`: other bytes that the lane stores are defined.
  [[noreturn]] void raise_store(const Look& look, unsigned lane, RowOperand operand, std::uint64_t address,
                                bool partly);
  [[nodiscard]] static std::string name_of(const Look& look, RowOperand operand);

  Block& block_;
  const Program& program_;
  RegisterShadows registers_;
  MemoryShadow shared_;
  MemoryShadow local_;
  Origins origins_;
  Outcome outcome_;
  Meeting meeting_;
  Extent extent_;  ///< of the global memory looked at last
  std::array<std::uint16_t, kLanes> copied_{};
  OriginId copied_origin_ = kNoOrigin;
};

}  // namespace emulator
