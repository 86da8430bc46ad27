#include "strict/product_registers.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "execute/block.hpp"
#include "execute/warpgroup.hpp"

namespace emulator {

ProductRegisters::ProductRegisters(Block& block) : program_(block.program()) {
  if (program_.async_proxy) states_.resize(block.warps());
}

void ProductRegisters::reset() {
  for (State& state : states_) {
    state.registers.assign(program_.values, Register{});
    state.epoch = 1;
    state.done = 0;
  }
}

void ProductRegisters::before(const Warp& warp, const Instruction& in, std::uint32_t mask) {
  if (states_.empty()) return;
  State& state = states_[warp.index];
  const auto index = static_cast<std::size_t>(&in - warp.code);
  const InstructionNote& note = program_.notes[index];
  if (note.flow.rule == Flow::warpgroup_multiply) {
    if (mask == kAllLanes) product(warp, in, state);
    return;
  }
  const ValueUse& use = program_.uses[index];
  const std::uint32_t* values = program_.use_list.data() + use.first;
  if (note.renames) {
    const bool guarded = (in.guard & 1) == 0;
    const bool constant = use.reads == (guarded ? 1 : 0);
    return move(warp, in, state, constant ? nullptr : &state.registers[values[use.reads - 1u]], values[use.reads]);
  }
  for (unsigned k = 0; k < use.reads + 0u + use.writes; ++k) {
    const bool writes = k >= use.reads;
    Register& each = state.registers[values[k]];
    if (each.product > state.done) raise_touched(warp, in, values[k], each, writes ? "writes" : "reads");
    (writes ? each.written : each.read) = state.epoch;
  }
}

void ProductRegisters::move(const Warp& warp, const Instruction& in, State& state, const Register* from,
                            std::uint32_t to) {
  Register& each = state.registers[to];
  const bool passes_on = from != nullptr && from->product > state.done && from->role == Role::accumulator;
  if (!passes_on && each.product > state.done) raise_touched(warp, in, to, each, "writes");
  const std::uint32_t written = from == nullptr ? 0 : from->written;
  if (passes_on) {
    each = *from;
  } else {
    each = {};
  }
  each.written = written;
}

/// The registers that it reads come in the order of its operands: accumulators, then the fragment of A.
void ProductRegisters::product(const Warp& warp, const Instruction& in, State& state) {
  const ValueUse& use = program_.uses[static_cast<std::size_t>(&in - warp.code)];
  const std::uint32_t* reads = program_.use_list.data() + use.first + ((in.guard & 1) == 0 ? 1 : 0);
  const std::uint32_t* accumulators = program_.use_list.data() + use.first + use.reads;
  if (state.epoch == 1) {
    raise_unfenced(warp, in, accumulators[0], "before the first wgmma of a warp there must be a wgmma.fence: it");
  }
  const unsigned fragment = (in.mode & kSharedA) != 0 ? 0 : 4;
  for (unsigned k = 0; k < fragment; ++k) multiply(warp, in, state, reads[use.writes + k]);
  for (unsigned k = 0; k < use.writes; ++k) accumulate(warp, in, state, accumulators[k]);
  Register mark;
  mark.product = warp.products.issued + 1;
  mark.code = static_cast<std::uint32_t>(&in - warp.code);
  mark.issued = state.epoch;
  mark.role = Role::fragment;
  for (unsigned k = 0; k < fragment; ++k) state.registers[reads[use.writes + k]] = mark;
  mark.role = Role::accumulator;
  for (unsigned k = 0; k < use.writes; ++k) state.registers[accumulators[k]] = mark;
}

void ProductRegisters::accumulate(const Warp& warp, const Instruction& in, State& state, std::uint32_t value) {
  const Register& each = state.registers[value];
  if (each.product <= state.done) {
    if (each.written == state.epoch) raise_unfenced(warp, in, value, "since the last wgmma.fence something wrote");
    if (each.read == state.epoch) raise_unfenced(warp, in, value, "since the last wgmma.fence something read");
    return;
  }
  if (each.role == Role::fragment) raise_touched(warp, in, value, each, "accumulates into");
  const Instruction& other = warp.code[each.code];
  const bool same_shape = other.handler == in.handler && other.count == in.count;
  if (!same_shape && each.issued == state.epoch) {
    raise_unfenced(warp, in, value, "since the last wgmma.fence a wgmma of another shape accumulates into");
  }
}

void ProductRegisters::multiply(const Warp& warp, const Instruction& in, State& state, std::uint32_t value) {
  const Register& each = state.registers[value];
  if (each.product > state.done && each.role == Role::accumulator) {
    raise_touched(warp, in, value, each, "takes as a fragment of A");
  }
  if (each.written == state.epoch) raise_unfenced(warp, in, value, "since the last wgmma.fence something wrote");
}

void ProductRegisters::fenced(const Warp& warp) {
  if (!states_.empty()) ++states_[warp.index].epoch;
}

void ProductRegisters::done(const Warp& warp, std::uint64_t number) {
  if (states_.empty()) return;
  State& state = states_[warp.index];
  state.done = std::max(state.done, number);
}

const std::string& ProductRegisters::name(std::uint32_t value) const {
  return program_.register_names[program_.value_names[value]];
}

void ProductRegisters::raise_touched(const Warp& warp, const Instruction& in, std::uint32_t value,
                                     const Register& which, const char* how) const {
  const char* role = which.role == Role::accumulator ? "an accumulator" : "part of the fragment of A";
  Fault fault = fault_at(warp, in, static_cast<unsigned>(__builtin_ctz(warp.active | 1u << 31)), Fault::Kind::in_flight,
                         fmt::format("the warp {} {}, {} of a wgmma in flight: no wgmma.wait_group has covered it yet",
                                     how, name(value), role));
  Fault::Event issued;
  issued.what = "the wgmma was issued";
  issued.line = program_.notes[which.code].line;
  fault.related.push_back(std::move(issued));
  throw FaultRaised{std::move(fault)};
}

void ProductRegisters::raise_unfenced(const Warp& warp, const Instruction& in, std::uint32_t value,
                                      const char* what) const {
  throw FaultRaised{fault_at(
      warp, in, 0, Fault::Kind::in_flight,
      fmt::format("{} {}, which this wgmma uses: only a wgmma.fence in between orders them", what, name(value)))};
}

}  // namespace emulator
