// setmaxnreg (PTX ISA 9.7.19.5): warps give registers back to their block, and take some that others gave.
#include <fmt/format.h>

#include "execute/block.hpp"
#include "execute/lanes/collective.hpp"
#include "execute/operations.hpp"
#include "execute/warpgroup.hpp"

namespace emulator {
namespace {

using baseline::whole_warp;

[[noreturn]] void raise_registers(const Warp& warp, const Instruction& in, std::string message) {
  throw FaultRaised{fault_at(warp, in, 0, Fault::Kind::registers, std::move(message))};
}

}  // namespace

namespace control {

/// immediate: the registers of a thread from here on. mode: whether that is more.
void set_registers(Warp& warp, const Instruction& in, std::uint32_t mask) {
  if (!whole_warp(warp, in, mask)) return;
  check_warpgroup(warp, in);
  const auto wanted = static_cast<std::uint32_t>(in.immediate);
  const std::uint32_t current = warp.thread_registers;
  const bool more = in.mode != 0;
  if (more ? wanted < current : wanted > current) {
    raise_registers(warp, in,
                    fmt::format("setmaxnreg.{} asks for {} registers of a thread that has {}", more ? "inc" : "dec",
                                wanted, current));
  }
  std::uint32_t& pool = warp.block->register_pool();
  if (more && wanted - current > pool) return park(warp, in, mask, Path::State::blocked, kAllLanes);
  pool = pool + current - wanted;
  warp.thread_registers = wanted;
  warp.adjusted.push_back(&in);
  warp.arrived = true;
  const std::size_t number = warp.adjusted.size() - 1;
  const unsigned first = warp.index / kWarpgroup * kWarpgroup;
  for (unsigned i = first; i < first + kWarpgroup; ++i) {
    const Warp& other = warp.block->warp(i);
    if (other.adjusted.size() > number && other.adjusted[number] != &in) {
      raise_registers(warp, in,
                      "the warps of a warpgroup execute different setmaxnreg: each must be executed by all four");
    }
  }
}

}  // namespace control

void Block::check_registers() const {
  for (const Warp& warp : warps_) {
    const Warp& first = warps_[warp.index / kWarpgroup * kWarpgroup];
    if (warp.adjusted.size() == first.adjusted.size()) continue;
    const Warp& one = warp.adjusted.size() > first.adjusted.size() ? warp : first;
    raise_registers(one, *one.adjusted.back(),
                    "the block has ended, and not all four warps of the warpgroup have executed this setmaxnreg");
  }
}

void Block::raise_blocked(const Warp& warp, const Instruction& in) const {
  if (in.handler != control::set_registers) {
    raise(warp, in, 0, Fault::Kind::divergent_barrier,
          "waits for matrix products that other warps of its warpgroup never issue");
  }
  throw FaultRaised{
      fault_at(warp, in, 0, Fault::Kind::deadlock,
               fmt::format("a thread that has {} registers waits for {}, and {} times 32 are left in the block's pool: "
                           "nobody is left to give some back",
                           warp.thread_registers, in.immediate, register_pool_))};
}

}  // namespace emulator
