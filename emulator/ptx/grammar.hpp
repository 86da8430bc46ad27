// How a row of the instruction table says which modifiers an instruction takes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace emulator::ptx {

/// The modifiers that an instruction's text matched: group name to the word that was there.
class Match {
 public:
  void set(std::string_view group, std::string_view word) { words_.emplace_back(group, word); }
  /// The word of a group; empty when the optional group was left out.
  [[nodiscard]] std::string_view operator[](std::string_view group) const {
    for (const auto& [name, word] : words_) {
      if (name == group) return word;
    }
    return {};
  }
  [[nodiscard]] bool has(std::string_view group) const { return !(*this)[group].empty(); }

 private:
  std::vector<std::pair<std::string_view, std::string_view>> words_;
};

/// A sequence of groups in a fixed order. Text form: groups separated by spaces; a group is alternatives separated by
/// '|', with a name in front ("type=f32|f64"; else the first alternative names it) and '?' when it may be missing. A
/// '*' in an alternative stands for a number.
class Grammar {
 public:
  struct Group {
    std::string_view name;
    bool optional = false;
    std::vector<std::string_view> alternatives;
  };
  explicit Grammar(std::string_view text);
  /// True when the words are exactly such a sequence.
  [[nodiscard]] bool matches(const std::vector<std::string_view>& words, Match& match) const;

  [[nodiscard]] const std::vector<Group>& groups() const { return groups_; }

 private:
  std::vector<Group> groups_;
};

}  // namespace emulator::ptx
