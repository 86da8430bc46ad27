#include "ptx/grammar.hpp"

#include <algorithm>

namespace emulator::ptx {

Grammar::Grammar(std::string_view text) {
  while (!text.empty()) {
    const std::size_t space = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, space);
    text.remove_prefix(std::min(space + 1, text.size()));
    if (word.empty()) continue;
    Group group;
    if (word.front() == '?') {
      group.optional = true;
      word.remove_prefix(1);
    }
    if (const std::size_t equals = word.find('='); equals != std::string_view::npos) {
      group.name = word.substr(0, equals);
      word.remove_prefix(equals + 1);
    }
    while (!word.empty()) {
      const std::size_t bar = std::min(word.find('|'), word.size());
      group.alternatives.push_back(word.substr(0, bar));
      word.remove_prefix(std::min(bar + 1, word.size()));
    }
    if (group.name.empty()) group.name = group.alternatives.front();
    groups_.push_back(std::move(group));
  }
}

namespace {

/// A '*' stands for digits.
bool agrees(std::string_view pattern, std::string_view word) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == word;
  const std::string_view behind = pattern.substr(star + 1);
  if (word.size() <= star + behind.size() || !word.starts_with(pattern.substr(0, star)) || !word.ends_with(behind)) {
    return false;
  }
  const std::string_view digits = word.substr(star, word.size() - star - behind.size());
  return std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool Grammar::matches(const std::vector<std::string_view>& words, Match& match) const {
  std::size_t at = 0;
  for (const Group& group : groups_) {
    const bool fits =
        at < words.size() && std::any_of(group.alternatives.begin(), group.alternatives.end(),
                                         [&](std::string_view pattern) { return agrees(pattern, words[at]); });
    if (fits) {
      match.set(group.name, words[at++]);
    } else if (!group.optional) {
      return false;
    }
  }
  return at == words.size();
}

}  // namespace emulator::ptx
