// Who touched each byte of a block's shared memory last: one cell for four bytes as long as they are touched together,
// one for each byte from when they are not.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "strict/clocks.hpp"

namespace emulator {

/// Lanes of one warp that touched a byte by one instruction at one stamp.
struct Touch {
  Stamp stamp = 0;
  std::uint32_t code = 0;   ///< index of the instruction
  std::uint32_t lanes = 0;  ///< none: nobody did
  std::uint8_t warp = 0;
  bool strong : 1 =
      false;  ///< an atomic, a volatile or another access that the memory model lets collide with its like
  bool atomic : 1 = false;       ///< it read and wrote at once
  bool in_flight : 1 = false;    ///< an asynchronous copy that has not landed
  bool async_proxy : 1 = false;  ///< not by the generic proxy: `warp` and `lanes` are an agent's (proxy.hpp)
};

static_assert(sizeof(Touch) <= 16);

/// A cache line.
struct alignas(64) SharedCell {
  Touch write;                 ///< the latest
  Touch weak;                  ///< the latest that was not strong
  std::array<Touch, 2> reads;  ///< unordered ones of two warps, as far as there are
};

class SharedTrace {
 public:
  explicit SharedTrace(std::size_t bytes) : words_((bytes + 3) / 4), split_(words_.size(), kWhole) {}
  /// Forgets everything. Between blocks that is only needed for copies in flight: older stamps race with nobody.
  void clear();

  /// Calls visit(cell, offset, bytes) for the cells of the bytes; those of a word of which they are a part are split.
  /// `merge`: the bytes are written, so a whole word needs no more than one cell again.
  template <class Visit>
  void each(std::uint64_t at, std::size_t bytes, bool merge, Visit visit) {
    for (std::uint64_t end = at + bytes; at < end;) {
      const std::uint64_t word = at / 4;
      const std::uint64_t behind = word * 4 + 4 < end ? word * 4 + 4 : end;
      const bool whole = at == word * 4 && behind == word * 4 + 4;
      if (whole && split_[word] == kWhole) {
        visit(words_[word], at, std::size_t{4});
      } else {
        if (split_[word] == kWhole) split(word);
        std::array<SharedCell, 4>& parts = parts_[split_[word]];
        for (std::uint64_t byte = at; byte < behind; ++byte) visit(parts[byte % 4], byte, std::size_t{1});
        if (whole && merge) join(word);
      }
      at = behind;
    }
  }

 private:
  static constexpr std::uint32_t kWhole = ~0u;
  void split(std::uint64_t word);
  void join(std::uint64_t word);

  std::vector<SharedCell> words_;
  std::vector<std::uint32_t> split_;  ///< index into parts_
  std::vector<std::array<SharedCell, 4>> parts_;
  std::vector<std::uint32_t> free_;
};

}  // namespace emulator
