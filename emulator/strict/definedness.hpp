// Who wrote what: a byte of shadow for every byte of registers, shared and local memory.
#pragma once

#include <cstdint>

#include "execute/access.hpp"

namespace emulator {

class Definedness {
 public:
  explicit Definedness(Block& block) : block_(block) {}
  void reset() {}
  /// Raises when a lane of `asked` hangs on a predicate that nobody wrote.
  void guard(Warp&, const Instruction&, std::uint32_t /*asked*/) {}
  void before(Warp&, const Instruction&, std::uint32_t /*mask*/, const Access*, unsigned /*count*/) {}
  void after(Warp&, const Instruction&, std::uint32_t /*done*/) {}
  /// Lanes of different paths meet in one collective: before() and after() of each path follow, with what all of them
  /// brought.
  void meet(Warp&, const Instruction&, std::uint32_t /*mask*/) {}
  void met(Warp&) {}
  /// Bytes of a call's arguments or results, in each lane's local memory.
  void argument(Warp&, std::uint32_t /*mask*/, std::uint32_t /*from*/, std::uint32_t /*to*/, std::uint32_t /*bytes*/) {}
  /// The lanes enter a function, whose registers and variables hold nothing yet.
  void called(Warp&, std::uint32_t /*mask*/, const Frame&) {}
  /// An asynchronous copy has landed.
  void landed(Warp&, const PendingCopy&, unsigned /*lane*/) {}

 private:
  [[maybe_unused]] Block& block_;
};

}  // namespace emulator
