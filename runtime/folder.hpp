// What is in a folder.
#pragma once

#include <filesystem>
#include <vector>

namespace osdn::runtime {

/// Paths in the order of their names; none when it cannot be read. Not by std::filesystem's iterators: in libstdc++
/// they end the process where memory ends.
[[nodiscard]] std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder);

}  // namespace osdn::runtime
