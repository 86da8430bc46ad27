#include "strict/shared_trace.hpp"

#include <algorithm>

namespace emulator {

void SharedTrace::clear() {
  std::fill(words_.begin(), words_.end(), SharedCell{});
  std::fill(split_.begin(), split_.end(), kWhole);
  parts_.clear();
  free_.clear();
}

void SharedTrace::split(std::uint64_t word) {
  if (free_.empty()) {
    split_[word] = static_cast<std::uint32_t>(parts_.size());
    parts_.emplace_back();
  } else {
    split_[word] = free_.back();
    free_.pop_back();
  }
  parts_[split_[word]].fill(words_[word]);
}

void SharedTrace::join(std::uint64_t word) {
  words_[word] = parts_[split_[word]][0];
  free_.push_back(split_[word]);
  split_[word] = kWhole;
}

}  // namespace emulator
