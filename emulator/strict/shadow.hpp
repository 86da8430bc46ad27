// The shadow of what a block's threads can read: for every bit of registers, shared and local memory whether it is
// undefined, and where undefined values come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "strict/origins.hpp"

namespace emulator {

/// The shadow of one frame of a warp's registers. `bits` has the layout of the registers: a set bit is undefined. A row
/// whose flag is 0 is defined, whatever its bits are.
struct RegisterShadow {
  std::byte* bits = nullptr;
  std::uint8_t* dirty = nullptr;          ///< a flag per 128 bytes; of a row the first counts
  OriginId* origins = nullptr;            ///< a row's origins lane by lane, from [offset / 128 * 32]
  OriginId* predicate_origins = nullptr;  ///< one per predicate, at [offset / 4]

  [[nodiscard]] std::uint32_t& predicate(std::uint32_t offset) const {
    return *reinterpret_cast<std::uint32_t*>(bits + offset);
  }
  [[nodiscard]] OriginId* row_origins(std::uint32_t offset) const { return origins + offset / 128 * kLanes; }
};

/// The shadows of all registers of a block.
class RegisterShadows {
 public:
  RegisterShadows(std::size_t register_bytes, std::size_t warps);
  /// All rows are defined.
  void reset();
  /// The frame that the warp is in, or the one at `offset` of its registers.
  [[nodiscard]] RegisterShadow of(const Warp& warp) const {
    return at(warp, static_cast<std::size_t>(warp.base[0] - warp.registers));
  }
  [[nodiscard]] RegisterShadow at(const Warp& warp, std::size_t offset) const {
    const std::size_t from = warp.index * register_bytes_ + offset;
    return {bits_.get() + from, dirty_.get() + from / 128, origins_.get() + from / 4,
            predicate_origins_.get() + from / 4};
  }

 private:
  std::size_t register_bytes_;
  std::size_t warps_;
  std::unique_ptr<std::byte[]> bits_;
  std::unique_ptr<std::uint8_t[]> dirty_;
  std::unique_ptr<OriginId[]> origins_;
  std::unique_ptr<OriginId[]> predicate_origins_;
};

/// The shadow of memory that a block owns: nobody has written it when the block begins.
class MemoryShadow {
 public:
  explicit MemoryShadow(std::size_t bytes);
  void reset();
  [[nodiscard]] std::uint8_t* bits(std::size_t at) const { return bits_.get() + at; }
  /// kNoOrigin: its own, as nobody wrote it.
  [[nodiscard]] OriginId& origin(std::size_t at) const { return origins_[at / 4]; }
  void undefine(std::size_t at, std::size_t bytes, OriginId origin);

 private:
  std::size_t bytes_;
  std::unique_ptr<std::uint8_t[]> bits_;
  std::unique_ptr<OriginId[]> origins_;  ///< one for 4 bytes
};

}  // namespace emulator
