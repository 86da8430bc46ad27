// Barriers of the whole block that some threads have passed by. A device lets the others go on once those have exited,
// so that the mistake shows only when they are late.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "execute/machine.hpp"

namespace emulator {

class Meetings {
 public:
  explicit Meetings(Block& block);
  void reset();
  /// The lanes come to `in`.
  void before(const Warp& warp, const Instruction& in, std::uint32_t asked);
  void arrived(const Warp& warp, const Instruction& in, unsigned id, std::uint32_t lanes);
  /// Raises when a thread is behind a barrier at which the others meet without it.
  void completed(unsigned id, bool counted);

 private:
  struct Waiting {
    const Warp* warp;
    const Instruction* at;
    std::uint32_t lanes;
  };
  Block& block_;
  std::vector<std::uint32_t> passed_;  ///< lanes, by place behind a barrier and warp
  std::array<std::vector<Waiting>, 16> waiting_;
};

}  // namespace emulator
