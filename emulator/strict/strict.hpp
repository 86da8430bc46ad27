// What a strict device checks of a block beside what every instruction checks of itself: that nobody depends on values
// that were never written (definedness.hpp), and that whoever touches a byte another thread writes is ordered with it
// (races.hpp). The watched loop (watch.cpp) shows it every instruction before and after; the scheduler and the handlers
// of barriers tell it what no instruction alone shows.
#pragma once

#include <cstdint>

#include "execute/access.hpp"
#include "strict/definedness.hpp"
#include "strict/meetings.hpp"
#include "strict/objects.hpp"
#include "strict/product_registers.hpp"
#include "strict/proxy.hpp"
#include "strict/races.hpp"

namespace emulator {

struct Strict {
  Strict(Block& block, LaunchRaces& launch)
      : definedness(block),
        meetings(block),
        races(block, launch),
        proxy(block, races),
        registers(block),
        objects(block) {}
  /// A block begins.
  void reset() {
    definedness.reset();
    meetings.reset();
    races.reset();
    proxy.reset();
    registers.reset();
    objects.reset();
  }
  /// `mask`: the lanes that are about to execute `in`; `asked`: those before its guard was looked at.
  void before(Warp& warp, const Instruction& in, std::uint32_t asked, std::uint32_t mask);
  /// `done`: the lanes that have executed it; those that wait at it are not among them.
  void after(Warp& warp, const Instruction& in, std::uint32_t done);

  // Bulk copies (bulk.cpp). One is about to begin; its bytes have landed, before any mbarrier counts them; the thread
  // that issued it has waited until its source was free, or until all is done; the block ends before that.
  void issued(BulkCopy& copy);
  void landed(const BulkCopy& copy);
  void source_free(const BulkCopy& copy);
  void awaited(const BulkCopy& copy);
  void left_behind(const BulkCopy& copy);

  Definedness definedness;
  Meetings meetings;
  Races races;
  AsyncProxy proxy;
  ProductRegisters registers;
  Objects objects;

 private:
  void product(Warp& warp, const Instruction& in);
};

}  // namespace emulator
