#include "measure/banks.hpp"

#include <algorithm>

namespace emulator {
namespace {

constexpr unsigned kBanks = 32;
constexpr unsigned kWordBytes = 4;

/// Words that one group of lanes wants, by bank.
class Group {
 public:
  void want(std::uint64_t word, bool each_lane) {
    const auto bank = static_cast<unsigned>(word % kBanks);
    any_ = true;
    if (!each_lane) {
      for (unsigned i = 0; i < count_[bank]; ++i) {
        if (words_[bank][i] == word) return;
      }
    }
    if (count_[bank] < kLanes) words_[bank][count_[bank]++] = word;
  }
  [[nodiscard]] unsigned passes() const { return *std::max_element(count_.begin(), count_.end()); }
  [[nodiscard]] bool any() const { return any_; }

 private:
  std::array<unsigned, kBanks> count_{};
  std::array<std::array<std::uint64_t, kLanes>, kBanks> words_;  // of which count_ are set
  bool any_ = false;
};

}  // namespace

BankPasses bank_passes(const Access& access) {
  BankPasses result;
  const unsigned bytes = std::max<unsigned>(access.bytes, 1);
  const unsigned lanes = std::min<unsigned>(kLanes, kBanks * kWordBytes / std::min(bytes, kBanks * kWordBytes));
  const bool each_lane = access.kind == Access::Kind::atomic;
  for (unsigned first = 0; first < kLanes; first += lanes) {
    Group group;
    for (unsigned lane = first; lane < first + lanes; ++lane) {
      if ((access.mask >> lane & 1u) == 0 || access.space[lane] != ptx::Space::shared) continue;
      const std::uint64_t begin = access.address[lane] / kWordBytes;
      const std::uint64_t end = (access.address[lane] + bytes - 1) / kWordBytes;
      for (std::uint64_t word = begin; word <= end; ++word) group.want(word, each_lane);
    }
    result.passes += group.passes();
    result.least += group.any() ? 1 : 0;
  }
  return result;
}

}  // namespace emulator
