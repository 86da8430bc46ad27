// Tuning entries from files.
#pragma once

#include <string>
#include <vector>

#include "autotune/database/database.hpp"

namespace osdn::cli {

/// Every entry of a directory, an export or a pack. Errors: io, corrupt.
expected<std::vector<autotune::Entry>> entries_of(const std::string& path);

}  // namespace osdn::cli
