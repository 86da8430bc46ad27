// The entries that the library carries: the exports autotune/database/*.jsonl as texts.
#pragma once

#include <span>
#include <string_view>

namespace osdn::autotune::library_entries {

struct Text {
  std::string_view name;
  std::string_view text;  ///< empty while no GPU has been measured
};

/// Sorted by name; static storage.
[[nodiscard]] std::span<const Text> all();

}  // namespace osdn::autotune::library_entries
