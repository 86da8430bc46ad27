// Who touched each word of global memory last during one launch, and what orders its blocks. A block counts as one
// thread here: what one of its threads acquires, all have.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "execute/access.hpp"

namespace emulator {

struct GlobalTouch {
  std::uint32_t block = 0;
  std::uint32_t epoch = 0;  ///< of the block; 0: nobody did
  std::uint32_t code : 24 = 0;
  std::uint32_t bytes : 4 = 0;  ///< which of the word's
  std::uint32_t strong : 1 = 0;
  std::uint32_t several : 1 = 0;  ///< other blocks did as well
};

/// Lies in Extent::traces, one for each word.
struct GlobalCell {
  std::uint32_t launch = 0;
  GlobalTouch write;  ///< the latest
  GlobalTouch weak;   ///< the latest that was not strong
  GlobalTouch read;
  std::uint16_t write_thread = 0, weak_thread = 0, read_thread = 0;
};
static_assert(sizeof(GlobalCell) == kTraceBytes);

/// Up to which of its epochs another block's doings are known.
using BlockKnowledge = std::unordered_map<std::uint32_t, std::uint32_t>;

void join(BlockKnowledge& into, const BlockKnowledge& from);

/// What the blocks of one launch share. They run on several host threads.
class LaunchRaces {
 public:
  LaunchRaces();
  [[nodiscard]] std::uint32_t launch() const { return launch_; }

  /// Guards the cells of one stretch of addresses.
  class Guard {
   public:
    explicit Guard(LaunchRaces& races) : races_(races) {}
    ~Guard() { leave(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    void enter(std::uint64_t address);

   private:
    void leave();
    LaunchRaces& races_;
    std::size_t held_ = kNone;
  };

  void release(std::uint64_t address, const BlockKnowledge& known, std::uint32_t block, std::uint32_t epoch);
  /// What was released to this address so far joins `into`.
  void acquire(std::uint64_t address, BlockKnowledge& into);

 private:
  static constexpr std::size_t kStripes = 1024, kNone = ~std::size_t{0};
  std::uint32_t launch_;
  std::array<std::atomic_flag, kStripes> stripes_{};
  std::mutex mutex_;
  std::atomic<bool> any_{false};
  std::unordered_map<std::uint64_t, BlockKnowledge> released_;
};

}  // namespace emulator
