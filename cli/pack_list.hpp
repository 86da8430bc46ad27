// osdn pack --list: what a pack holds, and whether this library would use it.
#pragma once

#include <string>

#include "osdn/error.hpp"

namespace osdn::cli {

/// Reads everything once. Exit code not_passed when something is damaged or of another version of the library.
expected<int> list_pack(const std::string& path, bool json);

}  // namespace osdn::cli
