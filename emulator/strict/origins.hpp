// Where undefined values come from. Shadows carry the number of an origin; the fault spells it out.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "execute/machine.hpp"

namespace emulator {

using OriginId = std::uint16_t;
constexpr OriginId kNoOrigin = 0;
constexpr OriginId kSeveralOrigins = 0xFFFF;

struct Origin {
  enum class Kind : std::uint8_t {
    register_,  ///< never written; at: the index in Program::unwritten
    shared,     ///< memory that nobody wrote; at: its address or offset
    local,
    global,
    in_flight,    ///< the target of an asynchronous copy that was not waited for
    copied,       ///< global memory that nobody wrote, brought by an asynchronous copy
    absent_lane,  ///< a shuffle from a lane that takes no part
  };
  Kind kind = Kind::register_;
  std::uint32_t instruction = 0;  ///< that brought it into a register, or started the copy
  std::uint64_t at = 0;
};

/// The origins that one block has met.
class Origins {
 public:
  explicit Origins(const Program& program);
  /// Forgets all but the registers.
  void reset();
  /// Of a register that was not written: its index in Program::unwritten.
  static OriginId of_register(std::size_t index) {
    return index < kRegisters ? static_cast<OriginId>(index + 1) : kSeveralOrigins;
  }
  /// The first place that an instruction met stands for all that it meets.
  OriginId add(Origin::Kind kind, std::uint32_t instruction, std::uint64_t at);
  [[nodiscard]] Fault::Event describe(OriginId id) const;
  /// register_ where it is not known.
  [[nodiscard]] Origin::Kind kind_of(OriginId id) const {
    return id == kNoOrigin || id == kSeveralOrigins ? Origin::Kind::register_ : origins_[id - 1u].kind;
  }

 private:
  static constexpr std::size_t kRegisters = 30000;
  const Program& program_;
  std::vector<Origin> origins_;  ///< origins_[id - 1]
  std::size_t registers_ = 0;
  std::unordered_map<std::uint64_t, OriginId> known_;
};

}  // namespace emulator
