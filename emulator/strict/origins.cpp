#include "strict/origins.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace emulator {

Origins::Origins(const Program& program) : program_(program) {
  registers_ = std::min(program.unwritten.size(), kRegisters);
  for (std::size_t i = 0; i < registers_; ++i) origins_.push_back({Origin::Kind::register_, 0, i});
}

void Origins::reset() {
  origins_.resize(registers_);
  known_.clear();
}

OriginId Origins::add(Origin::Kind kind, std::uint32_t instruction, std::uint64_t at) {
  const auto [found, fresh] = known_.try_emplace(static_cast<std::uint64_t>(kind) << 32 | instruction, kSeveralOrigins);
  if (fresh && origins_.size() + 1 < kSeveralOrigins) {
    origins_.push_back({kind, instruction, at});
    found->second = static_cast<OriginId>(origins_.size());
  }
  return found->second;
}

Fault::Event Origins::describe(OriginId id) const {
  Fault::Event event;
  if (id == kNoOrigin || id == kSeveralOrigins) {
    event.what = "it comes from several places that nobody wrote";
    return event;
  }
  const Origin& origin = origins_[id - 1u];
  if (origin.kind == Origin::Kind::register_) {
    const RegisterPlace& place = program_.unwritten[origin.at];
    event.what = fmt::format("register {} was never written", program_.register_names[place.name]);
    return event;
  }
  event.line = program_.notes[origin.instruction].line;
  switch (origin.kind) {
    case Origin::Kind::shared:
      event.what = fmt::format("it comes from shared memory at offset {:#x} that nobody wrote, read", origin.at);
      break;
    case Origin::Kind::local:
      event.what = fmt::format("it comes from local memory at offset {:#x} that nobody wrote, read", origin.at);
      break;
    case Origin::Kind::global:
      event.what = fmt::format("it comes from global memory at {:#x} that nobody wrote, read", origin.at);
      break;
    case Origin::Kind::in_flight:
      event.what = fmt::format(
          "it comes from shared memory at offset {:#x}, the target of an asynchronous copy that was not waited for, "
          "started",
          origin.at);
      break;
    case Origin::Kind::copied:
      event.what =
          fmt::format("it comes from global memory at {:#x} that nobody wrote, copied to shared memory", origin.at);
      break;
    default:
      event.what = "it comes from a lane that takes no part in the exchange";
      break;
  }
  return event;
}

}  // namespace emulator
