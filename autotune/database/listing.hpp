// Which files a database directory holds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "autotune/key.hpp"

namespace osdn::autotune {

/// Every `.jsonl` two folders below `v1`; of one problem, or of all; sorted.
[[nodiscard]] std::vector<std::string> key_files(const std::string& directory, const Problem* problem = nullptr);

/// The key whose file this is by its name and by one of its lines; nothing when they do not agree on one.
[[nodiscard]] std::optional<Key> key_of_file(const std::string& directory, const std::string& path);

}  // namespace osdn::autotune
