// The parts of the page as they travel in the library: the files of this folder by their names.
#pragma once

#include <span>
#include <string_view>

namespace osdn::autotune::page {

struct Text {
  std::string_view name;
  std::string_view text;
};

/// Sorted by name; static storage.
[[nodiscard]] std::span<const Text> all();

}  // namespace osdn::autotune::page
