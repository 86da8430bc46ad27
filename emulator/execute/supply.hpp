// The blocks of a launch in the order in which they begin: a seeded random one. A device promises no order, but a block
// that waits for another must meet it some day.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

namespace emulator {

class Supply {
 public:
  Supply(std::uint64_t count, std::uint64_t seed);

  struct Start {
    std::uint64_t block = 0;
    std::uint64_t position = 0;  ///< in the order, for whoever has to say which of two came first
  };
  /// The next one; nothing when all have begun. From any thread.
  std::optional<Start> next();
  /// The lowest one that has not begun. Look-back algorithms wait for lower blocks only, so this one can go on.
  std::optional<Start> lowest();

 private:
  static constexpr std::uint64_t kShuffled = 1 << 20;
  [[nodiscard]] std::uint64_t at(std::uint64_t position) const;

  std::uint64_t count_;
  std::uint64_t step_ = 1;
  std::uint64_t start_ = 0;
  std::vector<std::uint32_t> order_;
  std::vector<std::atomic<bool>> begun_;  ///< none for grids too large to keep account of
  std::atomic<std::uint64_t> position_{0};
  std::atomic<std::uint64_t> lowest_{0};
};

}  // namespace emulator
