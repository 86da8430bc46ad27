// What a strict device checks of a block beside what every instruction checks of itself: that nobody depends on values
// that were never written (definedness.hpp), and that whoever touches a byte another thread writes is ordered with it
// (races.hpp). The watched loop (watch.cpp) shows it every instruction before and after; the scheduler and the handlers
// of barriers tell it what no instruction alone shows.
#pragma once

#include <cstdint>

#include "execute/access.hpp"
#include "strict/definedness.hpp"
#include "strict/meetings.hpp"
#include "strict/product_registers.hpp"
#include "strict/proxy.hpp"
#include "strict/races.hpp"

namespace emulator {

struct Strict {
  Strict(Block& block, LaunchRaces& launch)
      : definedness(block), meetings(block), races(block, launch), proxy(block, races), registers(block) {}
  /// A block begins.
  void reset() {
    definedness.reset();
    meetings.reset();
    races.reset();
    proxy.reset();
    registers.reset();
  }
  /// `mask`: the lanes that are about to execute `in`; `asked`: those before its guard was looked at.
  void before(Warp& warp, const Instruction& in, std::uint32_t asked, std::uint32_t mask);
  /// `done`: the lanes that have executed it; those that wait at it are not among them.
  void after(Warp& warp, const Instruction& in, std::uint32_t done);

  Definedness definedness;
  Meetings meetings;
  Races races;
  AsyncProxy proxy;
  ProductRegisters registers;

 private:
  void product(Warp& warp, const Instruction& in);
};

}  // namespace emulator
