// One instruction as the rules of definedness see it: the values and shadows of its operands, and room for the shadows
// of its results.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "execute/operations.hpp"
#include "strict/shadow.hpp"

namespace emulator {

/// The shadows of an instruction's results between the looks before and after it, in the order of its footprint.
struct Outcome {
  bool active = false;
  std::array<std::uint32_t, 2> predicates{};
  alignas(64) std::array<std::array<std::byte, 256>, 8> rows{};
  alignas(64) std::array<OriginId, kLanes> origin{};
};

/// What the lanes of several paths bring to one collective.
struct Meeting {
  bool active = false;
  bool dirty = false;
  std::uint32_t lanes = 0;
  std::uint32_t predicate = 0, predicate_undefined = 0;
  std::array<std::uint64_t, kLanes> value{};
  std::array<std::uint64_t, kLanes> undefined{};
  std::array<OriginId, kLanes> origin{};
};

template <class F>
void each_lane(std::uint32_t mask, F f) {
  for (; mask != 0; mask &= mask - 1) f(static_cast<unsigned>(__builtin_ctz(mask)));
}

/// The lanes whose element of the row is not 0. `bytes` of a lane: 2, 4 or 8.
std::uint32_t lanes_set(const void* row, unsigned bytes);
/// Every bit of the lanes' elements, and none of the others'.
void fill_lanes(std::byte* row, unsigned bytes, std::uint32_t lanes);

struct Look {
  Warp& warp;
  const Instruction& in;
  const FlowNote& flow;
  const Footprint& footprint;
  const RegisterPlace* places;  ///< reads, writes, predicates read, predicates written
  RegisterShadow shadow;
  std::uint32_t mask;
  Outcome& out;
  const Meeting& meeting;

  template <class T>
  [[nodiscard]] const T* value(RowOperand operand) const {
    return reinterpret_cast<const T*>(warp.base[static_cast<unsigned>(operand) & 1u] + (operand & ~1));
  }
  /// Constants and rows without a flag are defined.
  template <class T>
  [[nodiscard]] const T* undefined(RowOperand operand) const {
    return reinterpret_cast<const T*>(undefined_row(operand));
  }
  [[nodiscard]] const std::byte* undefined_row(RowOperand operand) const {
    const bool defined = (operand & 1) != 0 || shadow.dirty[operand / 128] == 0;
    return defined ? kDefined.data() : shadow.bits + operand;
  }
  [[nodiscard]] std::uint32_t predicate(RowOperand operand) const { return *value<std::uint32_t>(operand); }
  [[nodiscard]] std::uint32_t predicate_undefined(RowOperand operand) const {
    return (operand & 1) != 0 ? 0 : shadow.predicate(static_cast<std::uint32_t>(operand));
  }
  /// The shadow of the k-th row that is written.
  template <class T>
  [[nodiscard]] T* result(unsigned k) const {
    return reinterpret_cast<T*>(out.rows[k].data());
  }
  [[nodiscard]] const RegisterPlace& read(unsigned k) const { return places[k]; }
  [[nodiscard]] const RegisterPlace& written(unsigned k) const { return places[footprint.reads + k]; }
  [[nodiscard]] const RegisterPlace& predicate_read(unsigned k) const {
    return places[footprint.reads + footprint.writes + k];
  }
  [[nodiscard]] const RegisterPlace& predicate_written(unsigned k) const {
    return places[footprint.reads + footprint.writes + footprint.predicate_reads + k];
  }
  /// The lanes with an undefined bit in any source.
  [[nodiscard]] std::uint32_t undefined_lanes() const;
  /// The same of one register that is read.
  [[nodiscard]] std::uint32_t undefined_lanes(const RegisterPlace& place) const;
  /// The lanes' results become undefined as a whole, those of the others of the mask defined.
  void undefine(std::uint32_t lanes) const;
  /// Every result is defined.
  void define() const;
  /// Takes the origins of what is undefined in the results from the lanes' sources.
  void blame() const;
  /// The origin of a lane's undefined source; kNoOrigin when all are defined.
  [[nodiscard]] OriginId origin_of(unsigned lane) const;
  [[nodiscard]] OriginId origin_of(RowOperand operand, unsigned lane) const {
    return (operand & 1) != 0 ? kNoOrigin : shadow.row_origins(static_cast<std::uint32_t>(operand))[lane];
  }

  alignas(64) static const std::array<std::byte, 256> kDefined;
};

/// The rules. Each fills the results of the lanes of the mask.
namespace rules {
void whole(const Look&);
void halves(const Look&);
void pair(const Look&);
void copy(const Look&);
void move(const Look&);
void integer(const Look&);
void predicate(const Look&);
void predicate_copy(const Look&);
void compare(const Look&);
void select(const Look&);
void select_sign(const Look&);
void shuffle(const Look&, Origins&);
void vote(const Look&);
void match(const Look&);
void reduce(const Look&);
void matrix_move(const Look&);
void matrix_multiply(const Look&);
}  // namespace rules

}  // namespace emulator
