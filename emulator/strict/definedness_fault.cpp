// What is said of an undefined value that matters.
#include <fmt/format.h>

#include "execute/block.hpp"
#include "strict/definedness.hpp"

namespace emulator {

std::string Definedness::name_of(const Look& look, RowOperand operand) {
  const Footprint& footprint = look.footprint;
  const unsigned count = footprint.reads + footprint.writes + footprint.predicate_reads + footprint.predicate_writes;
  for (unsigned k = 0; k < count; ++k) {
    const RegisterPlace& place = look.places[k];
    const bool reads = k < footprint.reads || (k >= footprint.reads + 0u + footprint.writes && place.bytes == 0);
    if (!reads || place.offset != static_cast<std::uint32_t>(operand)) continue;
    return look.warp.program->register_names[place.name];
  }
  return "a register";
}

/// Shared memory that nobody has written yet may be written soon, by who is not ordered with this warp: that is a race,
/// and Races names both sides of it.
void Definedness::throw_fault(Fault fault, OriginId origin) {
  fault.related.push_back(origins_.describe(origin));
  outcome_.active = false;
  meeting_ = {};
  if (origins_.kind_of(origin) == Origin::Kind::shared) throw PatientFault{{std::move(fault)}};
  throw FaultRaised{std::move(fault)};
}

void Definedness::raise(const Look& look, unsigned lane, const std::string& message, OriginId origin) {
  throw_fault(fault_at(look.warp, look.in, lane, Fault::Kind::undefined, message), origin);
}

void Definedness::raise_guard(const Warp& warp, const Instruction& in, std::uint32_t lanes) {
  const auto lane = static_cast<unsigned>(__builtin_ctz(lanes));
  const bool branches = in.handler == control::branch;
  Fault fault = fault_at(warp, in, lane, Fault::Kind::undefined,
                         branches ? "an undefined predicate decides a branch"
                                  : "an undefined predicate decides whether the instruction is executed");
  throw_fault(std::move(fault), registers_.of(warp).predicate_origins[in.guard / 4]);
}

void Definedness::check(const Look& look, RowOperand operand, std::uint32_t lanes, const char* decides) {
  if ((operand & 1) != 0) return;
  for (unsigned k = 0; k < look.footprint.reads; ++k) {
    const RegisterPlace& place = look.read(k);
    if (place.offset != static_cast<std::uint32_t>(operand)) continue;
    const std::uint32_t undefined = look.undefined_lanes(place) & lanes;
    if (undefined == 0) return;
    const auto lane = static_cast<unsigned>(__builtin_ctz(undefined));
    raise(look, lane, fmt::format("{}, which is undefined, {}", name_of(look, operand), decides),
          look.origin_of(operand, lane));
  }
}

void Definedness::check_predicate(const Look& look, RowOperand operand, std::uint32_t lanes, const char* decides) {
  const std::uint32_t undefined = look.predicate_undefined(operand) & lanes;
  if (undefined == 0) return;
  const auto lane = static_cast<unsigned>(__builtin_ctz(undefined));
  raise(look, lane, fmt::format("{}, which is undefined, {}", name_of(look, operand), decides),
        look.shadow.predicate_origins[operand / 4]);
}

void Definedness::raise_store(const Look& look, unsigned lane, RowOperand operand, std::uint64_t address, bool partly) {
  const char* advice =
      partly
          ? " (other bytes it is stored with are defined: padding of a structure must be written too, or left out by "
            "copying member by member)"
          : "";
  raise(
      look, lane,
      fmt::format("{}, which is undefined, reaches global memory at {:#x}{}", name_of(look, operand), address, advice),
      look.origin_of(operand, lane));
}

}  // namespace emulator
