// mbarrier objects that the async proxy is told of (PTX ISA 9.7.13.4, 9.7.13.15): who made one must have fenced before
// a bulk copy may count bytes there, by fence.mbarrier_init or fence.proxy.async; the latter also in the thread that
// issues the copy.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "execute/machine.hpp"

namespace emulator {

struct BulkCopy;

class Objects {
 public:
  explicit Objects(Block& block) : block_(block) {}
  void reset() { fresh_.clear(); }

  void initialised(unsigned thread, std::uint64_t object) { fresh_[object] = {thread, {}}; }
  /// `own`: a fence of what the thread itself has initialised, and of nothing else.
  void fenced(const Warp& warp, std::uint32_t lanes, bool own);
  /// Raises when the object that the copy counts at may not be there yet for the async proxy.
  void check(const BulkCopy& copy);

 private:
  struct Fresh {
    unsigned thread = 0;
    std::vector<unsigned> seen_by;  ///< threads that fenced although others initialised it
  };
  Block& block_;
  std::unordered_map<std::uint64_t, Fresh> fresh_;  ///< initialised, and not fenced by who did it
};

}  // namespace emulator
