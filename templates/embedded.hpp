// The templates as they travel in the library: every .cuh of this folder, by the name that an #include gives it.
#pragma once

#include <span>
#include <string_view>

namespace osdn::templates {

struct Text {
  std::string_view name;
  std::string_view text;
};

/// Sorted by name; static storage.
[[nodiscard]] std::span<const Text> all();

}  // namespace osdn::templates
